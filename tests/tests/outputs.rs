//! Outputs that are no plain files, stdout that nobody reads, signals, and variables in place of flags.

use std::ffi::OsString;
use std::fs::File;
use std::os::unix::fs::{FileTypeExt, symlink};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use fraud_tests::{binary, check, run, synthetic, trainer};
use rustix::process::{Pid, Signal, kill_process};

fn names(folder: &Path) -> Vec<OsString> {
    let mut names: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    names
}

/// `fraud-trainer synth`, which writes `rows` rows to `output` whatever is there.
fn synth(rows: &str, output: &Path) -> Command {
    let mut command = Command::new(binary("fraud-trainer"));
    command.args(["synth", "--force", "--rows", rows, "--output"]).arg(output);
    command
}

#[test]
fn pipes_and_dangling_links_are_no_outputs() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let data = synthetic(folder.path(), 3_000, 3);
    let model = path("model");
    let _ = trainer!("train", "--bootstrap", "0", "--data", &data, "--output", &model).ok();
    for name in ["pipe.csv", "pipe.html"] {
        assert!(Command::new("mkfifo").arg(path(name)).status().unwrap().success());
    }
    symlink("pipe.csv", path("link.csv")).unwrap();
    symlink("nothing.csv", path("dangling.csv")).unwrap();
    let before = names(folder.path());

    let pipe = ["it is a device or pipe", "expected the name of a file"];
    for (name, expected) in [
        ("pipe.csv", &pipe[..]),
        ("link.csv", &pipe),
        ("dangling.csv", &["dangling.csv: it is a link to something that is not there"]),
    ] {
        let output = path(name);
        check(&run(&mut synth("1000", &output)), expected);
        let score =
            trainer!("score", "--force", "--model", &model, "--data", &data, "--output", &output,);
        check(&score, expected);
    }
    check(&trainer!("explore", "--data", &data, "--output", path("pipe.html")), &pipe);
    let train = |output: &Path| {
        trainer!("train", "--force", "--bootstrap", "0", "--data", &data, "--output", output)
    };
    let folder_expected = ["it is a device or pipe", "expected the name of a folder"];
    check(&train(&path("pipe.csv")), &folder_expected);
    check(&train(&path("dangling.csv")), &["it is a link to something that is not there"]);
    check(&train(Path::new(".")), &["it is the current folder"]);
    check(&train(Path::new("/")), &["cannot write /", "expected the name of another folder"]);
    std::fs::write(model.join("notes.txt"), "mine").unwrap();
    check(&train(&model), &["holds notes.txt", "not replaced even with --force"]);

    assert_eq!(names(folder.path()), before);
    assert!(path("pipe.csv").metadata().unwrap().file_type().is_fifo());
    assert!(model.join("notes.txt").exists());
}

#[test]
fn a_link_stays_where_its_target_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let data = synthetic(folder.path(), 3_000, 3);
    std::fs::create_dir(path("first")).unwrap();
    symlink("first", path("production")).unwrap();
    std::fs::write(path("file.csv"), "old").unwrap();
    symlink("file.csv", path("link.csv")).unwrap();

    let output = path("production");
    let _ = trainer!("train", "--bootstrap", "0", "--data", &data, "--output", &output).ok();
    let _ = run(&mut synth("1000", &path("link.csv"))).ok();
    assert!(output.is_symlink() && path("link.csv").is_symlink());
    assert!(path("first/model.json").is_file());
    assert_eq!(std::fs::read_to_string(path("file.csv")).unwrap().lines().count(), 1_001);
}

