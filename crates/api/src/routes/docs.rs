//! `GET /openapi.json`, `/docs` and `/redoc`: the interface for programs and for people.

use std::borrow::Cow;
use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, ContentEncoding};
use actix_web::{HttpRequest, HttpResponse, web};
use anyhow::Context as _;
use askama::Template;
use sha2::{Digest as _, Sha256};

use crate::openapi;
use crate::reference::Reference;
use crate::routes::not_found;
use crate::routes::page::{self, HTML};
use crate::state::State;

pub(crate) const OPENAPI: &str = "/openapi.json";
pub(crate) const DOCS: &str = "/docs";
pub(crate) const DOCS_FILE: &str = "/docs/{file}";
pub(crate) const REDOC: &str = "/redoc";

/// The files of Swagger UI that its page asks for; the package has more.
const SWAGGER_FILES: [&str; 2] = ["swagger-ui-bundle.js", "swagger-ui.css"];

/// What these routes answer, written once at the start.
pub(crate) struct Documents {
    openapi: web::Bytes,
    etag: String,
    reference: web::Bytes,
    swagger: Arc<utoipa_swagger_ui::Config<'static>>,
}

impl Documents {
    /// Describes the service with the model that `state` serves.
    ///
    /// # Errors
    ///
    /// If the description cannot be written.
    pub(crate) fn new(state: &State) -> anyhow::Result<Self> {
        let document = openapi::document(state).context("the OpenAPI document")?;
        let openapi = serde_json::to_vec(&document).context("the OpenAPI document")?;
        let digest = Sha256::digest(&openapi);
        let tag = digest.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes));
        let reference = Reference::of(&document).render().context("the reference")?;
        Ok(Self {
            openapi: openapi.into(),
            etag: format!("\"{tag:016x}\""),
            reference: reference.into(),
            swagger: Arc::new(utoipa_swagger_ui::Config::default()),
        })
    }
}

pub(crate) async fn openapi(request: HttpRequest, documents: web::Data<Documents>) -> HttpResponse {
    let is_known = is_known(&request, &documents.etag);
    let status = if is_known { StatusCode::NOT_MODIFIED } else { StatusCode::OK };
    let mut response = HttpResponse::build(status);
    response
        .insert_header((header::ETAG, documents.etag.as_str()))
        .insert_header((header::CACHE_CONTROL, "no-cache"));
    if is_known {
        return response.finish();
    }
    response.content_type("application/json").body(documents.openapi.clone())
}

/// Whether the caller has the document with this tag.
fn is_known(request: &HttpRequest, etag: &str) -> bool {
    let tags = request.headers().get(header::IF_NONE_MATCH).and_then(|tags| tags.to_str().ok());
    let mut tags = tags.unwrap_or_default().split(',').map(str::trim);
    tags.any(|tag| tag == "*" || tag.trim_start_matches("W/") == etag)
}

/// The page around Swagger UI.
#[derive(Template)]
#[template(path = "docs.html")]
struct Docs;

pub(crate) async fn docs() -> HttpResponse {
    page::html(Docs.render())
}

/// Swagger UI itself, gzipped as the package has it: every browser takes that.
pub(crate) async fn docs_file(
    file: web::Path<String>,
    documents: web::Data<Documents>,
) -> HttpResponse {
    let name = file.as_str();
    if !SWAGGER_FILES.contains(&name) {
        return not_found().await;
    }
    let Ok(Some(found)) = utoipa_swagger_ui::serve(name, documents.swagger.clone()) else {
        return not_found().await;
    };
    let mut response = HttpResponse::Ok();
    if found.gzpipped {
        response.insert_header(ContentEncoding::Gzip);
    }
    response
        .content_type(found.content_type)
        .insert_header((header::CACHE_CONTROL, page::ONE_HOUR))
        .body(match found.bytes {
            Cow::Borrowed(bytes) => web::Bytes::from_static(bytes),
            Cow::Owned(bytes) => bytes.into(),
        })
}

pub(crate) async fn redoc(documents: web::Data<Documents>) -> HttpResponse {
    HttpResponse::Ok()
        .content_type(HTML)
        .insert_header((header::CONTENT_SECURITY_POLICY, page::POLICY))
        .body(documents.reference.clone())
}
