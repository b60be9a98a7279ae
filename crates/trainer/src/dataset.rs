//! Labelled transactions from one or several files, read once and checked on the way.

use std::fmt::Write as _;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use fraud_core::N_FEATURES;
use fraud_core::artifact::DataFile;
use fraud_core::frame::{ReadOptions, TransactionReader};
use fraud_core::synthetic;
use sha2::{Digest, Sha256};

use crate::progress::{Progress, Unit};

/// All rows of some files, in their order.
#[derive(Debug, Clone, Default)]
pub struct Dataset {
    /// n × 30, in the order of [`fraud_core::FEATURES`].
    pub rows: Vec<[f64; N_FEATURES]>,
    /// n labels, `true` for fraud.
    pub labels: Vec<bool>,
    /// Name, digest and size of each file.
    pub files: Vec<DataFile>,
}

impl Dataset {
    /// Reads files with the columns `Time`, `V1` … `V28`, `Amount` and `Class`; other columns are
    /// named in a warning. `role` is what the provenance says of them.
    ///
    /// # Errors
    ///
    /// If a file cannot be read or holds what is not a labelled transaction; the message names file,
    /// row and column.
    pub fn read(paths: &[PathBuf], role: &str) -> anyhow::Result<Self> {
        let mut dataset = Self::default();
        for path in paths {
            check_regular(path)?;
            // The digest needs a core for as long as reading needs two.
            let (read, digest) = std::thread::scope(|scope| {
                let digest = scope.spawn(|| sha256(path));
                (dataset.append(path), digest.join())
            });
            let start = read?;
            let Ok(digest) = digest else { bail!("hashing {} panicked", path.display()) };
            let digest = digest.with_context(|| format!("cannot read {}", path.display()))?;
            dataset.files.push(DataFile {
                file: path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned(),
                sha256: digest,
                rows: (dataset.rows.len() - start) as u64,
                frauds: count_frauds(&dataset.labels[start..]),
                role: role.to_owned(),
            });
        }
        Ok(dataset)
    }

    /// Looks at the start of a file, without reading its rows.
    ///
    /// # Errors
    ///
    /// If it cannot be opened, or is no table with the columns of a labelled transaction.
    pub fn check(path: &Path) -> anyhow::Result<()> {
        check_regular(path)?;
        TransactionReader::open(path, ReadOptions::default())?;
        Ok(())
    }

    /// Appends the rows of one file and returns the position of the first of them.
    fn append(&mut self, path: &Path) -> anyhow::Result<usize> {
        let start = self.rows.len();
        let mut reader = TransactionReader::open(path, ReadOptions::default())?;
        warn_of_extra_columns(path, &reader);
        let name = format!("reading {}", path.display());
        let mut progress = Progress::start(name, Unit::Bytes, Some(reader.bytes_total()));
        while let Some(batch) = reader.next_batch()? {
            self.rows.extend_from_slice(&batch.rows);
            self.labels.extend_from_slice(&batch.labels);
            progress.set(reader.bytes_read());
        }
        Ok(start)
    }

    /// Appends another data set's rows and files.
    pub fn extend(&mut self, other: Self) {
        self.rows.extend(other.rows);
        self.labels.extend(other.labels);
        self.files.extend(other.files);
    }

    /// Number of frauds.
    #[must_use]
    pub fn frauds(&self) -> u64 {
        count_frauds(&self.labels)
    }

    /// Number of rows that a generator made.
    #[must_use]
    pub fn synthetic_rows(&self) -> u64 {
        synthetic::count_marked(&self.rows)
    }
}

/// The file is opened twice, for the rows and for the digest; a pipe would be shared out between the
/// two. What is missing is left to the reader, which says so better.
fn check_regular(path: &Path) -> anyhow::Result<()> {
    match std::fs::metadata(path) {
        Ok(metadata) if !metadata.is_file() && !metadata.is_dir() => {
            bail!("cannot read {}: it is a pipe or device; expected a file on disk", path.display())
        }
        _ => Ok(()),
    }
}

/// Names columns that are neither feature nor label, since a misspelt one would be among them.
pub fn warn_of_extra_columns(path: &Path, reader: &TransactionReader) {
    if !reader.extra_columns().is_empty() {
        let names = reader.extra_columns().join(", ");
        tracing::warn!(
            "{}: ignoring columns that the schema does not have: {names}",
            path.display()
        );
    }
}

/// Number of `true` labels.
fn count_frauds(labels: &[bool]) -> u64 {
    labels.iter().filter(|&&fraud| fraud).count() as u64
}

/// SHA-256 of a file as 64 hexadecimal digits.
fn sha256(path: &Path) -> std::io::Result<String> {
    let mut file = File::open(path)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 18];
    loop {
        match file.read(&mut buffer)? {
            0 => break,
            n => hash.update(&buffer[..n]),
        }
    }
    Ok(hash.finalize().iter().fold(String::with_capacity(64), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_of_abc_is_that_of_fips_180() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("abc");
        std::fs::write(&path, "abc").unwrap();
        assert_eq!(
            sha256(&path).unwrap(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }
}
