//! From a configuration to a server that runs: the model is loaded, then the port bound, then
//! requests are answered until a signal comes.

use std::future::poll_fn;
use std::io;
use std::task::Poll;
use std::time::Duration;

use actix_server::Server;
use actix_web::middleware::from_fn;
use actix_web::rt::{self, signal::unix, task::JoinHandle};
use actix_web::{App, web};
use anyhow::Context as _;

use crate::capture;
use crate::config::Config;
use crate::metrics::Metrics;
use crate::model::{self, Model, WhenOutOfReach};
use crate::observe::observe;
use crate::reload;
use crate::routes::{self, docs::Documents};
use crate::security::body::BodyLimits;
use crate::security::{self, Security};
use crate::server::{self, Connections};
use crate::state::{Served, State};
use crate::traces::Traces;

/// How often what callers leave behind is looked through.
const UPKEEP: Duration = Duration::from_secs(1);

/// Bytes that HTTP may add to the longest body: its head, and the marks between chunks.
const HTTP_ITSELF: u64 = 16 << 20;

/// How long captured rows may take to be written at the stop, when the disk fails.
const CAPTURE_LIMIT: Duration = Duration::from_secs(5);

/// A server that has its model and its port and accepts connections.
///
/// Several may run in one process: nothing of it is global.
pub struct Application {
    server: Server,
    port: u16,
    /// Health and metrics on their own port, with that.
    admin: Option<(Server, u16)>,
    upkeep: JoinHandle<()>,
    reloads: JoinHandle<()>,
    /// Of captured rows.
    writer: Option<capture::Writer>,
    reload_keys: JoinHandle<()>,
    state: web::Data<State>,
}

impl Application {
    /// Loads the model, from the registry if it is to come from there, then binds the address.
    ///
    /// Must be called within an actix runtime (`actix_web::rt::System` or `#[actix_web::main]`).
    ///
    /// # Errors
    ///
    /// If the model, the keys or the certificate are refused (nothing is bound then), or an address
    /// cannot be bound.
    pub async fn build(config: Config) -> anyhow::Result<Self> {
        // On the heap: the registry's calls make it tens of kilobytes, once in a process.
        Box::pin(Self::assemble(config)).await
    }

    async fn assemble(config: Config) -> anyhow::Result<Self> {
        let hangup = reload::listen().context("cannot listen to SIGHUP")?;
        let served = Served::new(model::load(&config, WhenOutOfReach::UseCache).await?)?;
        if served.model.artifact.provenance.is_synthetic() {
            tracing::warn!("the model was trained on synthetic transactions");
        }
        security::connections::raise_open_files();
        let tls = security::tls::config(&config.security)?;
        let security = Security::new(&config.security)?;
        let metrics = Metrics::new();
        let (capture, writer) = capture::start(&config.capture, &metrics)?.unzip();
        let traces = Traces::start(&config.traces)?;
        let state = State::new(served, metrics, security).with_capture(capture).with_traces(traces);
        let state = web::Data::new(state);
        reload::start_shadow(&config, &state).await;
        let stops = listen_to_stops().context("cannot listen to SIGTERM and SIGINT")?;
        let shared = state.clone();
        let documents = web::Data::new(Documents::new(&state)?);
        let batch = web::Data::new(config.batch.clone());
        let limits = BodyLimits::of(&config.security);
        let has_admin_port = config.security.admin_port.is_some();
        let application = move || {
            App::new()
                .app_data(shared.clone())
                .app_data(documents.clone())
                .app_data(batch.clone())
                .app_data(limits)
                .app_data(web::PayloadConfig::new(limits.size))
                .wrap(from_fn(observe))
                .configure(|app| {
                    routes::configure(app, |path| !has_admin_port || path != routes::metrics::PATH);
                })
        };
        let (listener, address) =
            server::bind(&config.host, config.port).map_err(|error| refused(&config, error))?;
        let most = limits.size.max(config.batch.bytes()) as u64 + HTTP_ITSELF;
        let connections = Connections {
            patience: config.security.patience(most, state.metrics.slow_connections()),
            head: config.security.header_timeout(),
            keep_alive: config.security.keep_alive(),
            tls,
        };
        let mut builder = Server::build()
            .max_concurrent_connections(config.security.max_connections.get())
            .shutdown_timeout(config.shutdown_timeout)
            .shutdown_signal(stop_signal(stops, state.clone(), config.shutdown_timeout));
        if let Some(workers) = config.workers {
            builder = builder.workers(workers.into());
        }
        let admin = security::admin::bind(&config, &state)?;
        let is_tls = connections.tls.is_some();
        let server =
            server::serve(builder, listener, connections, application).context("cannot serve")?;
        let served = state.served();
        let Served {
            model: Model { artifact, called, name, version, source, .. },
            digest,
            checked,
            ..
        } = &**served;
        let threshold = artifact.threshold;
        tracing::info!(
            %address, model = called, name, version, digest, %threshold, source, checked,
            tls = is_tls, "serving"
        );

        let watched = state.clone();
        let reload_keys = rt::spawn(security::reload_at_hangup(state.clone()));
        let swept = state.clone();
        let upkeep = rt::spawn(async move {
            for second in 0_u32.. {
                rt::time::sleep(UPKEEP).await;
                swept.security.upkeep(second);
            }
        });
        let reloads = reload::watch(config, watched, hangup);
        let port = address.port();
        Ok(Self { server, port, admin, upkeep, reloads, writer, reload_keys, state })
    }

