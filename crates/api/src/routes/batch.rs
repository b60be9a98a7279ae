//! `POST /predict/batch`: many transactions at once, each answered in its place.

use std::sync::atomic::{AtomicUsize, Ordering};

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use clap::Args;
use futures_util::{StreamExt as _, stream};

use crate::batch::{Format, Refusal, Results, Splitter};
use crate::observe::MODEL_VERSION;
use crate::routes::Detail;
use crate::state::State;

pub(crate) const PATH: &str = "/predict/batch";

/// Limits of a batch.
#[derive(Debug, Clone, Args)]
pub struct BatchArgs {
    /// Most transactions of one `POST /predict/batch`. Raise it where jobs send whole files and the
    /// machine has memory: a row takes about 40 bytes until it is answered.
    #[arg(long, env = "FRAUD_API_BATCH_ROWS", value_name = "N", default_value_t = 100_000)]
    pub batch_rows: usize,

    /// Longest body of one batch, in MiB. It is never held as a whole; lower it to bound how long one
    /// caller can keep a thread busy.
    #[arg(long, env = "FRAUD_API_BATCH_MEBIBYTES", value_name = "MIB", default_value_t = 256)]
    pub batch_mebibytes: usize,

    /// Most batches at once; one more is answered with 503 and `Retry-After`. Raise it where the machine
    /// has memory: each may take 40 bytes a row, and 16 MiB for reports of bad rows.
    #[arg(long, env = "FRAUD_API_BATCHES", value_name = "N", default_value_t = 32)]
    pub batches: usize,
}

/// Batches under way.
#[derive(Debug, Default)]
pub(crate) struct UnderWay(AtomicUsize);

/// One of them, until it is dropped.
struct Place(web::Data<State>);

impl Place {
    fn take(state: &web::Data<State>, most: usize) -> Option<Self> {
        // Counted first: dropped, it counts back.
        let place = Self(state.clone());
        let before = state.batches.0.fetch_add(1, Ordering::Relaxed);
        (before < most).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.batches.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl BatchArgs {
    /// Longest body in bytes.
    pub(crate) const fn bytes(&self) -> usize {
        self.batch_mebibytes.saturating_mul(1 << 20)
    }
}

impl Default for BatchArgs {
    fn default() -> Self {
        Self { batch_rows: 100_000, batch_mebibytes: 256, batches: 32 }
    }
}

/// Many transactions at once
///
/// Also as `application/x-ndjson`, one transaction a line, and `text/csv`, columns by name; the answer
/// has the form of the body. A row that is no transaction is answered in its place by its `detail`, as
/// by `/predict`.
#[utoipa::path(
    post,
    path = PATH,
    tag = "Scoring",
    request_body(content = Vec<serde_json::Value>, description = "Transactions, each as for /predict"),
    responses(
        (status = 200, body = Vec<serde_json::Value>, description = "Results in the order of the rows: a prediction, or the detail of a refusal"),
        (status = 400, body = Detail<'static>, description = "The rows cannot be told apart",
         example = json!({"detail": "the array does not end"})),
        (status = 413, body = Detail<'static>, description = "Too many rows or bytes, or a row of more than 64 KiB",
         example = json!({"detail": "the batch has more than 100000 rows; send it in parts (--batch-rows raises the limit)"})),
        (status = 415, body = Detail<'static>, description = "No JSON, NDJSON or CSV",
         example = json!({"detail": "Expected application/json (an array), application/x-ndjson or text/csv"}))
    )
)]
pub(crate) async fn batch(
    request: HttpRequest,
    mut body: web::Payload,
    state: web::Data<State>,
    limits: web::Data<BatchArgs>,
) -> HttpResponse {
    let content_type = request.headers().get(header::CONTENT_TYPE);
    let Some(format) = Format::of(content_type.and_then(|value| value.to_str().ok())) else {
        let detail = "Expected application/json (an array), application/x-ndjson or text/csv";
        return HttpResponse::UnsupportedMediaType().json(Detail { detail });
    };
    let Some(_place) = Place::take(&state, limits.batches) else {
        return HttpResponse::ServiceUnavailable()
            .insert_header((header::RETRY_AFTER, 1))
            .json(Detail { detail: "Too many batches are under way" });
    };
    // One model for the whole batch, whatever is reloaded meanwhile.
    let served = state.served_for_long();
    let version = served.version.clone();
    let mut splitter = Splitter::new(format);
    let mut results = Results::new(&state, served, limits.batch_rows);
    let mut left = limits.bytes();
    while let Some(piece) = body.next().await {
        let Ok(piece) = piece else {
            return HttpResponse::BadRequest()
                .json(Detail { detail: "There was an error parsing the body" });
        };
        let Some(rest) = left.checked_sub(piece.len()) else {
            let detail = format!("The body is longer than {} MiB", limits.batch_mebibytes);
            return HttpResponse::PayloadTooLarge().json(Detail { detail: &detail });
        };
        left = rest;
        if let Err(refusal) = splitter.push(&piece, &mut results) {
            return refused(&refusal);
        }
    }
    if let Err(refusal) = splitter.finish(&mut results) {
        return refused(&refusal);
    }
    let pieces = results.write(format).map(Ok::<_, actix_web::Error>);
    HttpResponse::Ok()
        .insert_header((MODEL_VERSION, version))
        .content_type(format.content_type())
        .streaming(stream::iter(pieces))
}

fn refused(refusal: &Refusal) -> HttpResponse {
    let detail = refusal.to_string();
    let mut answer = match refusal {
        Refusal::Malformed(_) => HttpResponse::BadRequest(),
        Refusal::LongRow { .. } | Refusal::TooManyRows { .. } => HttpResponse::PayloadTooLarge(),
    };
    // What is still to come of the body is not read.
    answer.force_close().json(Detail { detail: &detail })
}
