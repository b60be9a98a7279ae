//! From a configuration to a server that runs: the model is loaded, then the port bound, then
//! requests are answered until a signal comes.

use std::future::poll_fn;
use std::io;
use std::task::Poll;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::middleware::from_fn;
use actix_web::rt::{self, signal::unix, task::JoinHandle};
use actix_web::{App, HttpServer, web};
use anyhow::Context as _;
use fraud_core::ModelArtifact;

use crate::config::Config;
use crate::metrics::{self, Metrics};
use crate::routes;

/// How often recorded latencies are folded into their buckets. Each waits in memory as a sample
/// until then, about 2 MiB a second at 80,000 requests a second.
const UPKEEP: Duration = Duration::from_secs(1);

/// A server that has its model and its port and accepts connections.
///
/// Several may run in one process: nothing of it is global.
pub struct Application {
    server: Server,
    port: u16,
    upkeep: JoinHandle<()>,
}

impl Application {
    /// Loads the model, then binds the address.
    ///
    /// Must be called within an actix runtime (`actix_web::rt::System` or `#[actix_web::main]`).
    ///
    /// # Errors
    ///
    /// If the model is refused (nothing is bound then), or the address cannot be bound.
    pub async fn build(config: Config) -> anyhow::Result<Self> {
        let path = config.model.clone();
        let artifact = web::block(move || ModelArtifact::load(path))
            .await
            .context("reading the model was interrupted")?
            // The message holds those of its sources already; as a chain they would show twice.
            .map_err(|error| anyhow::anyhow!("{error}"))?;
        if artifact.provenance.is_synthetic() {
            tracing::warn!("the model was trained on synthetic transactions");
        }
        let digest = artifact.digest();
        let threshold = artifact.threshold;

        let artifact = web::Data::new(artifact);
        let metrics = web::Data::new(Metrics::new()?);
        let shared = metrics.clone();
        let mut server = HttpServer::new(move || {
            App::new()
                .app_data(artifact.clone())
                .app_data(shared.clone())
                .app_data(web::PayloadConfig::new(routes::BODY_LIMIT))
                .wrap(from_fn(metrics::record))
                .configure(routes::configure)
        })
        .shutdown_timeout(config.shutdown_timeout)
        .shutdown_signal(stop_signal(config.shutdown_timeout));
        if let Some(workers) = config.workers {
            server = server.workers(workers.into());
        }
        let server = server
            .bind((config.host.as_str(), config.port))
            .map_err(|error| refused(&config, error))?;
        let address = *server.addrs().first().context("no address was bound")?;
        tracing::info!(%address, model = %config.model.display(), digest, %threshold, "serving");

        let upkeep = rt::spawn(async move {
            loop {
                rt::time::sleep(UPKEEP).await;
                metrics.upkeep();
            }
        });
        Ok(Self { server: server.run(), port: address.port(), upkeep })
    }

    /// The port that was bound: the configured one, or the one that the system chose for 0.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Answers requests until SIGTERM or SIGINT, then accepts no more, finishes what is in flight
    /// within the configured time, and returns.
    ///
    /// # Errors
    ///
    /// If the server fails as a whole; what goes wrong with one request is answered there.
    pub async fn run_until_stopped(self) -> anyhow::Result<()> {
        let outcome = self.server.await;
        self.upkeep.abort();
        outcome.context("the server failed")?;
        tracing::info!("stopped");
        Ok(())
    }
}

/// Resolves at the first SIGTERM or SIGINT. (Left alone, actix would cut requests off at SIGINT.)
async fn stop_signal(timeout: u64) {
    let streams = [unix::SignalKind::terminate(), unix::SignalKind::interrupt()].map(unix::signal);
    let [Ok(mut terminate), Ok(mut interrupt)] = streams else {
        tracing::error!("cannot listen to signals: only SIGKILL will stop this process");
        return std::future::pending().await;
    };
    poll_fn(|context| {
        let terminated = terminate.poll_recv(context).is_ready();
        let interrupted = interrupt.poll_recv(context).is_ready();
        if terminated || interrupted { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    tracing::info!("stopping: requests in flight have {timeout} s to finish");
}

fn refused(config: &Config, error: io::Error) -> anyhow::Error {
    let advice = match error.kind() {
        io::ErrorKind::AddrInUse => {
            "another program has this port: stop it, or choose another with --port"
        }
        io::ErrorKind::PermissionDenied => "choose a port from 1024 with --port",
        _ => "choose an address of this machine with --host, or 0.0.0.0 for all of them",
    };
    let message = format!("cannot listen on {}:{}; {advice}", config.host, config.port);
    anyhow::Error::new(error).context(message)
}
