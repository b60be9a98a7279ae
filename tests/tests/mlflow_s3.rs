//! A server whose artifacts are in S3, as on AWS: large files go there in parts.

use std::path::Path;

use fraud_registry::types::NewRun;
use fraud_registry::{MlflowServer, ServerConfig, Store as _};
use fraud_tests::mlflow::{Mlflow, Options};
use fraud_tests::proxy::{Fault, Proxy, Rule};
use fraud_tests::s3::{BUCKET, S3};

/// More than four parts, and not a whole number of them.
const LARGE: usize = (70 << 20) + 12_345;

fn content(size: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_le_bytes()[3]
    };
    (0..size).map(|_| next()).collect()
}

fn write(path: &Path, content: &[u8]) {
    std::fs::write(path, content).unwrap();
}

fn client(proxy: &Proxy, retries: u32) -> MlflowServer {
    MlflowServer::new(ServerConfig::new(&proxy.url()).unwrap().with_retries(retries)).unwrap()
}

#[test]
fn large_files_go_to_the_storage_in_parts_and_come_back_whole() {
    let Some(storage) = S3::start() else { return };
    let options = Options {
        artifacts_destination: Some(format!("s3://{BUCKET}/mlflow")),
        environment: storage.environment(),
        ..Options::default()
    };
    let Some(mlflow) = Mlflow::start(&options) else { return };
    let proxy = Proxy::start(mlflow.url(), []);
    let server = client(&proxy, 7);
    let folder = tempfile::tempdir().unwrap();
    let (file, back) = (folder.path().join("file"), folder.path().join("back"));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let uri = runtime.block_on(async {
        let experiment_id = server.experiment("in S3").await.unwrap().experiment_id;
        let run = server.create_run(&NewRun { experiment_id, ..NewRun::default() }).await.unwrap();
        run.info.artifact_uri
    });
    for (name, size, parts) in [("small.bin", 1_000, false), ("a b/ü large.bin", LARGE, true)] {
        let content = content(size);
        write(&file, &content);
        runtime.block_on(async {
            server.upload_artifact(&uri, name, &file).await.unwrap();
            let parent = name.rsplit_once('/').map_or("", |(parent, _)| parent);
            let listed = server.list_artifacts(&uri, parent).await.unwrap();
            let found = listed.iter().find(|file| file.path == name).unwrap();
            assert_eq!(found.file_size, size as u64);
            server.download_artifact(&uri, name, &back).await.unwrap();
        });
        assert!(std::fs::read(&back).unwrap() == content, "{name} came back as something else");
        let completed = proxy.matching("POST", "/mpu/complete").len();
        assert_eq!(completed, usize::from(parts), "{name}");
        assert_eq!(proxy.matching("PUT", "/mlflow-artifacts/").len(), 1, "{name}");
    }

    // The storage completes the upload, and the answer gets lost: a second time it would not know it.
    let complete = |fault| Rule::always("POST", "/mpu/complete", fault);
    for (name, retries) in [("lost.bin", 2), ("lost at last.bin", 0)] {
        proxy.clear();
        proxy.add(complete(Fault::CutBeforeAnswer));
        let before = proxy.matching("POST", "/mpu/complete").len();
        let server = client(&proxy, retries);
        runtime.block_on(async {
            server.upload_artifact(&uri, name, &file).await.unwrap();
            server.download_artifact(&uri, name, &back).await.unwrap();
        });
        assert!(std::fs::read(&back).unwrap() == content(LARGE), "{name} is another");
        assert_eq!(proxy.matching("POST", "/mpu/complete").len(), before + 1);
    }
    assert!(proxy.matching("POST", "/mpu/abort").is_empty());
    // One that cannot be completed leaves nothing behind.
    proxy.clear();
    proxy.add(complete(Fault::status(503)));
    let server = client(&proxy, 1);
    let upload = server.upload_artifact(&uri, "never/x.bin", &file);
    let error = runtime.block_on(upload).unwrap_err();
    assert!(error.to_string().contains("tried 2 times"), "{error}");
    let [abort] = &proxy.matching("POST", "/mpu/abort")[..] else { panic!("one abort") };
    assert_eq!(abort.status, Some(200));
    assert_eq!(runtime.block_on(server.list_artifacts(&uri, "never")).unwrap(), []);
}