#[test]
fn inputs_are_no_outputs() {
    let folder = tempfile::tempdir().unwrap();
    let data = synthetic(folder.path(), 3_000, 3);
    let (model, page) = (folder.path().join("model"), folder.path().join("page.html"));
    let _ = trainer!("train", "--bootstrap", "0", "--data", &data, "--output", &model).ok();
    let before = std::fs::read(&data).unwrap();
    symlink(&data, &page).unwrap();
    let ran = trainer!("score", "--force", "--model", &model, "--data", &data, "--output", &data);
    check(&ran, &["is an input as well"]);
    check(&trainer!("explore", "--data", &data, "--output", &page), &["is an input as well"]);
    check(&trainer!("explore", "--data", &data, "--output", &model), &[".html or .htm"]);
    let twice = trainer!("train", "--output", "none", "--data", &data, &page);
    check(&twice, &["page.html is the same file as", "expected each file once"]);
    assert_eq!(std::fs::read(&data).unwrap(), before);
}

#[test]
fn folders_made_for_nothing_are_removed() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("deep/er/model");
    check(&trainer!("train", "--data", "none.csv", "--output", &output), &["none.csv"]);
    assert!(names(folder.path()).is_empty());
}

#[test]
fn stdout_that_is_closed_or_full() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("data.csv");
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let started = |stdout: Stdio, stderr: Stdio, rows: &str| {
        let mut command = synth(rows, &output);
        command.stdout(stdout).stderr(stderr).spawn().unwrap().wait_with_output().unwrap()
    };
    let closed = started(writer.into(), Stdio::piped(), "1000");
    assert_eq!(closed.status.code(), Some(0), "{closed:?}");
    assert!(closed.stderr.is_empty(), "{closed:?}");
    assert!(output.exists());

    let full = || Stdio::from(File::options().write(true).open("/dev/full").unwrap());
    let ran = started(full(), Stdio::piped(), "1000");
    assert_eq!(ran.status.code(), Some(2), "{ran:?}");
    let stderr = String::from_utf8_lossy(&ran.stderr);
    assert!(stderr.starts_with("error: cannot print the result on stdout"), "{stderr}");
    // An error that nobody can read.
    assert_eq!(started(full(), full(), "0").status.code(), Some(2));
}

#[test]
fn a_signal_leaves_nothing_behind() {
    for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 130)] {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("made/for/it");
        let mut process =
            synth("1000000000", &inner.join("data.csv")).stdin(Stdio::null()).spawn().unwrap();
        let started = Instant::now();
        while !inner.exists() || names(&inner).is_empty() {
            assert!(started.elapsed() < Duration::from_secs(30), "nothing is written");
            std::thread::sleep(Duration::from_millis(10));
        }
        std::thread::sleep(Duration::from_millis(100));
        let pid = i32::try_from(process.id()).ok().and_then(Pid::from_raw).unwrap();
        kill_process(pid, signal).unwrap();
        assert_eq!(process.wait().unwrap().code(), Some(code));
        assert!(names(folder.path()).is_empty(), "{:?}", names(folder.path()));
    }
}

#[test]
fn variables_in_place_of_flags() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("data.csv");
    let with = |name: &str, value: &str| {
        let mut command = Command::new(binary("fraud-trainer"));
        command.args(["synth", "--rows", "1000", "--output"]).arg(&output).env(name, value);
        run(&mut command)
    };
    let _ = with("FRAUD_SYNTH_FORCE", "0").ok();
    for on in ["1", "yes", "true"] {
        let _ = with("FRAUD_SYNTH_FORCE", on).ok();
    }
    for off in ["0", "no", "false", ""] {
        check(&with("FRAUD_SYNTH_FORCE", off), &["is there already"]);
    }
    check(&with("FRAUD_SYNTH_FORCE", "perhaps"), &["perhaps"]);
    check(&with("FRAUD_SYNTH_SEED", ""), &["is there already"]);
    check(&with("FRAUD_THREADS", "100000"), &["100000", "1..=512"]);

    let mut train = Command::new(binary("fraud-trainer"));
    train.args(["train", "--data", "none.csv", "--output"]).arg(folder.path().join("model"));
    let ran = run(train.env("SOURCE_DATE_EPOCH", "yesterday"));
    check(&ran, &["SOURCE_DATE_EPOCH is \"yesterday\", expected seconds since 1970"]);
}
