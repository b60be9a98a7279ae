//! A file larger than the memory that its transfer may take. Alone in its program, since the peak
//! memory is that of the whole process.

use std::io::{BufWriter, Write as _};
use std::path::Path;

use fraud_registry::types::NewRun;
use fraud_registry::{LocalStore, MlflowServer, ServerConfig, Store};
use fraud_tests::mlflow::Mlflow;

const SIZE: u64 = 300 << 20;

/// Peak memory of this process in bytes.
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.split_whitespace().next().unwrap().parse::<u64>().unwrap() << 10
}

fn write(path: &Path) {
    let mut file = BufWriter::with_capacity(1 << 20, std::fs::File::create(path).unwrap());
    for number in 0..SIZE / 8 {
        file.write_all(&number.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_le_bytes()).unwrap();
    }
    file.flush().unwrap();
}

/// Whether two files are the same, without holding them.
fn same(a: &Path, b: &Path) -> bool {
    use std::io::{BufReader, Read as _};
    let open = |path| BufReader::with_capacity(1 << 20, std::fs::File::open(path).unwrap()).bytes();
    open(a).map(Result::unwrap).eq(open(b).map(Result::unwrap))
}

async fn round_trip(store: &dyn Store, file: &Path, back: &Path) {
    let experiment_id = store.experiment("large").await.unwrap().experiment_id;
    let run = store.create_run(&NewRun { experiment_id, ..NewRun::default() }).await.unwrap();
    let uri = &run.info.artifact_uri;
    store.upload_artifact(uri, "large.bin", file).await.unwrap();
    assert_eq!(store.list_artifacts(uri, "").await.unwrap()[0].file_size, SIZE);
    store.download_artifact(uri, "large.bin", back).await.unwrap();
}

#[test]
fn three_hundred_megabytes_pass_in_bounded_memory() {
    let Some(mlflow) = Mlflow::shared() else { return };
    let folder = tempfile::tempdir().unwrap();
    let (file, back) = (folder.path().join("file"), folder.path().join("back"));
    write(&file);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let server = MlflowServer::new(ServerConfig::new(mlflow.url()).unwrap()).unwrap();
    let local = LocalStore::open(folder.path().join("registry")).unwrap();
    for store in [&server as &dyn Store, &local] {
        runtime.block_on(round_trip(store, &file, &back));
        assert!(same(&file, &back), "{}", store.location());
        std::fs::remove_file(&back).unwrap();
    }
    let peak = peak_memory() >> 20;
    println!("peak memory {peak} MiB");
    assert!(peak < 100, "{peak} MiB");
}
