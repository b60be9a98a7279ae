//! HTTPS: a certificate chain and its key, served by rustls with ring.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, ensure};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::args::SecurityArgs;

/// What the flags ask for; none without a certificate.
///
/// # Errors
///
/// If a file cannot be read or holds something else, or the key is not that of the certificate.
pub(crate) fn config(args: &SecurityArgs) -> anyhow::Result<Option<ServerConfig>> {
    let (Some(cert), Some(key)) = (&args.tls_cert, &args.tls_key) else { return Ok(None) };
    // Said outright: a process may have more than one provider compiled in.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .context("TLS cannot be set up")?
        .with_no_client_auth()
        .with_single_cert(chain(cert)?, private_key(key)?)
        .with_context(|| {
            let (cert, key) = (cert.display(), key.display());
            format!("--tls-key {key} cannot be used with --tls-cert {cert}")
        })?;
    Ok(Some(config))
}

fn chain(file: &Path) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let shown = file.display();
    let pem = read(file, "--tls-cert")?;
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<_, _>>()
        .with_context(|| format!("--tls-cert {shown} is no PEM"))?;
    ensure!(
        !chain.is_empty(),
        "--tls-cert {shown} holds no certificate; expected PEM, -----BEGIN CERTIFICATE-----"
    );
    Ok(chain)
}

fn private_key(file: &Path) -> anyhow::Result<PrivateKeyDer<'static>> {
    PrivateKeyDer::from_pem_slice(&read(file, "--tls-key")?).with_context(|| {
        format!(
            "--tls-key {} holds no private key that can be read; expected PEM without a \
             passphrase, -----BEGIN PRIVATE KEY-----",
            file.display()
        )
    })
}

fn read(file: &Path, flag: &str) -> anyhow::Result<Vec<u8>> {
    std::fs::read(file).with_context(|| format!("cannot read {flag} {}", file.display()))
}
