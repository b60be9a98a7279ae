//! The HTTP server: what `actix_web::HttpServer` puts together, with each connection under
//! [`Patience`], for which that has no place.

use std::fmt::Debug;
use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs as _};
use std::time::Duration;

use actix_http::error::DispatchError;
use actix_http::{HttpService, Request, Response};
use actix_rt::net::TcpStream;
use actix_server::{GracefulShutdownSignal, Server, ServerBuilder};
use actix_service::{
    IntoServiceFactory, ServiceFactory, ServiceFactoryExt as _, fn_service, map_config,
};
use actix_tls::accept::rustls_0_23::{Acceptor, TlsStream};
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::AppConfig;
use actix_web::{Error, HttpResponse, dev};
use rustls::ServerConfig;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::security::patience::{Patience, Patient};

/// Connections that wait to be accepted; actix's own number.
const BACKLOG: i32 = 2048;

/// How long a caller has to close its end.
const DISCONNECT: Duration = Duration::from_secs(1);

/// What holds for each connection.
#[derive(Clone)]
pub(crate) struct Connections {
    pub(crate) patience: Patience,
    /// For the head of the first request, and a TLS handshake; zero is no limit.
    pub(crate) head: Duration,
    pub(crate) keep_alive: Duration,
    pub(crate) tls: Option<ServerConfig>,
}

/// A listener on an address of this machine.
///
/// # Errors
///
/// If the address is taken or none of this machine.
pub(crate) fn bind(host: &str, port: u16) -> io::Result<(TcpListener, SocketAddr)> {
    let mut refused = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    for address in (host, port).to_socket_addrs()? {
        match listen(address) {
            Ok(listener) => {
                let address = listener.local_addr()?;
                return Ok((listener, address));
            }
            Err(error) => refused = error,
        }
    }
    Err(refused)
}

/// As the standard library, with a longer queue.
fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Serves an application on a listener.
///
/// # Errors
///
/// If the listener cannot be used.
pub(crate) fn serve<F, A, I, B>(
    builder: ServerBuilder,
    listener: TcpListener,
    connections: Connections,
    application: F,
) -> io::Result<Server>
where
    F: Fn() -> A + Send + Clone + 'static,
    A: IntoServiceFactory<I, Request>,
    I: ServiceFactory<
            Request,
            Config = AppConfig,
            Error = Error,
            Response = dev::ServiceResponse<B>,
        > + 'static,
    I::InitError: Debug,
    B: MessageBody + 'static,
{
    let stopping = builder.graceful_shutdown_signal();
    let builder = match connections.tls.clone() {
        None => builder.listen("fraud-api", listener, move || {
            let patience = connections.patience.clone();
            fn_service(move |io: TcpStream| {
                let io = Patient::of(io, patience.clone());
                let address = io.address();
                async move { Ok((io, address)) }
            })
            .and_then(http(&connections, stopping.clone(), application()))
        })?,
        Some(mut tls) => {
            tls.alpn_protocols = vec![b"http/1.1".to_vec()];
            builder.listen("fraud-api-tls", listener, move || {
                let patience = connections.patience.clone();
                let mut acceptor = Acceptor::new(tls.clone());
                if !connections.head.is_zero() {
                    acceptor.set_handshake_timeout(connections.head);
                }
                fn_service(move |io: TcpStream| {
                    let io = Patient::of(io, patience.clone());
                    async move { Ok(io) }
                })
                .and_then(acceptor.map_err(|_| ()))
                .and_then(|io: TlsStream<Patient<TcpStream>>| async move {
                    let address = io.get_ref().0.address();
                    Ok((io, address))
                })
                .and_then(http(&connections, stopping.clone(), application()).map_err(|_| ()))
            })?
        }
    };
    Ok(builder.run())
}

/// HTTP/1.1 on streams of any kind.
fn http<Io, A, I, B>(
    connections: &Connections,
    stopping: GracefulShutdownSignal,
    application: A,
) -> impl ServiceFactory<
    (Io, Option<SocketAddr>),
    Config = (),
    Response = (),
    Error = DispatchError,
    InitError = (),
> + use<Io, A, I, B>
where
    Io: AsyncRead + AsyncWrite + Unpin + 'static,
    A: IntoServiceFactory<I, Request>,
    I: ServiceFactory<
            Request,
            Config = AppConfig,
            Error = Error,
            Response = dev::ServiceResponse<B>,
        > + 'static,
    I::InitError: Debug,
    B: MessageBody + 'static,
{
    let application = application
        .into_factory()
        .map_err(|error: Error| -> Response<BoxBody> { HttpResponse::from_error(error).into() });
    HttpService::build()
        .graceful_shutdown_signal(move || {
            let stopping = stopping.clone();
            async move { stopping.notified().await }
        })
        .keep_alive(connections.keep_alive)
        .client_request_timeout(connections.head)
        .client_disconnect_timeout(DISCONNECT)
        .h1(map_config(application, |()| AppConfig::default()))
}
