//! `POST /explain`: what each feature of a transaction adds to its score.

use actix_web::{HttpRequest, HttpResponse, web};
use fraud_core::{FEATURES, ModelArtifact, Transaction};
use serde::Serialize;
use utoipa::ToSchema;

use crate::observe::MODEL_VERSION;
use crate::openapi;
use crate::routes::{Detail, transaction};
use crate::security::body::{Body, Unread};
use crate::state::State;

pub(crate) const PATH: &str = "/explain";

/// A probability, taken apart. `base_log_odds` and the contributions, added in the order in which they
/// are listed, are `log_odds` to the last bit. `fraud_probability` is that of `/predict` before rounding:
/// 1 / (1 + e^−`log_odds`) but for the order in which it adds.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = Explanation)]
pub(crate) struct Answer {
    /// Probability of fraud in [0, 1], not rounded.
    #[schema(minimum = 0, maximum = 1)]
    fraud_probability: f64,
    /// 1 (fraud) if that is at or above the threshold, else 0.
    #[schema(minimum = 0, maximum = 1)]
    fraud_prediction: u8,
    #[schema(minimum = 0, maximum = 1)]
    threshold_used: f64,
    /// The sum of base and contributions.
    log_odds: f64,
    /// Log-odds of a transaction that is average throughout.
    base_log_odds: f64,
    /// Probability of such a transaction.
    #[schema(minimum = 0, maximum = 1)]
    base_rate: f64,
    /// All 30, the largest in size first.
    contributions: Vec<Contribution>,
}

/// What one feature adds.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
struct Contribution {
    feature: &'static str,
    /// The transaction's value.
    value: f64,
    /// What it adds to the log-odds; negative speaks against fraud.
    log_odds: f64,
}

impl Answer {
    pub(crate) fn of(artifact: &ModelArtifact, transaction: &Transaction) -> Self {
        let decision = artifact.decide(transaction);
        let explanation = artifact.model.explain(transaction);
        let values = transaction.values();
        let mut contributions: Vec<Contribution> = FEATURES
            .into_iter()
            .zip(values)
            .zip(explanation.contributions)
            .map(|((feature, &value), log_odds)| Contribution {
                feature,
                value,
                log_odds: finite(log_odds),
            })
            .collect();
        contributions.sort_by(|a, b| b.log_odds.abs().total_cmp(&a.log_odds.abs()));
        let log_odds =
            contributions.iter().fold(explanation.base, |sum, c| finite(sum + c.log_odds));
        Self {
            fraud_probability: decision.probability,
            fraud_prediction: decision.fraud.into(),
            threshold_used: artifact.threshold.value(),
            log_odds,
            base_log_odds: explanation.base,
            base_rate: fraud_core::model::sigmoid(explanation.base),
            contributions,
        }
    }
}

/// JSON has no infinity: what a huge value makes of a sum is the largest number there is, as in
/// the score itself.
fn finite(log_odds: f64) -> f64 {
    log_odds.clamp(f64::MIN, f64::MAX)
}

/// What each feature adds to a transaction's score
#[utoipa::path(
    post,
    path = PATH,
    tag = "Scoring",
    request_body = openapi::Transaction,
    responses(
        (status = 200, body = Answer, description = "Probability, decision and contributions"),
        (status = 400, body = Detail<'static>, description = "Not UTF-8, cut off, or nested too deeply",
         example = json!({"detail": "There was an error parsing the body"})),
        (status = 413, body = Detail<'static>, description = "Longer than 64 KiB",
         example = json!({"detail": "The body is longer than 65536 bytes"})),
        (status = 422, body = crate::request::Report<'static>, description = "No transaction: every bad field")
    )
)]
pub(crate) async fn explain(
    request: HttpRequest,
    body: Result<Body, Unread>,
    state: web::Data<State>,
) -> HttpResponse {
    match transaction(&request, &body) {
        Ok(transaction) => {
            let served = state.served();
            HttpResponse::Ok()
                .insert_header((MODEL_VERSION, served.version.clone()))
                .json(Answer::of(&served.model.artifact, &transaction))
        }
        Err(refusal) => refusal,
    }
}
