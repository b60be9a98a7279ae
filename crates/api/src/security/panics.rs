//! A handler that panics ends its request, not the connection: 500 like any other, and counted.

use std::any::Any;
use std::panic::AssertUnwindSafe;

use actix_web::dev::ServiceResponse;
use actix_web::http::header::HeaderValue;
use actix_web::{Error, HttpResponse, ResponseError};
use futures_util::FutureExt as _;

use crate::metrics::Metrics;
use crate::routes::Detail;

/// The request's handler panicked.
#[derive(Debug)]
struct Panicked;

impl std::fmt::Display for Panicked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the handler panicked")
    }
}

impl ResponseError for Panicked {
    fn error_response(&self) -> HttpResponse {
        HttpResponse::InternalServerError().json(Detail { detail: "Internal Server Error" })
    }
}

/// Awaits an answer; a panic on the way becomes an error that says nothing of it.
///
/// What the handlers share is atomics and values that are replaced whole, so a panic leaves none of
/// it half written.
///
/// # Errors
///
/// Those of the answer, and 500 for a panic.
pub(crate) async fn caught<B>(
    metrics: &Metrics,
    id: &HeaderValue,
    answer: impl Future<Output = Result<ServiceResponse<B>, Error>>,
) -> Result<ServiceResponse<B>, Error> {
    AssertUnwindSafe(answer).catch_unwind().await.unwrap_or_else(|panic| {
        metrics.panicked();
        tracing::error!(request_id = ?id, panic = message(&*panic), "a handler panicked");
        Err(Panicked.into())
    })
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no text")
}

#[cfg(test)]
mod tests {
    use actix_web::body::{BoxBody, MessageBody as _};
    use actix_web::http::StatusCode;

    use super::*;
    use crate::state::Served;

    #[actix_web::test]
    async fn a_panic_is_a_500_that_tells_nothing_and_is_counted() {
        let metrics = Metrics::new();
        let id = HeaderValue::from_static("a");
        let answer = async {
            assert!(metrics.render(&Served::for_tests(), None).is_empty(), "a secret");
            Err(Panicked.into())
        };
        let error = caught::<BoxBody>(&metrics, &id, answer).await.unwrap_err();
        let response = error.error_response();
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        let body = response.into_body().try_into_bytes().unwrap();
        assert_eq!(body, r#"{"detail":"Internal Server Error"}"#);
        let text = metrics.render(&Served::for_tests(), None);
        assert!(text.contains("http_panics_total 1\n"), "{text}");
    }
}
