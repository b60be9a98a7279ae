//! `fraud-trainer explore`: reports on the data before anything is learnt from it.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Args;
use fraud_core::frame::{Labels, Missing, ReadOptions, TransactionReader};

use crate::dataset::warn_of_extra_columns;
use crate::explore::{ProfileBuilder, exploration_page};
use crate::output::{self, AtomicFile};
use crate::progress::{Progress, Unit};

/// Report on labelled transactions as one HTML page: counts, gaps, duplicates, distributions by
/// class, separation, correlation, time, amounts
#[derive(Debug, Args)]
pub struct ExploreArgs {
    /// CSV or Parquet files with the columns Time, V1 … V28, Amount and Class, in any order. Name
    /// several, or repeat the flag, to look at them as one table; the variable holds one. Missing
    /// values are counted here, where train refuses them
    #[arg(long, env = "FRAUD_EXPLORE_DATA", value_name = "FILE", num_args = 1.., required = true)]
    pub data: Vec<PathBuf>,

    /// HTML file to write, .html or .htm; one that is there is replaced. Set it to keep reports on
    /// several data sets
    #[arg(
        long,
        env = "FRAUD_EXPLORE_OUTPUT",
        value_name = "FILE",
        default_value = "reports/exploration.html"
    )]
    pub output: PathBuf,
}

/// Reads, profiles, writes the page, and prints its path on stdout.
///
/// # Errors
///
/// If a file cannot be read or is not a table of labelled transactions, or the page is one of them,
/// has another ending or cannot be written; then nothing is written.
pub fn run(args: &ExploreArgs) -> anyhow::Result<()> {
    output::check_not_an_input(&args.output, &args.data)?;
    check_ending(&args.output)?;
    // Before the work, so that nobody waits for a page that cannot be written.
    let mut file = AtomicFile::create(&args.output)?;
    let mut builder = ProfileBuilder::default();
    for path in &args.data {
        read(path, &mut builder)?;
    }
    let profile = builder.finish();
    let sources: Vec<String> = args.data.iter().map(|path| file_name(path)).collect();
    let page =
        exploration_page(&profile, &sources).context("cannot render the exploration page")?;
    file.write_all(page.as_bytes())
        .with_context(|| format!("cannot write {}", args.output.display()))?;
    file.commit()?;
    output::print(&format!("{}\n", args.output.display()))
}

/// A page replaces what has its name without a question, so the name must be that of a page.
fn check_ending(output: &Path) -> anyhow::Result<()> {
    let ending = output.extension().map(|ending| ending.to_string_lossy().to_lowercase());
    if !matches!(ending.as_deref(), Some("html" | "htm")) {
        bail!("cannot write {}: expected a name that ends in .html or .htm", output.display());
    }
    Ok(())
}

/// Adds the rows of one file.
fn read(path: &Path, builder: &mut ProfileBuilder) -> anyhow::Result<()> {
    let options =
        ReadOptions { labels: Labels::Required, missing: Missing::Keep, ..ReadOptions::default() };
    let mut reader = TransactionReader::open(path, options)?;
    warn_of_extra_columns(path, &reader);
    let name = format!("reading {}", path.display());
    let mut progress = Progress::start(name, Unit::Bytes, Some(reader.bytes_total()));
    while let Some(batch) = reader.next_batch()? {
        builder.push(&batch.rows, &batch.labels);
        progress.set(reader.bytes_read());
    }
    Ok(())
}

/// The name without its directory, which says nothing to who reads the page elsewhere.
fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use fraud_core::FEATURES;

    use super::*;

    #[test]
    fn gaps_are_reported_and_a_bad_label_leaves_no_page() {
        let folder = tempfile::tempdir().unwrap();
        let (data, output) = (folder.path().join("data.csv"), folder.path().join("out/page.html"));
        let write = |label: &str| {
            let header = FEATURES.join(",");
            let row = vec!["1.5"; 28].join(",");
            std::fs::write(&data, format!("{header},Class\n0,{row},,0\n1,{row},9,{label}\n"))
        };
        let args = ExploreArgs { data: vec![data.clone()], output: output.clone() };

        write("2").unwrap();
        assert!(run(&args).is_err());
        assert!(!output.exists());

        write("1").unwrap();
        let onto_data = ExploreArgs { data: vec![data.clone()], output: data.clone() };
        let message = run(&onto_data).unwrap_err().to_string();
        assert!(message.contains("is an input as well"), "{message}");
        let other = ExploreArgs { data: vec![data.clone()], output: folder.path().join("page") };
        let message = run(&other).unwrap_err().to_string();
        assert!(message.contains(".html or .htm"), "{message}");

        run(&args).unwrap();
        let page = std::fs::read_to_string(&output).unwrap();
        assert!(page.contains("2 transactions, 1 of them fraud: one in 2"));
        assert!(page.contains("1 value is missing, and training refuses such rows: Amount."));
    }
}
