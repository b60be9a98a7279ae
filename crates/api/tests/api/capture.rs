//! What is scored ends in Parquet files, also when disks and processes fail.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use fraud_api::Application;
use fraud_core::FEATURES;
use parquet::basic::{LogicalType, TimeUnit, Type as Physical};
use parquet::file::reader::{FileReader as _, SerializedFileReader};
use parquet::record::RowAccessor as _;
use reqwest::Client;
use serde_json::json;
use tempfile::TempDir;

use crate::helpers::{amount_model, config, example_with, model_directory};

/// Limit of every wait.
const LIMIT: Duration = Duration::from_secs(30);

/// The real program with `--capture`, ended with the test.
struct Service {
    child: Child,
    client: Client,
    address: String,
    log: PathBuf,
    _directory: TempDir,
}

impl Service {
    fn start(folder: &Path, flags: &[&str]) -> Self {
        let directory = model_directory(&amount_model());
        let log = directory.path().join("log");
        let child = Command::new(env!("CARGO_BIN_EXE_fraud-api"))
            .args(["--host", "127.0.0.1", "--port", "0", "--workers", "1", "--log", "info"])
            .arg("--model")
            .arg(directory.path())
            .arg("--capture")
            .arg(folder)
            .args(flags)
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let deadline = Instant::now() + LIMIT;
        let address = loop {
            let lines = BufReader::new(File::open(&log).unwrap()).lines();
            let found = lines.map_while(Result::ok).find_map(|line| {
                let address = line.split("address=").nth(1)?.split_whitespace().next()?.to_owned();
                line.contains("serving").then_some(address)
            });
            if let Some(address) = found {
                break format!("http://{address}");
            }
            assert!(Instant::now() < deadline, "{}", fs::read_to_string(&log).unwrap());
            std::thread::sleep(Duration::from_millis(5));
        };
        let _ = rustls::crypto::ring::default_provider().install_default();
        Self { child, client: Client::new(), address, log, _directory: directory }
    }

    /// Scores a transaction with this amount, which must be answered.
    async fn score(&self, amount: u32) {
        let request = self.client.post(format!("{}/predict", self.address));
        let answer = request.json(&example_with("Amount", json!(amount))).send().await.unwrap();
        assert_eq!(answer.status(), 200);
    }

    async fn score_all(&self, amounts: std::ops::Range<u32>) {
        for amount in amounts {
            self.score(amount).await;
        }
    }

    /// The sum of a metric over its labels.
    async fn count(&self, metric: &str) -> u64 {
        let url = format!("{}/metrics", self.address);
        let text = self.client.get(url).send().await.unwrap().text().await.unwrap();
        let samples = text.lines().filter(|line| line.starts_with(metric));
        samples.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
    }

    async fn wait_for(&self, metric: &str, reached: impl Fn(u64) -> bool) {
        let deadline = Instant::now() + LIMIT;
        loop {
            let count = self.count(metric).await;
            if reached(count) {
                return;
            }
            assert!(Instant::now() < deadline, "{metric} is {count}\n{}", self.log());
            actix_web::rt::time::sleep(Duration::from_millis(10)).await;
        }
    }

    fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    /// Ends it with a signal and gives its exit code.
    fn stop(&mut self, signal: &str) -> Option<i32> {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", signal, &id]).status().unwrap().success());
        self.child.wait().unwrap().code()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Names in the folder, hidden ones too, sorted.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// The amounts in all files, in the order of the files' names, after a check of every row; and the
/// number of rows of each file.
fn amounts(folder: &Path) -> (Vec<u32>, Vec<usize>) {
    let (mut amounts, mut sizes) = (Vec::new(), Vec::new());
    let digest = amount_model().digest();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    for name in names(folder) {
        assert!(name.starts_with("capture-") && name.ends_with(".parquet"), "{name}");
        let file = File::open(folder.join(&name)).unwrap();
        let reader = SerializedFileReader::new(file).unwrap_or_else(|e| panic!("{name}: {e}"));
        let before = amounts.len();
        for row in reader.get_row_iter(None).unwrap() {
            let row = row.unwrap();
            let amount = row.get_double(29).unwrap();
            assert_eq!(row.get_double(0).unwrap(), 0.0);
            assert_eq!(row.get_double(28).unwrap(), 0.1);
            // Written as the model computes it, not rounded to the answer's 4 decimals.
            let probability = 1.0 / (1.0 + (100.0 - amount).exp());
            assert!((row.get_double(30).unwrap() - probability).abs() <= 1e-15 * probability);
            assert_eq!(row.get_int(31).unwrap(), i32::from(amount >= 100.0));
            assert_eq!(row.get_string(32).unwrap(), &digest);
            let age = now - u128::try_from(row.get_timestamp_millis(33).unwrap()).unwrap();
            assert!(age < 600_000, "scored {age} ms ago");
            assert_eq!(amount.fract(), 0.0);
            amounts.push(format!("{amount}").parse().unwrap());
        }
        sizes.push(amounts.len() - before);
        assert_eq!(
            i64::try_from(amounts.len() - before),
            Ok(reader.metadata().file_metadata().num_rows())
        );
    }
    (amounts, sizes)
}

fn range(amounts: std::ops::Range<u32>) -> Vec<u32> {
    amounts.collect()
}

#[actix_web::test]
async fn a_stop_writes_all_that_was_scored_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("made/at/start");
    let mut service = Service::start(&folder, &[]);
    service.score_all(0..1_000).await;
    // Not scored, so not captured.
    let request = service.client.post(format!("{}/predict", service.address));
    assert_eq!(request.body("{}").send().await.unwrap().status(), 422);
    assert_eq!(names(&folder), [""; 0], "nothing is there before it is whole");
    assert_eq!(service.stop("TERM"), Some(0), "{}", service.log());
    assert_eq!(amounts(&folder), (range(0..1_000), vec![1_000]));

    let name = folder.join(&names(&folder)[0]);
    let reader = SerializedFileReader::new(File::open(name).unwrap()).unwrap();
    let schema = reader.metadata().file_metadata().schema_descr_ptr();
    let columns: Vec<_> =
        schema.columns().iter().map(|column| (column.name(), column.physical_type())).collect();
    let doubles = FEATURES.into_iter().chain(["fraud_probability"]);
    let mut expected: Vec<_> = doubles.map(|name| (name, Physical::DOUBLE)).collect();
    expected.push(("fraud_prediction", Physical::INT32));
    expected.push(("model_version", Physical::BYTE_ARRAY));
    expected.push(("scored_at", Physical::INT64));
    assert_eq!(columns, expected);
    assert_eq!(schema.column(32).logical_type_ref(), Some(&LogicalType::String));
    let utc_millis = LogicalType::timestamp(true, TimeUnit::MILLIS);
    assert_eq!(schema.column(33).logical_type_ref(), Some(&utc_millis));
}

#[actix_web::test]
async fn a_file_is_finished_when_it_is_full() {
    let folder = tempfile::tempdir().unwrap();
    let mut service = Service::start(folder.path(), &["--capture-rows", "100"]);
    service.score_all(0..250).await;
    service.wait_for("fraud_captured_total", |rows| rows == 200).await;
    assert_eq!(amounts(folder.path()), (range(0..200), vec![100, 100]));
    assert_eq!(service.stop("INT"), Some(0));
    assert_eq!(amounts(folder.path()), (range(0..250), vec![100, 100, 50]));
}

#[actix_web::test]
async fn a_file_is_finished_when_it_is_old() {
    let folder = tempfile::tempdir().unwrap();
    let service = Service::start(folder.path(), &["--capture-age", "1"]);
    service.score_all(0..10).await;
    service.wait_for("fraud_captured_total", |rows| rows == 10).await;
    assert_eq!(amounts(folder.path()).0, range(0..10));
}

#[actix_web::test]
async fn a_killed_process_leaves_whole_files_and_the_next_cleans_up() {
    let folder = tempfile::tempdir().unwrap();
    let mut expected = Vec::new();
    for round in 0..5 {
        let mut service = Service::start(folder.path(), &["--capture-rows", "7"]);
        service.score_all(0..50 + round).await;
        let kept = service.count("fraud_captured_total").await;
        service.stop("KILL");
        fs::write(folder.path().join(".capture-x-1.parquet.partial"), "cut o").unwrap();
        expected.push(kept);
    }
    let mut service = Service::start(folder.path(), &[]);
    assert!(service.log().contains("removed what a killed process had not finished"));
    assert_eq!(service.stop("TERM"), Some(0));
    // `amounts` refuses hidden and damaged files.
    let (amounts, sizes) = amounts(folder.path());
    assert!(sizes.iter().all(|rows| *rows == 7), "{sizes:?}");
    assert!(amounts.len() as u64 >= expected.iter().sum(), "{} rows, {expected:?}", amounts.len());
}

#[actix_web::test]
async fn a_full_queue_drops_and_counts() {
    let folder = tempfile::tempdir().unwrap();
    let flags = ["--capture-queue", "1", "--capture-age", "1"];
    let mut service = Service::start(folder.path(), &flags);
    service.score_all(0..2_000).await;
    let dropped = service.count("fraud_capture_dropped_total{reason=\"queue\"}").await;
    assert!(dropped > 0, "the queue was never full");
    service.wait_for("fraud_captured_total", |kept| kept + dropped == 2_000).await;
    assert_eq!(service.count("fraud_capture_dropped_total").await, dropped);
    assert_eq!(service.stop("TERM"), Some(0));
    let (rows, _) = amounts(folder.path());
    assert_eq!(rows.len() as u64 + dropped, 2_000);
    assert!(rows.is_sorted());
}

/// With files of 50 rows and a queue of 100: what is scored while writes fail is written when they
/// succeed again, as far as memory lasts.
async fn fails_and_recovers(folder: &Path, fail: impl FnOnce(), recover: impl FnOnce()) {
    let flags = ["--capture-rows", "50", "--capture-queue", "100", "--capture-age", "1"];
    let mut service = Service::start(folder, &flags);
    service.score_all(0..50).await;
    service.wait_for("fraud_captured_total", |rows| rows == 50).await;
    fail();
    service.score_all(50..100).await;
    service.wait_for("fraud_capture_errors_total", |errors| errors >= 2).await;
    // One file waits for the disk, another is gathered, the queue is full: the rest is dropped.
    service.score_all(100..1_000).await;
    assert_eq!(service.count("fraud_captured_total").await, 50);
    let dropped = service.count("fraud_capture_dropped_total{reason=\"disk\"}").await;
    // At least the queue and a row of the waiting file are kept of the 950; the file that is gathered
    // too, unless its age has closed it early.
    assert!((1..850).contains(&dropped), "{dropped}");
    recover();
    let all = service.count("fraud_capture_dropped_total").await;
    service.wait_for("fraud_captured_total", |kept| kept + all == 1_000).await;
    assert!(service.log().contains("captured rows are written"), "{}", service.log());
    service.score_all(1_000..1_010).await;
    assert_eq!(service.stop("TERM"), Some(0));
}

#[actix_web::test]
async fn a_removed_folder_comes_back() {
    let directory = tempfile::tempdir().unwrap();
    let (folder, aside) = (directory.path().join("captured"), directory.path().join("aside"));
    let fail = || {
        // A file in its place: nothing can be written until it goes.
        fs::rename(&folder, &aside).unwrap();
        fs::write(&folder, "").unwrap();
    };
    fails_and_recovers(&folder, fail, || fs::remove_file(&folder).unwrap()).await;
    assert_eq!(amounts(&aside).0, range(0..50));
    let (rows, _) = amounts(&folder);
    assert!(rows.is_sorted() && rows.starts_with(&range(50..200)), "{rows:?}");
    assert!(rows.ends_with(&range(1_000..1_010)), "{rows:?}");
}

/// A file system in memory, unmounted with the test.
struct Tmpfs(TempDir);

impl Tmpfs {
    fn mount() -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"])
            .arg(directory.path())
            .stderr(Stdio::null())
            .status();
        mount.is_ok_and(|status| status.success()).then_some(Self(directory))
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[actix_web::test]
async fn a_full_disk_stops_neither_answers_nor_later_rows() {
    let Some(disk) = Tmpfs::mount() else {
        eprintln!("skipped: only a user who may mount can fill a disk");
        return;
    };
    let (folder, filler) = (disk.0.path().join("captured"), disk.0.path().join("filler"));
    let fail = || {
        let zeros = std::io::repeat(0).take(2 << 20);
        let mut file = File::create(&filler).unwrap();
        std::io::copy(&mut { zeros }, &mut file).unwrap_err();
    };
    fails_and_recovers(&folder, fail, || fs::remove_file(&filler).unwrap()).await;
    let (rows, _) = amounts(&folder);
    assert!(rows.is_sorted() && rows.starts_with(&range(0..200)), "{rows:?}");
    assert!(rows.ends_with(&range(1_000..1_010)), "{rows:?}");
}

#[actix_web::test]
async fn a_stop_while_the_disk_fails_ends_in_time_and_says_what_is_lost() {
    let directory = tempfile::tempdir().unwrap();
    let folder = directory.path().join("captured");
    let mut service = Service::start(&folder, &[]);
    fs::remove_dir(&folder).unwrap();
    fs::write(&folder, "").unwrap();
    service.score_all(0..20).await;
    assert_eq!(service.stop("TERM"), Some(0));
    assert!(service.log().contains("captured rows are lost"), "{}", service.log());
    assert!(service.log().contains("kept=0 lost=20"), "{}", service.log());
}

#[actix_web::test]
async fn a_folder_that_cannot_be_written_is_refused_before_the_port_is_bound() {
    let directory = model_directory(&amount_model());
    let mut config = config(directory.path());
    let folder = directory.path().join("model.json/captured");
    config.capture.folder = Some(folder.clone());
    let Err(error) = Application::build(config).await else { panic!("must be refused") };
    let expected = format!(
        "cannot capture what is scored in {}; choose a folder with --capture that this user may \
         create and write: Not a directory (os error 20)",
        folder.display()
    );
    assert_eq!(format!("{error:#}"), expected);

    let output = Command::new(env!("CARGO_BIN_EXE_fraud-api"))
        .args(["--port", "0", "--model"])
        .arg(directory.path())
        .env("FRAUD_API_CAPTURE", &folder)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(String::from_utf8(output.stderr).unwrap(), format!("error: {expected}\n"));
}
