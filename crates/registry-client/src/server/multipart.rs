//! Large files in parts, straight to the storage behind the server, where the server offers it.

use std::path::Path;

use reqwest::{Body, Method};
use serde::Deserialize;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};
use tokio_util::io::ReaderStream;
use url::Url;

use super::artifacts::{list_proxied, transfer_timeout};
use super::http::{Failure, Http};
use crate::error::Error;

/// From this size on it pays; S3 takes no parts below 5 MiB.
pub(super) const SMALLEST: u64 = 64 << 20;

/// Size of a part, as long as there are no more than S3 takes.
const PART: u64 = 16 << 20;
const MOST_PARTS: u64 = 10_000;

#[derive(Deserialize)]
struct Created {
    /// Some storages have none.
    #[serde(default)]
    upload_id: Option<String>,
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
    // What is there before cannot tell whether the upload has been completed, if it is as long.
    let is_there = || is_there(http, server, folder, name, size);
    let was_there = is_there().await?;
    // Begun twice, one upload is never completed, and the storage's rules remove it.
    let call = Http::call_url(Method::POST, url("create")).json(body);
    let created: Created = http.send(call.about("an upload in parts")).await?;

    let completed = async {
        let parts = send_parts(http, &created, file, size, part).await?;
        let body = json!({ "path": name, "upload_id": created.upload_id, "parts": parts });
        let call = Http::call_url(Method::POST, url("complete")).json(body);
        let (call, is_there) = (&call.about("an upload in parts"), &is_there);
        let completed = http.repeat(|attempt| async move {
            // The storage knows no upload that is complete: one whose answer got lost cannot be
            // completed again.
            if attempt > 1 && !was_there && is_there().await? {
                return Ok(());
            }
            http.attempt::<serde_json::Value>(call, attempt).await.map(drop)
        });
        match completed.await {
            Err(_) if !was_there && is_there().await.unwrap_or(false) => Ok(()),
            completed => completed,
        }
    };
    let Err(error) = completed.await else { return Ok(()) };
    let body = json!({ "path": name, "upload_id": created.upload_id });
    let call = Http::call_url(Method::POST, url("abort")).json(body);
    if let Err(abort) = http.send::<serde_json::Value>(call.about("an upload in parts")).await {
        tracing::warn!("an upload in parts was left unfinished: {abort}");
    }
    Err(error)
}

/// Whether the storage has a file of this size.
async fn is_there(
    http: &Http,
    server: &Url,
    folder: &str,
    name: &str,
    size: u64,
) -> Result<bool, Error> {
    let files = list_proxied(http, server, folder).await?;
    Ok(files.iter().any(|file| !file.is_dir && file.path == name && file.file_size == size))
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
    let request = request.body(Body::wrap_stream(body));
    let response = http.exchange(request, &Method::PUT, &url, attempt).await?;
    let response = http.check(response, &Method::PUT, &url, "a part of an upload", attempt).await?;
    let etag = response.headers().get(reqwest::header::ETAG);
    Ok(etag.and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upload_need_not_have_an_id() {
        // As MLflow answers where the artifacts are in Azure.
        let text = r#"{"credentials": [{"url": "https://x/y?sig=z", "part_number": 1}]}"#;
        let created: Created = serde_json::from_str(text).unwrap();
        assert_eq!(created.upload_id, None);
        assert_eq!(created.credentials[0].part_number, 1);
    }
}
