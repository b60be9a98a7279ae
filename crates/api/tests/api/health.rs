//! `GET /health`.

use crate::helpers::TestApp;

#[actix_web::test]
async fn answers_ok() {
    let app = TestApp::spawn().await;
    let response = app.send("GET", "/health").await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "application/json");
    assert_eq!(response.text().await.unwrap(), r#"{"status":"ok"}"#);
}
