//! What the HTTP server alone can do: reads the body and answers a constant. The benchmark measures the
//! service against it.
//!
//! `cargo run --release -p fraud-api --example constant -- PORT`

use actix_web::{App, HttpResponse, HttpServer, web};

async fn constant(_body: web::Bytes) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("application/json")
        .body(r#"{"fraud_probability":0.0297,"fraud_prediction":0,"threshold_used":0.9}"#)
}

#[actix_web::main]
async fn main() -> std::io::Result<()> {
    let port = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(8001);
    let app = || App::new().route("/predict", web::post().to(constant));
    HttpServer::new(app).bind(("127.0.0.1", port))?.run().await
}
