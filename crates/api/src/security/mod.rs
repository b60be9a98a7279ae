//! What keeps the service safe from callers: who may ask, how often, how much and how slowly.
//!
//! | module | what it holds |
//! |---|---|
//! | `args` | [`SecurityArgs`]: the flags |
//! | `keys` | keys of callers |
//! | `rate_limit` | requests a second |
//! | `body` | bodies within a size and a time |
//! | `connections` | how many files may be open |
//! | `patience` | how long a caller may take, in either direction |
//! | `headers` | headers for browsers |
//! | `panics` | a panic is a 500 |
//! | `tls` | HTTPS |
//! | `admin` | health and metrics on a port of their own |

pub(crate) mod admin;
mod args;
pub(crate) mod body;
pub(crate) mod connections;
pub(crate) mod headers;
mod keys;
pub(crate) mod panics;
pub(crate) mod patience;
mod rate_limit;
pub(crate) mod tls;

use actix_web::dev::ServiceRequest;
use actix_web::http::header;
use actix_web::rt::signal::unix;
use actix_web::{HttpResponse, web};
use arc_swap::ArcSwap;

pub use self::args::SecurityArgs;
use self::keys::{Keys, Refused};
use self::rate_limit::{Caller, RateLimit};
use crate::routes::{Detail, health, metrics};
use crate::state::State;

/// Upkeeps, which come every second, from one sweep of the rates to the next.
const SWEEP: u32 = 10;

/// Decides which requests are let in.
#[derive(Debug)]
pub(crate) struct Security {
    keys: Option<ArcSwap<Keys>>,
    rates: Option<RateLimit>,
    args: SecurityArgs,
}

impl Security {
    /// What the flags ask for.
    ///
    /// # Errors
    ///
    /// If the keys cannot be read.
    pub(crate) fn new(args: &SecurityArgs) -> anyhow::Result<Self> {
        let keys = Keys::load(args.api_keys_file.as_deref(), args.api_keys.as_deref())?;
        if let Some(keys) = &keys {
            tracing::info!(keys = keys.len(), "callers need a key");
        }
        let keys = keys.map(ArcSwap::from_pointee);
        Ok(Self { keys, rates: RateLimit::of(args), args: args.clone() })
    }

    /// Whether callers come over HTTPS.
    pub(crate) const fn is_tls(&self) -> bool {
        self.args.tls_cert.is_some()
    }

    /// Whether callers need a key.
    pub(crate) const fn asks_for_keys(&self) -> bool {
        self.keys.is_some()
    }

    /// Whether metrics are on a port of their own.
    pub(crate) const fn has_admin_port(&self) -> bool {
        self.args.admin_port.is_some()
    }

    /// Lets a request in.
    ///
    /// # Errors
    ///
    /// The answer to one that is not: 401 without a key that is known, 429 if it comes too early.
    #[expect(
        clippy::result_large_err,
        reason = "moved once, on the rare path; a box would be another allocation"
    )]
    pub(crate) fn admit(&self, request: &ServiceRequest) -> Result<(), HttpResponse> {
        if self.keys.is_none() && self.rates.is_none() {
            return Ok(());
        }
        // As the router compares it.
        let is_open = is_open(request.match_info().as_str());
        if is_open && !(self.keys.is_some() && self.args.api_keys_everywhere) {
            return Ok(());
        }
        let caller = match &self.keys {
            Some(keys) => {
                let keys = keys.load();
                match keys.name(request.headers()) {
                    Ok(name) => Some(Caller::Named(name.clone())),
                    Err(refused) => return Err(self.stranger(request, refused)),
                }
            }
            None => Caller::by_address(request, self.args.trust_forwarded_for),
        };
        match (&self.rates, caller) {
            (Some(rates), Some(caller)) if !is_open => {
                rates.count(&caller).map_err(too_many_requests)
            }
            _ => Ok(()),
        }
    }

    /// The answer to a caller whose key is missing or unknown. Trying keys is limited as requests are,
    /// by address.
    fn stranger(&self, request: &ServiceRequest, refused: Refused) -> HttpResponse {
        let address = Caller::by_address(request, self.args.trust_forwarded_for);
        match (&self.rates, address) {
            (Some(rates), Some(address)) => match rates.count(&address) {
                Ok(()) => unauthorized(request, refused),
                Err(seconds) => too_many_requests(seconds),
            },
            _ => unauthorized(request, refused),
        }
    }

    /// Frees what is not needed any more. To be called every second, with the seconds since the
    /// start.
    pub(crate) fn upkeep(&self, second: u32) {
        if let Some(rates) = &self.rates
            && second.is_multiple_of(SWEEP)
        {
            rates.forget_quiet();
        }
    }

    /// Reads the keys again. What cannot be read changes nothing.
    fn reload_keys(&self) {
        let Some(keys) = &self.keys else { return };
        match Keys::load(self.args.api_keys_file.as_deref(), self.args.api_keys.as_deref()) {
            Ok(Some(read)) => {
                tracing::info!(keys = read.len(), "keys read again");
                keys.store(read.into());
            }
            Ok(None) => {}
            Err(error) => tracing::error!("the keys stay as they were: {error:#}"),
        }
    }
}

/// Whether a path is one that probes and Prometheus ask for.
pub(crate) fn is_open(path: &str) -> bool {
    [health::PATH, health::LIVE, health::READY, metrics::PATH].contains(&path)
}

/// Reads the keys again at every SIGHUP; returns at once when there is no file to read.
pub(crate) async fn reload_at_hangup(state: web::Data<State>) {
    if state.security.args.api_keys_file.is_none() {
        return;
    }
    match unix::signal(unix::SignalKind::hangup()) {
        Ok(mut hangup) => {
            while hangup.recv().await.is_some() {
                state.security.reload_keys();
            }
        }
        Err(error) => tracing::warn!("keys will not be read again at SIGHUP: {error}"),
    }
}

fn unauthorized(request: &ServiceRequest, refused: Refused) -> HttpResponse {
    let detail = match refused {
        Refused::Missing => "A key is needed: Authorization: Bearer KEY, or X-Api-Key: KEY",
        Refused::Unknown => "The key is not known",
    };
    // A browser asks its user then; the key is the password.
    let accept = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok());
    let is_browser = accept.is_some_and(|accept| accept.contains("text/html"));
    let challenge = if is_browser { "Basic realm=\"fraud-api\"" } else { "Bearer" };
    HttpResponse::Unauthorized()
        .insert_header((header::WWW_AUTHENTICATE, challenge))
        .json(Detail { detail })
}

fn too_many_requests(seconds: u64) -> HttpResponse {
    let detail = format!("Too many requests; the next is welcome in {seconds} s");
    HttpResponse::TooManyRequests()
        .insert_header((header::RETRY_AFTER, seconds))
        .json(Detail { detail: &detail })
}
