//! `fraud-registry models`: what is registered.

use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};

use super::terminal::{self, or_nothing, rfc3339};
use crate::cli::Common;
use crate::types::{ModelVersion, RegisteredModel};

/// List the registered models
#[derive(Debug, Args)]
pub struct ModelsArgs {}

/// Prints the models on stdout.
///
/// # Errors
///
/// If the store cannot be asked.
pub async fn run(_args: &ModelsArgs, common: &Common) -> anyhow::Result<ExitCode> {
    let store = common.store()?;
    let (models, versions) = tokio::try_join!(store.registered_models(), store.versions(None))?;
    let of = |model: &RegisteredModel| -> Vec<&ModelVersion> {
        versions.iter().filter(|version| version.name == model.name).collect()
    };
    if common.json {
        let list: Vec<Value> = models.iter().map(|model| as_json(model, &of(model))).collect();
        terminal::print_json(&list)?;
    } else if models.is_empty() {
        terminal::print(&format!("No registered models in {}\n", store.location()))?;
    } else {
        let row = |model: &RegisteredModel| {
            let aliases: Vec<String> = model
                .aliases
                .iter()
                .map(|alias| format!("{} → {}", alias.alias, alias.version))
                .collect();
            [
                model.name.clone(),
                of(model).len().to_string(),
                or_nothing(&aliases.join("\n")),
                or_nothing(&terminal::cut(&model.description, 200)),
            ]
        };
        let header = ["name", "versions", "aliases", "description"];
        terminal::print(&terminal::table(header, [1], models.iter().map(row)))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn as_json(model: &RegisteredModel, versions: &[&ModelVersion]) -> Value {
    let aliases: serde_json::Map<String, Value> = model
        .aliases
        .iter()
        .map(|alias| (alias.alias.clone(), alias.version.clone().into()))
        .collect();
    json!({
        "name": model.name,
        "description": model.description,
        "created": rfc3339(model.creation_timestamp),
        "updated": rfc3339(model.last_updated_timestamp),
        "versions": versions.len(),
        "latest_version": versions.first().map(|version| &version.version),
        "aliases": aliases,
        "tags": model.tags,
    })
}
