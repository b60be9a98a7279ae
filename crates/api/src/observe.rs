//! The middleware around every route: identifies, measures and marks each answer.

use std::cell::Cell;
use std::time::{Duration, Instant};

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::error::InternalError;
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{Error, web};
use tracing::Level;

use crate::metrics::Series;
use crate::security::{headers, panics};
use crate::state::State;
use crate::trace_context::{TraceId, TraceParent};
use crate::traces::RequestSpan;

/// Version of the model that answered, or digest of one that is no version.
pub(crate) const MODEL_VERSION: HeaderName = HeaderName::from_static("x-model-version");
/// Name of the request, the caller's own or one that is made up here.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Longest name of a request that is taken over.
const LONGEST_ID: usize = 128;

/// Counts and times a request, lets it in or refuses it, and gives its answer the headers that every
/// answer has.
pub(crate) async fn observe(
    state: web::Data<State>,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<EitherBody<impl MessageBody>>, Error> {
    let start = Instant::now();
    // The path as the router compares it, with percent-encoding resolved.
    let series = Series::of(request.match_info().as_str(), request.method());
    let id = request_id(request.headers());
    let parent = TraceParent::of(request.headers());
    let span = state.traces.as_ref().map(|traces| traces.begin(series, parent));
    let is_tls = state.security.is_tls();
    let mut outcome = match state.security.admit(&request) {
        Ok(()) => {
            // What the call does before it returns a future is to be caught too.
            let answer = async { next.call(request).await };
            panics::caught(&state.metrics, &id, answer)
                .await
                .map(ServiceResponse::map_into_left_body)
        }
        Err(refusal) => Ok(request.into_response(refusal).map_into_right_body()),
    };
    let trace = span.as_ref().map(RequestSpan::trace).or(parent.map(|parent| parent.trace));
    let answered = |headers: &HeaderMap, status: StatusCode, id: &HeaderValue| {
        state.metrics.answered(series, status, start.elapsed());
        let version = headers.get(MODEL_VERSION);
        log(series, status, id, trace, version, start.elapsed());
        if let (Some(span), Some(version)) = (span, version) {
            span.end(series, status, id, version);
        }
    };
    let mark = |headers: &mut HeaderMap, id: &HeaderValue| {
        headers.insert(REQUEST_ID, id.clone());
        // A route that asked the model has said which one it was.
        if !headers.contains_key(MODEL_VERSION) {
            headers.insert(MODEL_VERSION, state.served().version.clone());
        }
        headers::add(headers, is_tls);
    };
    match &mut outcome {
        Ok(response) => {
            mark(response.headers_mut(), &id);
            answered(response.headers(), response.status(), &id);
        }
        Err(error) => {
            let mut response = error.error_response();
            mark(response.headers_mut(), &id);
            answered(response.headers(), response.status(), &id);
            let cause = error.to_string();
            *error = InternalError::from_response(cause, response).into();
        }
    }
    outcome
}

/// One line for a request: what failed here is an error, what the caller did wrong is said at info, the
/// rest at debug. Never a value of a transaction, nor the path, which may hold anything.
fn log(
    series: Series,
    status: StatusCode,
    id: &HeaderValue,
    trace: Option<TraceId>,
    version: Option<&HeaderValue>,
    took: Duration,
) {
    macro_rules! line {
        ($level:expr) => {
            tracing::event!(
                target: "fraud_api::request",
                $level,
                request_id = id.to_str().unwrap_or_default(),
                trace_id = trace.map(tracing::field::display),
                method = series.method(),
                endpoint = series.endpoint(),
                status = status.as_u16(),
                micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
                model_version = version.and_then(|version| version.to_str().ok()),
                "answered"
            )
        };
    }
    if status.is_server_error() {
        line!(Level::ERROR);
    } else if status.is_client_error() {
        line!(Level::INFO);
    } else {
        line!(Level::DEBUG);
    }
}

/// The caller's name for the request if it is printable and not too long, else 32 random hexadecimal
/// digits.
fn request_id(headers: &HeaderMap) -> HeaderValue {
    if let Some(given) = headers.get(REQUEST_ID) {
        let is_printable = given.as_bytes().iter().all(|byte| (b' '..=b'~').contains(byte));
        if is_printable && !given.is_empty() && given.len() <= LONGEST_ID {
            return given.clone();
        }
    }
    thread_local! {
        static STATE: Cell<u128> = Cell::new(uuid::Uuid::new_v4().as_u128() | 1);
    }
    // A multiplicative congruential generator: names have to differ, not to be secret.
    let id = STATE.with(|state| {
        let next = state.get().wrapping_mul(0x0FC9_4E3B_F4E9_AB32_8664_58CD_56F5_E605);
        state.set(next);
        next
    });
    let mut text = [0; 32];
    for (place, byte) in id.to_be_bytes().into_iter().enumerate() {
        text[2 * place] = HEX[usize::from(byte >> 4)];
        text[2 * place + 1] = HEX[usize::from(byte & 15)];
    }
    // Hexadecimal digits are a header's text.
    HeaderValue::from_bytes(&text).unwrap_or_else(|_| HeaderValue::from_static("unknown"))
}

const HEX: &[u8; 16] = b"0123456789abcdef";

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_are_taken_over_or_made_up_and_differ() {
        let with = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(REQUEST_ID, HeaderValue::from_str(value).unwrap());
            request_id(&headers)
        };
        assert_eq!(with("abc-1 2"), "abc-1 2");
        for odd in ["", "a\tb", &"x".repeat(129)] {
            assert_eq!(with(odd).len(), 32, "{odd:?}");
        }
        let many: HashSet<_> = (0..10_000).map(|_| request_id(&HeaderMap::new())).collect();
        assert_eq!(many.len(), 10_000);
    }
}
