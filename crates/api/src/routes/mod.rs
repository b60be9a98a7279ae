//! One route, one file; here what they share, and the answers where there is no route.

pub(crate) mod batch;
pub(crate) mod docs;
pub(crate) mod explain;
pub(crate) mod health;
pub(crate) mod metrics;
pub(crate) mod model;
pub(crate) mod page;
pub(crate) mod predict;

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, ResponseError as _, Route, web};
use fraud_core::Transaction;
use serde::Serialize;
use utoipa::ToSchema;

use crate::metrics::ENDPOINTS;
use crate::request::{self, Rejection};
use crate::security::body::{Body, Unread};

/// An error as `FastAPI` words it, where it is not about single fields.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Detail<'a> {
    pub(crate) detail: &'a str,
}

/// Adds every route whose path is wanted to an application.
pub(crate) fn configure(config: &mut web::ServiceConfig, is_wanted: impl Fn(&str) -> bool) {
    for (path, method, route) in routes().into_iter().filter(|(path, ..)| is_wanted(path)) {
        let resource = web::resource(path).route(route);
        config.service(resource.default_service(method_not_allowed(method)));
    }
    config.default_service(web::to(nowhere));
}

/// Path, method and handler of every route.
fn routes() -> Vec<(&'static str, &'static str, Route)> {
    vec![
        (predict::PATH, "POST", web::post().to(predict::predict)),
        (batch::PATH, "POST", web::post().to(batch::batch)),
        (explain::PATH, "POST", web::post().to(explain::explain)),
        (model::PATH, "GET", web::get().to(model::model)),
        (health::PATH, "GET", web::get().to(health::health)),
        (health::LIVE, "GET", web::get().to(health::live)),
        (health::READY, "GET", web::get().to(health::ready)),
        (metrics::PATH, "GET", web::get().to(metrics::metrics)),
        (page::PATH, "GET", web::get().to(page::index)),
        (page::ASSET, "GET", web::get().to(page::asset)),
        (docs::OPENAPI, "GET", web::get().to(docs::openapi)),
        (docs::DOCS, "GET", web::get().to(docs::docs)),
        (docs::DOCS_FILE, "GET", web::get().to(docs::docs_file)),
        (docs::REDOC, "GET", web::get().to(docs::redoc)),
    ]
}

/// The transaction in a body, or the answer that refuses it.
#[expect(clippy::result_large_err, reason = "an answer is on its way out, and made once")]
fn transaction(
    request: &HttpRequest,
    body: &Result<Body, Unread>,
) -> Result<Transaction, HttpResponse> {
    let body = body.as_ref().map_err(Unread::error_response)?.as_ref();
    let content_type = request.headers().get(header::CONTENT_TYPE);
    let content_type = content_type.map(header::HeaderValue::as_bytes);
    request::transaction(content_type, body).map_err(|rejection| match rejection {
        Rejection::Unreadable => HttpResponse::BadRequest().json(UNREADABLE),
        Rejection::Invalid(invalid) => HttpResponse::UnprocessableEntity().json(invalid.report()),
    })
}

/// `FastAPI`'s answer to a body that it cannot even decode.
pub(crate) const UNREADABLE: Detail<'_> = Detail { detail: "There was an error parsing the body" };

/// Where a slash too many hides a route, the way there, as Starlette shows it; without the host, which
/// a header could say wrongly.
async fn nowhere(request: HttpRequest) -> HttpResponse {
    let path = request.match_info().as_str();
    let trimmed = path.trim_end_matches('/');
    if trimmed.len() < path.len() && ENDPOINTS.contains(&trimmed) {
        let query = request.query_string();
        let mark = if query.is_empty() { "" } else { "?" };
        return HttpResponse::TemporaryRedirect()
            .insert_header((header::LOCATION, format!("{trimmed}{mark}{query}")))
            .finish();
    }
    not_found().await
}

async fn not_found() -> HttpResponse {
    HttpResponse::NotFound().json(Detail { detail: "Not Found" })
}

fn method_not_allowed(allow: &'static str) -> Route {
    web::to(move || async move {
        HttpResponse::MethodNotAllowed()
            .insert_header((header::ALLOW, allow))
            .json(Detail { detail: "Method Not Allowed" })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::openapi;

    #[test]
    fn every_route_is_described_but_the_pages_and_only_they_are() {
        let pages =
            [page::PATH, page::ASSET, docs::OPENAPI, docs::DOCS, docs::DOCS_FILE, docs::REDOC];
        let mut routes: Vec<_> =
            routes().into_iter().map(|(path, method, _)| (path.to_owned(), method)).collect();
        routes.retain(|(path, _)| !pages.contains(&path.as_str()));
        routes.sort();
        let mut described = Vec::new();
        for (path, item) in openapi::paths() {
            for (method, operation) in [("GET", &item.get), ("POST", &item.post)] {
                described.extend(operation.iter().map(|_| (path.clone(), method)));
            }
        }
        described.sort();
        assert_eq!(routes, described);
    }

    #[test]
    fn every_route_has_its_own_label() {
        for (path, ..) in routes() {
            assert!(crate::metrics::ENDPOINTS.contains(&path), "{path}");
        }
    }
}
