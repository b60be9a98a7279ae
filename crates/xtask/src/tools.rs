//! Programs that tests drive, from Debian and npm: installed where that is allowed, else left out, and
//! the tests say what they skip.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};

use crate::shell::{execute, program, target};

/// Programs and the Debian packages that have them.
const DEBIAN: [(&str, &str); 5] = [
    ("chromium", "chromium"),
    ("chromedriver", "chromium-driver"),
    ("prometheus", "prometheus"),
    ("promtool", "prometheus"),
    ("wrk", "wrk"),
];

const AXE: &str = "axe-core@4.14.1";

/// Variables that tell tests where each tool is: `FRAUD_TEST_CHROMIUM` and so on. Those that are missing
/// and cannot be had are not among them.
pub(crate) fn install() -> Vec<(String, PathBuf)> {
    let missing: Vec<_> = DEBIAN.into_iter().filter(|(name, _)| find(name).is_none()).collect();
    if !missing.is_empty() {
        install_debian(&missing);
    }
    let mut found = Vec::new();
    for (name, package) in DEBIAN {
        match find(name) {
            Some(path) => found.push((format!("FRAUD_TEST_{}", name.to_uppercase()), path)),
            None => {
                eprintln!("   no {name}: install Debian's {package} for the tests that need it");
            }
        }
    }
    match axe() {
        Ok(path) => found.push(("FRAUD_TEST_AXE".to_owned(), path)),
        Err(error) => eprintln!("   pages are not checked with axe-core: {error:#}"),
    }
    found
}

/// A program of the `PATH`.
fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// Root installs; so does a CI whose user may become root unasked. What fails is reported, and the
/// tests go on with what there is.
fn install_debian(missing: &[(&str, &str)]) {
    let is_root = rustix::process::geteuid().is_root();
    let is_ci = std::env::var("CI").is_ok_and(|value| value == "true") && find("sudo").is_some();
    if find("apt-get").is_none() || !(is_root || is_ci) {
        return;
    }
    let as_root = |name: &str| -> Command {
        let mut command = program(if is_root { name } else { "sudo" });
        if !is_root {
            command.args(["--non-interactive", "env", "DEBIAN_FRONTEND=noninteractive", name]);
        }
        command.env("DEBIAN_FRONTEND", "noninteractive");
        command
    };
    let mut packages: Vec<&str> = missing.iter().map(|(_, package)| *package).collect();
    packages.dedup();
    if packages.contains(&"chromium") {
        // Without one, pages have no text.
        packages.push("fonts-dejavu-core");
    }
    let installed = execute(as_root("apt-get").args(["update", "--quiet"])).and_then(|()| {
        let install = ["install", "--quiet", "--yes", "--no-install-recommends"];
        execute(as_root("apt-get").args(install).args(&packages))
    });
    if let Err(error) = installed {
        eprintln!("   {error:#}");
    }
    // Debian starts what it installs; the tests start their own, on ports of their own.
    if packages.contains(&"prometheus") {
        let stopped = if Path::new("/run/systemd/system").exists() {
            execute(as_root("systemctl").args(["disable", "--now", "prometheus"]))
        } else if Path::new("/etc/init.d/prometheus").exists() {
            execute(as_root("/etc/init.d/prometheus").arg("stop"))
        } else {
            Ok(())
        };
        if let Err(error) = stopped {
            eprintln!("   Debian's Prometheus may be running: {error:#}");
        }
    }
}

/// axe-core's script, installed with npm when missing or of another version.
fn axe() -> anyhow::Result<PathBuf> {
    let folder = target()?.join("test-node");
    let script = folder.join("node_modules/axe-core/axe.min.js");
    let stamp = folder.join("installed.txt");
    let is_installed = std::fs::read_to_string(&stamp).is_ok_and(|installed| installed == AXE);
    if is_installed && script.exists() {
        return Ok(script);
    }
    if find("npm").is_none() {
        bail!("npm is not here");
    }
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("cannot make {}", folder.display()))?;
    execute(
        program("npm")
            .args(["install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix"])
            .arg(&folder)
            .arg(AXE),
    )
    .context("cannot install axe-core")?;
    std::fs::write(&stamp, AXE).context("cannot mark axe-core as installed")?;
    Ok(script)
}
