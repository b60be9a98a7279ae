//! One route, one file; here what they share, and the answers where there is no route.

pub(crate) mod health;
pub(crate) mod metrics;
pub(crate) mod predict;

use actix_web::http::header;
use actix_web::{HttpResponse, Route, web};
use serde::Serialize;

/// Largest body that is read, in bytes. A transaction takes about 700.
pub(crate) const BODY_LIMIT: usize = 64 * 1024;

/// An error as `FastAPI` words it, where it is not about single fields.
#[derive(Debug, Serialize)]
pub(crate) struct Detail<'a> {
    pub(crate) detail: &'a str,
}

/// Adds every route to an application.
pub(crate) fn configure(config: &mut web::ServiceConfig) {
    config
        .service(
            web::resource(predict::PATH)
                .route(web::post().to(predict::predict))
                .default_service(method_not_allowed("POST")),
        )
        .service(
            web::resource(health::PATH)
                .route(web::get().to(health::health))
                .default_service(method_not_allowed("GET")),
        )
        .service(
            web::resource(metrics::PATH)
                .route(web::get().to(metrics::metrics))
                .default_service(method_not_allowed("GET")),
        )
        .default_service(web::to(not_found));
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