    /// The port that was bound: the configured one, or the one that the system chose for 0.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The port of health and metrics, if they have their own.
    #[must_use]
    pub fn admin_port(&self) -> Option<u16> {
        self.admin.as_ref().map(|(_, port)| *port)
    }

    /// Answers requests until SIGTERM or SIGINT, then accepts no more, finishes what is in flight
    /// within the configured time, and returns.
    ///
    /// # Errors
    ///
    /// If the server fails as a whole; what goes wrong with one request is answered there.
    pub async fn run_until_stopped(self) -> anyhow::Result<()> {
        let admin = self.admin.map(|(server, _)| {
            let handle = server.handle();
            (rt::spawn(server), handle)
        });
        let outcome = self.server.await;
        // Probes and Prometheus were answered to the end.
        if let Some((running, handle)) = admin {
            handle.stop(true).await;
            let _ = running.await;
        }
        self.reload_keys.abort();
        self.upkeep.abort();
        self.reloads.abort();
        if let Some(writer) = self.writer {
            // All answers are given: nothing is scored any more.
            rt::task::spawn_blocking(|| writer.finish(CAPTURE_LIMIT))
                .await
                .context("the captured rows were not written")?;
        }
        let state = self.state;
        rt::task::spawn_blocking(move || state.traces.iter().for_each(Traces::finish))
            .await
            .context("the last spans were not exported")?;
        outcome.context("the server failed")?;
        tracing::info!("stopped");
        Ok(())
    }
}

/// Takes SIGTERM and SIGINT over, which end the process else. Not before there is a model: a start that
/// waits for a registry is to be ended like any program.
fn listen_to_stops() -> io::Result<[unix::Signal; 2]> {
    let terminate = unix::signal(unix::SignalKind::terminate())?;
    Ok([terminate, unix::signal(unix::SignalKind::interrupt())?])
}

/// Resolves at the first SIGTERM or SIGINT. (Left alone, actix would cut requests off at SIGINT.)
async fn stop_signal(stops: [unix::Signal; 2], state: web::Data<State>, timeout: u64) {
    let [mut terminate, mut interrupt] = stops;
    poll_fn(|context| {
        let terminated = terminate.poll_recv(context).is_ready();
        let interrupted = interrupt.poll_recv(context).is_ready();
        if terminated || interrupted { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    state.stop();
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
