//! Paths and methods that lead nowhere.

use crate::helpers::TestApp;

#[actix_web::test]
async fn an_unknown_path_is_404() {
    let app = TestApp::spawn().await;
    for (method, path) in [
        ("GET", "/assets/nope.js"),
        ("GET", "/docs/index.html"),
        ("POST", "/nope"),
        ("GET", "//health"),
    ] {
        let response = app.send(method, path).await;
        assert_eq!(response.status(), 404, "{method} {path}");
        assert_eq!(response.headers()["content-type"], "application/json");
        assert_eq!(response.text().await.unwrap(), r#"{"detail":"Not Found"}"#);
    }
}

#[actix_web::test]
async fn another_method_is_405_and_says_which_is_allowed() {
    let app = TestApp::spawn().await;
    for (method, path, allow) in [
        ("GET", "/predict", "POST"),
        ("PUT", "/predict", "POST"),
        ("OPTIONS", "/predict", "POST"),
        ("POST", "/health", "GET"),
        ("BREW", "/health", "GET"),
        ("DELETE", "/metrics", "GET"),
    ] {
        let response = app.send(method, path).await;
        assert_eq!(response.status(), 405, "{method} {path}");
        assert_eq!(response.headers()["allow"], allow);
        assert_eq!(response.headers()["content-type"], "application/json");
        assert_eq!(response.text().await.unwrap(), r#"{"detail":"Method Not Allowed"}"#);
    }
}

#[actix_web::test]
async fn head_is_405_without_a_body_as_in_fastapi() {
    let app = TestApp::spawn().await;
    let response = app.send("HEAD", "/health").await;
    assert_eq!((response.status().as_u16(), &response.headers()["allow"] == "GET"), (405, true));
    assert_eq!(response.text().await.unwrap(), "");
}

#[actix_web::test]
async fn a_query_and_percent_encoding_change_nothing() {
    let app = TestApp::spawn().await;
    for path in ["/health?verbose=1", "/hea%6cth"] {
        assert_eq!(app.send("GET", path).await.status(), 200, "{path}");
    }
}
