//! Files up and down, through the server's artifact proxy or in a folder that both can see.

use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::StreamExt as _;
use reqwest::{Body, Method};
use serde::Deserialize;
use tokio::io::AsyncWriteExt as _;
use tokio_util::io::ReaderStream;
use url::Url;

use super::http::{Failure, Http};
use super::multipart;
use crate::artifact_path::{check_artifact_path, check_sendable, join};
use crate::durable;
use crate::error::Error;
use crate::types::FileInfo;

/// Endpoint of the artifact proxy.
pub(super) const PROXY: &str = "api/2.0/mlflow-artifacts/artifacts";

/// A transfer slower than this (64 KiB/s) is broken.
const SLOWEST: u64 = 64 << 10;

/// Where an artifact root is.
#[derive(Debug, PartialEq)]
enum Root {
    /// Behind the proxy, at this path in its storage.
    Proxied { server: Url, path: String },
    /// In a folder of this machine.
    Folder(PathBuf),
}

impl Root {
    /// Reads an artifact URI as the server gave it.
    fn parse(http: &Http, uri: &str) -> Result<Self, Error> {
        let refused = |reason: &str| Error::Invalid {
            what: format!("artifacts at {uri:?}"),
            location: http.location(),
            reason: reason.to_owned(),
            answer: None,
        };
        if uri.starts_with('/') {
            return Ok(Self::Folder(uri.into()));
        }
        let url = Url::parse(uri).map_err(|_| refused("it is no URI"))?;
        let decoded = || {
            percent_encoding::percent_decode_str(url.path().trim_matches('/'))
                .decode_utf8_lossy()
                .into_owned()
        };
        match url.scheme() {
            "mlflow-artifacts" => {
                let mut server = http.url("");
                if let Some(host) = url.host_str() {
                    // Both were a URL's before.
                    let _ = server.set_host(Some(host));
                    let _ = server.set_port(url.port());
                }
                Ok(Self::Proxied { server, path: decoded() })
            }
            "http" | "https" => match decoded().split_once(PROXY) {
                Some((prefix, path)) => {
                    let mut server = url.clone();
                    server.set_path(prefix);
                    Ok(Self::Proxied { server, path: path.trim_matches('/').to_owned() })
                }
                None => Err(refused("expected the URL of an MLflow server's artifact proxy")),
            },
            "file" => {
                url.to_file_path().map(Self::Folder).map_err(|()| refused("it is no file's URI"))
            }
            _ => Err(refused(
                "only the server can reach that place; start it with --serve-artifacts and \
                 --artifacts-destination, so that artifacts go through it",
            )),
        }
    }
}

/// The URL of something in the proxy's storage.
fn proxy_url(server: &Url, endpoint: &str, path: &str) -> Url {
    let mut url = server.clone();
    if let Ok(mut segments) = url.path_segments_mut() {
        let parts = endpoint.split('/').chain(path.split('/'));
        segments.pop_if_empty().extend(parts.filter(|part| !part.is_empty()));
    }
    url
}

pub(super) async fn upload(
    http: &Http,
    artifact_uri: &str,
    path: &str,
    file: &Path,
) -> Result<(), Error> {
    check_artifact_path(path, &http.location())?;
    check_sendable(path, &http.location())?;
    let size = tokio::fs::metadata(file).await.map_err(Error::file("read", file))?.len();
    match Root::parse(http, artifact_uri)? {
        Root::Folder(root) => copy_into(root.join(path), file).await,
        Root::Proxied { server, path: root } => {
            let whole = join(&root, path);
            if size >= multipart::SMALLEST && multipart::is_offered(http, &server).await {
                return multipart::upload(http, &server, &whole, file, size).await;
            }
            let url = &proxy_url(&server, PROXY, &whole);
            http.repeat(|attempt| put(http, url, file, size, attempt)).await
        }
    }
}

/// One attempt to send a file.
async fn put(http: &Http, url: &Url, file: &Path, size: u64, attempt: u32) -> Result<(), Failure> {
    let open = tokio::fs::File::open(file).await.map_err(Error::file("read", file))?;
    let body = ReaderStream::with_capacity(open, 256 << 10);
    let request = http
        .request(&Method::PUT, url)
        .header(reqwest::header::CONTENT_LENGTH, size)
        .header(reqwest::header::CONTENT_TYPE, "application/octet-stream")
        .timeout(transfer_timeout(http, size))
        .body(Body::wrap_stream(body));
    let response = http.exchange(request, &Method::PUT, url, attempt).await?;
    let what = format!("the artifact {}", url.path());
    http.check(response, &Method::PUT, url, &what, attempt).await?;
    Ok(())
}

/// Longer for a larger file.
pub(super) fn transfer_timeout(http: &Http, size: u64) -> Duration {
    http.timeout() + Duration::from_secs(size / SLOWEST)
}

async fn copy_into(target: PathBuf, file: &Path) -> Result<(), Error> {
    let file = file.to_owned();
    blocking(move || {
        let mut source = std::fs::File::open(&file).map_err(Error::file("read", &file))?;
        let mut copy = durable::beside(&target).map_err(Error::file("write", &target))?;
        std::io::copy(&mut source, copy.as_file_mut()).map_err(Error::file("write", &target))?;
        durable::place(copy, &target).map_err(Error::file("write", &target))
    })
    .await
}

