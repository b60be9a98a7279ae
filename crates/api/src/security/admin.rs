//! Health and metrics on a port of their own, with a worker that no caller keeps busy.

use actix_server::Server;
use actix_web::middleware::from_fn;
use actix_web::{App, web};
use anyhow::Context as _;

use super::is_open;
use crate::config::Config;
use crate::observe::observe;
use crate::routes;
use crate::server::{self, Connections};
use crate::state::State;

/// Bytes of a request: there is none with a body.
const MOST: u64 = 1 << 20;

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
    let (listener, address) = server::bind(&config.host, port).with_context(|| {
        format!("cannot listen on {}:{port}; choose another --admin-port", config.host)
    })?;
    let shared = state.clone();
    let application = move || {
        App::new()
            .app_data(shared.clone())
            .wrap(from_fn(observe))
            .configure(|app| routes::configure(app, is_open))
    };
    let connections = Connections {
        patience: config.security.patience(MOST, state.metrics.slow_connections()),
        head: config.security.header_timeout(),
        keep_alive: config.security.keep_alive(),
        tls: None,
    };
    let builder = Server::build().workers(1).disable_signals().shutdown_timeout(1);
    let server = server::serve(builder, listener, connections, application)
        .context("cannot serve health and metrics")?;
    tracing::info!(admin = %address, "health and metrics");
    Ok(Some((server, address.port())))
}
