//! Large files in parts, straight to the storage behind the server, where the server offers it.

use std::path::Path;

use reqwest::{Body, Method};
use serde::Deserialize;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};
use tokio_util::io::ReaderStream;
use url::Url;

use super::artifacts::transfer_timeout;
use super::http::{Failure, Http, connection};
use crate::error::Error;

/// From this size on it pays; S3 takes no parts below 5 MiB.
pub(super) const SMALLEST: u64 = 64 << 20;

/// Size of a part, as long as there are no more than S3 takes.
const PART: u64 = 16 << 20;
const MOST_PARTS: u64 = 10_000;

#[derive(Deserialize)]
struct Created {
    upload_id: String,
    credentials: Vec<Credential>,
}

/// Permission to send one part.
#[derive(Deserialize)]
struct Credential {
    url: String,
    #[serde(deserialize_with = "crate::json::int")]
    part_number: u64,
    #[serde(default)]
    headers: std::collections::BTreeMap<String, String>,
}

/// Whether the server has its storage take parts. One that does not say so does not.
pub(super) async fn is_offered(http: &Http, server: &Url) -> bool {
    #[derive(Deserialize, Default)]
    struct Info {
        #[serde(default)]
        multipart_uploads_enabled: bool,
    }
    if server.origin() != http.url("").origin() {
        return false;
    }
    let call = Http::call_url(Method::GET, http.url("api/3.0/mlflow/server-info"));
    http.send::<Info>(call).await.unwrap_or_default().multipart_uploads_enabled
}

pub(super) async fn upload(
    http: &Http,
    server: &Url,
    path: &str,
    file: &Path,
    size: u64,
) -> Result<(), Error> {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    let url = |step: &str| {
        let mut url = server.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            let endpoint = ["api", "2.0", "mlflow-artifacts", "mpu", step];
            let parts = endpoint.into_iter().chain(folder.split('/'));
            segments.pop_if_empty().extend(parts.filter(|part| !part.is_empty()));
        }
        url
    };
    let part = PART.max(size.div_ceil(MOST_PARTS));
    let count = size.div_ceil(part);
    let body = json!({ "path": name, "num_parts": count });
    // Begun twice, one upload is never completed, and the storage's rules remove it.
    let call = Http::call_url(Method::POST, url("create")).json(body);
    let created: Created = http.send(call.about("an upload in parts")).await?;

    match send_parts(http, &created, file, size, part).await {
        Ok(parts) => {
            let body = json!({ "path": name, "upload_id": created.upload_id, "parts": parts });
            let call = Http::call_url(Method::POST, url("complete")).json(body);
            http.send::<serde_json::Value>(call.about("an upload in parts")).await?;
            Ok(())
        }
        Err(error) => {
            let body = json!({ "path": name, "upload_id": created.upload_id });
            let call = Http::call_url(Method::POST, url("abort")).json(body);
            if let Err(abort) = http.send::<serde_json::Value>(call).await {
                tracing::warn!("an upload in parts was left unfinished: {abort}");
            }
            Err(error)
        }
    }
}

async fn send_parts(
    http: &Http,
    created: &Created,
    file: &Path,
    size: u64,
    part: u64,
) -> Result<Vec<serde_json::Value>, Error> {
    let mut parts = Vec::with_capacity(created.credentials.len());
    for credential in &created.credentials {
        let start = credential.part_number.saturating_sub(1) * part;
        let length = part.min(size.saturating_sub(start));
        let etag = http
            .repeat(|attempt| send_part(http, credential, file, start, length, attempt))
            .await?;
        parts.push(json!({
            "part_number": credential.part_number,
            "etag": etag,
            "url": credential.url,
        }));
    }
    Ok(parts)
}

/// One attempt to send a part; gives its `ETag`.
async fn send_part(
    http: &Http,
    credential: &Credential,
    file: &Path,
    start: u64,
    length: u64,
    attempt: u32,
) -> Result<String, Failure> {
    let url = Url::parse(&credential.url).map_err(|error| Error::Answer {
        method: "POST",
        url: http.location(),
        reason: format!("the URL of a part cannot be read: {error}"),
    })?;
    let mut open = tokio::fs::File::open(file).await.map_err(Error::file("read", file))?;
    open.seek(std::io::SeekFrom::Start(start)).await.map_err(Error::file("read", file))?;
    let body = ReaderStream::with_capacity(open.take(length), 256 << 10);
    let mut request = http
        .request(&Method::PUT, &url)
        .header(reqwest::header::CONTENT_LENGTH, length)
        .timeout(transfer_timeout(http, length));
    for (name, value) in &credential.headers {
        request = request.header(name, value);
    }
    let response = request.body(Body::wrap_stream(body)).send().await.map_err(|error| {
        Failure::Transient(connection(&Method::PUT, &url, &error, attempt), None)
    })?;
    let response = http.check(response, &Method::PUT, &url, "a part of an upload", attempt).await?;
    let etag = response.headers().get(reqwest::header::ETAG);
    Ok(etag.and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned())
}
