//! Health and metrics on a port of their own, with a worker that no caller keeps busy.

use actix_web::dev::Server;
use actix_web::middleware::from_fn;
use actix_web::{App, HttpServer, web};
use anyhow::Context as _;

use super::is_open;
use crate::config::Config;
use crate::observe::observe;
use crate::routes;
use crate::state::State;

/// Binds the port, if there is to be one, and says which it is.
///
/// The server heeds no signal: it is to answer while the main one finishes its requests.
///
/// # Errors
///
/// If the port cannot be bound.
pub(crate) fn bind(
    config: &Config,
    state: &web::Data<State>,
) -> anyhow::Result<Option<(Server, u16)>> {
    let Some(port) = config.security.admin_port else { return Ok(None) };
    let shared = state.clone();
    let server = HttpServer::new(move || {
        App::new()
            .app_data(shared.clone())
            .wrap(from_fn(observe))
            .configure(|app| routes::configure(app, is_open))
    })
    .workers(1)
    .client_request_timeout(config.security.header_timeout())
    .keep_alive(config.security.keep_alive())
    .disable_signals()
    .shutdown_timeout(1)
    .bind((config.host.as_str(), port))
    .with_context(|| {
        format!("cannot listen on {}:{port}; choose another --admin-port", config.host)
    })?;
    let address = *server.addrs().first().context("no address was bound")?;
    tracing::info!(admin = %address, "health and metrics");
    Ok(Some((server.run(), address.port())))
}
