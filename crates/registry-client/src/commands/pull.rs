//! `fraud-registry pull`: a model's files, checked, in a folder.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::bail;
use clap::builder::BoolishValueParser;
use clap::{ArgAction, Args};
use serde_json::json;

use super::folder::ModelFolder;
use super::model::{self, Name};
use super::show::version_title;
use super::terminal;
use crate::cli::Common;
use crate::uri::ModelUri;

/// Download a model into a folder, which appears whole and checked, or not at all
#[derive(Debug, Args)]
pub struct PullArgs {
    /// The model: a version's number or alias, or a URI: `models:/NAME@ALIAS`,
    /// `models:/NAME/VERSION`, `models:/NAME/latest`, `models:/m-…`, `runs:/RUN_ID/PATH`
    pub uri: String,

    /// Which model.
    #[command(flatten)]
    pub name: Name,

    /// Folder to write. Set it anew for each model to keep
    #[arg(long, env = "FRAUD_REGISTRY_PULL_OUTPUT", value_name = "DIR")]
    pub output: PathBuf,

    /// Replace the folder if it holds a model. Set it to update a copy in place
    #[arg(
        long,
        env = "FRAUD_REGISTRY_PULL_FORCE",
        action = ArgAction::SetTrue,
        value_parser = BoolishValueParser::new()
    )]
    pub force: bool,
}

/// Downloads, checks, names, and prints on stdout what it was.
///
/// # Errors
///
/// If there is no such model, it does not arrive or does not load, or the folder cannot be written;
/// then no folder appears, and an older one stays.
pub async fn run(args: &PullArgs, common: &Common) -> anyhow::Result<ExitCode> {
    let uri = model::uri(&args.uri, &args.name.name)?;
    if let ModelUri::Folder(folder) = &uri {
        bail!(
            "{} is a folder on this machine; expected the number or alias of a version, or \
             models:/NAME@ALIAS, models:/NAME/VERSION, models:/m-…, runs:/RUN_ID/PATH",
            folder.display()
        );
    }
    let store = common.store()?;
    let folder = ModelFolder::create(&args.output, args.force)?;
    let (resolved, artifact) = model::download(&*store, &uri, folder.path()).await?;
    folder.commit()?;
    let version = resolved.version.as_ref();
    if common.json {
        terminal::print_json(&json!({
            "uri": uri.to_string(),
            "name": version.map(|version| &version.name),
            "version": version.map(|version| &version.version),
            "digest": artifact.digest(),
            "threshold": artifact.threshold.value(),
            "output": args.output,
        }))?;
    } else {
        let title = version.map_or_else(|| uri.to_string(), version_title);
        terminal::print(&terminal::list([
            ("model", title),
            ("digest", artifact.digest()),
            ("threshold", artifact.threshold.to_string()),
            ("is in", args.output.display().to_string()),
        ]))?;
    }
    Ok(ExitCode::SUCCESS)
}
