//! `GET /model`: which model answers, and where it comes from.

use actix_web::{HttpResponse, web};
use fraud_core::FEATURES;
use fraud_core::artifact::FORMAT;
use fraud_core::measures::Evaluation;
use serde::Serialize;
use utoipa::ToSchema;

use crate::observe::MODEL_VERSION;
use crate::openapi;
use crate::state::{Served, State};

pub(crate) const PATH: &str = "/model";

/// The model card.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ModelCard)]
pub(crate) struct Card<'a> {
    /// The registered model's name; null for a model from a folder.
    #[schema(required)]
    name: Option<&'a str>,
    /// The version's number; null for a model from a folder.
    #[schema(required)]
    version: Option<&'a str>,
    /// The alias that it was loaded by.
    #[schema(required)]
    alias: Option<&'a str>,
    /// The URI or folder that was asked for.
    uri: &'a str,
    /// Where its numbers were read.
    source: &'a str,
    /// Identity of its numbers: `sha256:` and 64 hexadecimal digits.
    digest: &'a str,
    /// When it was trained, RFC 3339.
    created_at: &'a str,
    /// From which probability on a transaction is called fraud.
    #[schema(minimum = 0, maximum = 1)]
    threshold: f64,
    /// How that was chosen.
    threshold_rule: &'a str,
    /// Whether generated rows were among its data: its measures say nothing about real cards then.
    synthetic: bool,
    /// Rows that it was fitted on.
    rows: u64,
    /// Frauds among them.
    frauds: u64,
    /// On its validation rows.
    #[schema(required, schema_with = openapi::measures)]
    measures: Option<&'a Evaluation>,
    schema: Schema,
}

/// What a transaction is.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TransactionFormat)]
struct Schema {
    format: &'static str,
    /// Names in the order of the model.
    features: [&'static str; FEATURES.len()],
}

impl<'a> Card<'a> {
    pub(crate) fn of(served: &'a Served) -> Self {
        let model = &served.model;
        let provenance = &model.artifact.provenance;
        Self {
            name: model.name.as_deref(),
            version: model.version.as_deref(),
            alias: model.alias.as_deref(),
            uri: &model.called,
            source: &model.source,
            digest: &served.digest,
            created_at: &provenance.created_at,
            threshold: model.artifact.threshold.value(),
            threshold_rule: &provenance.threshold_rule,
            synthetic: provenance.is_synthetic(),
            rows: provenance.rows,
            frauds: provenance.frauds,
            measures: provenance.measures.as_ref(),
            schema: Schema { format: FORMAT, features: FEATURES },
        }
    }
}

/// The card of the model that answers
#[utoipa::path(
    get,
    path = PATH,
    tag = "Model",
    responses((status = 200, body = Card<'static>, description = "The model card"))
)]
pub(crate) async fn model(state: web::Data<State>) -> HttpResponse {
    let served = state.served();
    HttpResponse::Ok()
        .insert_header((MODEL_VERSION, served.version.clone()))
        .json(Card::of(&served))
}
