//! An S3 storage on this machine: moto, which speaks S3's protocol and keeps objects in memory.

use std::fmt;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use crate::{python, root};

/// The storage's one bucket.
pub const BUCKET: &str = "artifacts";

/// A storage on a free port; dropped, or when the test's process ends, it is gone.
pub struct S3 {
    process: Child,
    url: String,
}

impl fmt::Debug for S3 {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("S3").field("url", &self.url).finish_non_exhaustive()
    }
}

impl S3 {
    /// Starts a storage with an empty [`BUCKET`]; `None`, and a line that says so, without a Python.
    ///
    /// # Panics
    ///
    /// If it does not start.
    #[must_use]
    pub fn start() -> Option<Self> {
        let mut process = Command::new(python()?)
            .arg(root().join("tests/python/s3_server.py"))
            .arg(BUCKET)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("Python starts");
        let mut url = String::new();
        let stdout = process.stdout.take().expect("stdout is piped");
        BufReader::new(stdout).read_line(&mut url).expect("the first line is text");
        let url = url.trim().to_owned();
        assert!(url.starts_with("http://"), "moto does not start: {url:?}");
        Some(Self { process, url })
    }

    /// The environment variables that lead MLflow's server to this storage.
    #[must_use]
    pub fn environment(&self) -> Vec<(String, String)> {
        [
            ("MLFLOW_S3_ENDPOINT_URL", self.url.as_str()),
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("AWS_DEFAULT_REGION", "us-east-1"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec()
    }
}

impl Drop for S3 {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}
