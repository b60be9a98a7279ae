//! `fraud-registry rollback`: the champion's place back to the version before.

use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::builder::BoolishValueParser;
use clap::{ArgAction, Args};
use serde_json::json;

use super::model::{self, Name};
use super::promote::{champion, now};
use super::terminal;
use crate::CHAMPION;
use crate::cli::Common;
use crate::error::Error;
use crate::store::Store;
use crate::tags::{NO_CHAMPION, PREVIOUS_CHAMPION, ROLLED_BACK_AT};
use crate::types::{KeyValue, ModelVersion, value_of};
use crate::uri::ModelUri;

/// Make the version before champion again
///
/// Which one that is, `promote` noted as a tag of the champion. Several rollbacks in a row go further
/// back.
#[derive(Debug, Args)]
pub struct RollbackArgs {
    /// Which model.
    #[command(flatten)]
    pub name: Name,

    /// Say which version would be champion, and leave everything as it is. Set it to look before a
    /// rollback
    #[arg(
        long,
        env = "FRAUD_REGISTRY_ROLLBACK_DRY_RUN",
        action = ArgAction::SetTrue,
        value_parser = BoolishValueParser::new()
    )]
    pub dry_run: bool,
}

/// Moves the alias, and prints from where to where on stdout.
///
/// # Errors
///
/// If there is no champion, or none before it that can be used, or the store cannot be asked or
/// written to; the champion then stays.
pub async fn run(args: &RollbackArgs, common: &Common) -> anyhow::Result<ExitCode> {
    let store = common.store()?;
    let name = &args.name.name;
    let Some(current) = champion(&*store, name).await? else {
        bail!(
            "{name:?} has no champion in {}, so there is nothing to roll back; `fraud-registry \
             promote` makes one",
            store.location()
        );
    };
    let previous = previous(&*store, &current).await?;
    if !args.dry_run {
        // The tag first: if this ends in between, the champion is the same, and so is the second
        // attempt. The other way round that would go back one too far.
        let tag = KeyValue::new(ROLLED_BACK_AT, now());
        store.tag_version(name, &current.version, &[tag]).await?;
        store.set_alias(name, CHAMPION, &previous.version).await?;
    }
    if common.json {
        terminal::print_json(&json!({
            "model": name,
            "from": current.version,
            "to": previous.version,
            "dry_run": args.dry_run,
        }))?;
    } else {
        let what = if args.dry_run { "would be champion (dry run)" } else { "is champion" };
        terminal::print(&format!(
            "Version {} of {} {what}, in the place of version {}\n",
            previous.version,
            terminal::visible(name),
            current.version
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The champion before, which is there and loads.
async fn previous(store: &dyn Store, current: &ModelVersion) -> anyhow::Result<ModelVersion> {
    let ModelVersion { name, version: number, .. } = current;
    let instead = "`fraud-registry promote --from VERSION` makes another one champion";
    let previous = match value_of(&current.tags, PREVIOUS_CHAMPION) {
        Some(NO_CHAMPION) => {
            bail!("version {number} is the first champion of {name:?}: there is none before it")
        }
        Some(previous) => previous,
        None => bail!(
            "version {number} of {name:?} has no tag {PREVIOUS_CHAMPION}: it was not made champion by \
             `fraud-registry promote`, so which was before is not known; {instead}"
        ),
    };
    let version = match store.version(name, previous).await {
        Err(error @ Error::NotFound { .. }) => {
            return Err(error).with_context(|| {
                format!(
                    "the champion before version {number} was version {previous}, which has been \
                     deleted ({instead})"
                )
            });
        }
        result => result?,
    };
    if let Some(when) = value_of(&version.tags, ROLLED_BACK_AT) {
        bail!(
            "the champion before version {number} was version {previous}, which was itself rolled back \
             at {when}; {instead}"
        );
    }
    let folder = model::temporary_folder()?;
    let uri = ModelUri::Version { name: name.clone(), version: previous.to_owned() };
    model::download(store, &uri, folder.path()).await.with_context(|| {
        format!("version {previous}, champion before version {number}, cannot be used ({instead})")
    })?;
    Ok(version)
}