pub(super) async fn list(
    http: &Http,
    artifact_uri: &str,
    path: &str,
) -> Result<Vec<FileInfo>, Error> {
    if !path.is_empty() {
        check_artifact_path(path, &http.location())?;
    }
    let mut files = match Root::parse(http, artifact_uri)? {
        Root::Folder(root) => {
            let folder = root.join(path);
            blocking(move || list_folder(&folder)).await?
        }
        Root::Proxied { server, path: root } => {
            list_proxied(http, &server, &join(&root, path)).await?
        }
    };
    // A file is not a folder that holds itself.
    let own_name = path.rsplit('/').next().unwrap_or_default();
    if matches!(&files[..], [file] if !path.is_empty() && !file.is_dir && file.path == own_name) {
        return Ok(Vec::new());
    }
    for file in &mut files {
        file.path = join(path, &file.path);
        check_artifact_path(&file.path, &http.location())?;
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

/// What is in a folder of the proxy's storage, by names.
pub(super) async fn list_proxied(
    http: &Http,
    server: &Url,
    folder: &str,
) -> Result<Vec<FileInfo>, Error> {
    #[derive(Deserialize)]
    struct Answer {
        #[serde(default)]
        files: Vec<FileInfo>,
    }
    let call = Http::call_url(Method::GET, proxy_url(server, PROXY, "")).query("path", folder);
    Ok(http.send::<Answer>(call.about("the list of artifacts")).await?.files)
}

fn list_folder(folder: &Path) -> Result<Vec<FileInfo>, Error> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error)
            if matches!(
                error.kind(),
                std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory
            ) =>
        {
            return Ok(Vec::new());
        }
        Err(cause) => return Err(Error::File { action: "read", path: folder.to_owned(), cause }),
    };
    let info = |entry: std::io::Result<std::fs::DirEntry>| {
        let entry = entry?;
        let metadata = entry.metadata()?;
        Ok(FileInfo {
            path: entry.file_name().to_string_lossy().into_owned(),
            is_dir: metadata.is_dir(),
            file_size: if metadata.is_dir() { 0 } else { metadata.len() },
        })
    };
    entries.map(info).collect::<std::io::Result<_>>().map_err(Error::file("read", folder))
}

pub(super) async fn download(
    http: &Http,
    artifact_uri: &str,
    path: &str,
    to: &Path,
) -> Result<(), Error> {
    check_artifact_path(path, &http.location())?;
    match Root::parse(http, artifact_uri)? {
        Root::Folder(root) => {
            let file = root.join(path);
            if !file.is_file() {
                return Err(Error::NotFound {
                    what: format!("the artifact {path:?}"),
                    location: root.display().to_string(),
                    hint: String::new(),
                    answer: None,
                });
            }
            copy_into(to.to_owned(), &file).await
        }
        Root::Proxied { server, path: root } => {
            let url = &proxy_url(&server, PROXY, &join(&root, path));
            http.repeat(|attempt| get(http, url, path, to, attempt)).await
        }
    }
}

/// One attempt to fetch a file; it gets its name when it is whole.
async fn get(http: &Http, url: &Url, path: &str, to: &Path, attempt: u32) -> Result<(), Failure> {
    let broken = |error: &reqwest::Error| {
        Failure::Transient(http.connection(&Method::GET, url, error, attempt), None)
    };
    let waiting = |_| {
        let reason = "no answer in time (MLFLOW_HTTP_REQUEST_TIMEOUT)".to_owned();
        let url = http.shown(url);
        Failure::Transient(
            Error::Connection { method: "GET", url, reason, attempts: attempt },
            None,
        )
    };
    let request = http.exchange(http.request(&Method::GET, url), &Method::GET, url, attempt);
    let response = tokio::time::timeout(http.timeout(), request).await.map_err(waiting)??;
    let what = format!("the artifact {path:?}");
    let response = http.check(response, &Method::GET, url, &what, attempt).await?;

    let write = |cause| Error::File { action: "write", path: to.to_owned(), cause };
    let temporary = durable::beside(to).map_err(write)?;
    let mut file = tokio::fs::File::from_std(temporary.reopen().map_err(write)?);
    let mut stream = response.bytes_stream();
    // The time counts anew with each piece: a large file may take as long as it takes.
    while let Some(piece) =
        tokio::time::timeout(http.timeout(), stream.next()).await.map_err(waiting)?
    {
        file.write_all(&piece.map_err(|error| broken(&error))?).await.map_err(write)?;
    }
    file.flush().await.map_err(write)?;
    let to = to.to_owned();
    let place = move || durable::place(temporary, &to).map_err(Error::file("write", &to));
    Ok(blocking(place).await?)
}

/// Runs what waits for a disk beside the runtime.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ServerConfig;

    #[test]
    fn artifact_uris_lead_to_the_proxy_or_a_folder() {
        let http = Http::new(ServerConfig::new("http://h:5000/base").unwrap()).unwrap();
        let proxied = |server: &str, path: &str| Root::Proxied {
            server: Url::parse(server).unwrap(),
            path: path.to_owned(),
        };
        for (uri, expected) in [
            (
                "mlflow-artifacts:/0/ab c/artifacts",
                proxied("http://h:5000/base", "0/ab c/artifacts"),
            ),
            ("mlflow-artifacts://o:81/0/x", proxied("http://o:81/base", "0/x")),
            (
                "http://h:5000/base/api/2.0/mlflow-artifacts/artifacts/0/x",
                proxied("http://h:5000/base/", "0/x"),
            ),
            ("/srv/a b", Root::Folder("/srv/a b".into())),
            ("file:///srv/a%20b", Root::Folder("/srv/a b".into())),
        ] {
            assert_eq!(Root::parse(&http, uri).unwrap(), expected, "{uri}");
        }
        let message = Root::parse(&http, "s3://bucket/0").unwrap_err().to_string();
        assert!(message.contains("--serve-artifacts"), "{message}");
    }
}
