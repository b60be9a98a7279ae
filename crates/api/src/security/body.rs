//! The body of a request, read within a size and a time.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::rt::time::{Sleep, sleep};
use actix_web::{FromRequest, HttpRequest, HttpResponse, ResponseError, dev, web};

use super::args::SecurityArgs;
use crate::routes::Detail;

/// What a body may take. Data of the application; a route with other limits registers its own,
/// together with [`web::PayloadConfig`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct BodyLimits {
    /// Bytes.
    pub(crate) size: usize,
    /// For the whole body.
    pub(crate) time: Duration,
}

impl BodyLimits {
    pub(crate) fn of(args: &SecurityArgs) -> Self {
        let time = Duration::from_secs(args.body_timeout.get().into());
        Self { size: args.body_limit.get(), time }
    }
}

/// What an application without the data gets: the size of actix's own default, and any time.
const NO_LIMITS: BodyLimits = BodyLimits { size: 256 * 1024, time: Duration::MAX };

/// A whole body.
#[derive(Debug)]
pub(crate) struct Body(web::Bytes);

impl AsRef<[u8]> for Body {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// Why there is no body. Its response is the one to give.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unread {
    #[error("The body is longer than {0} bytes")]
    TooLong(usize),
    #[error("The body was not there within {} s", .0.as_secs())]
    TooSlow(Duration),
    #[error("There was an error parsing the body")]
    CutOff,
}

impl ResponseError for Unread {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::TooLong(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow(_) => StatusCode::REQUEST_TIMEOUT,
            Self::CutOff => StatusCode::BAD_REQUEST,
        }
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status_code());
        if let Self::TooSlow(_) = self {
            response.force_close();
        }
        response.json(Detail { detail: &self.to_string() })
    }
}

impl FromRequest for Body {
    type Error = Unread;
    type Future = Read;

    fn from_request(request: &HttpRequest, payload: &mut dev::Payload) -> Read {
        let limits = request.app_data().copied().unwrap_or(NO_LIMITS);
        Read { bytes: web::Bytes::from_request(request, payload), limits, timer: None }
    }
}

/// A body on its way.
pub(crate) struct Read {
    bytes: <web::Bytes as FromRequest>::Future,
    limits: BodyLimits,
    /// Set when the body is not there at once: most are, and need no timer.
    timer: Option<Pin<Box<Sleep>>>,
}

impl Future for Read {
    type Output = Result<Body, Unread>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { bytes, limits, timer } = &mut *self;
        if let Poll::Ready(outcome) = Pin::new(bytes).poll(context) {
            return Poll::Ready(outcome.map(Body).map_err(|error| {
                if error.as_response_error().status_code() == StatusCode::PAYLOAD_TOO_LARGE {
                    Unread::TooLong(limits.size)
                } else {
                    Unread::CutOff
                }
            }));
        }
        let timer = timer.get_or_insert_with(|| Box::pin(sleep(limits.time)));
        ready!(timer.as_mut().poll(context));
        Poll::Ready(Err(Unread::TooSlow(limits.time)))
    }
}
