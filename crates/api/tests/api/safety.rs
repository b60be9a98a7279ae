//! Keys, rates, limits, headers, TLS: what keeps the service safe from its callers.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use fraud_api::{Application, Config, SecurityArgs};
use reqwest::Client;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::helpers::{amount_model, config, example, model_directory};

/// `printf %s abc | sha256sum`.
const ABC: &str = "shop:sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

/// A server with flags of its own.
struct Guarded {
    port: u16,
    admin: Option<u16>,
    client: Client,
    _model: TempDir,
}

impl Guarded {
    async fn spawn(security: SecurityArgs) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let model = model_directory(&amount_model());
        let app = Application::build(Config { security, ..config(model.path()) }).await.unwrap();
        let (port, admin) = (app.port(), app.admin_port());
        actix_web::rt::spawn(app.run_until_stopped());
        Self { port, admin, client: Client::new(), _model: model }
    }

    async fn get(&self, port: u16, path: &str) -> reqwest::Response {
        self.client.get(format!("http://127.0.0.1:{port}{path}")).send().await.unwrap()
    }

    async fn predict(&self, header: (&str, &str)) -> reqwest::Response {
        let url = format!("http://127.0.0.1:{}/predict", self.port);
        let request = self.client.post(url).header(header.0, header.1);
        request.json(&Value::from(example())).send().await.unwrap()
    }

    /// Sends bytes on a connection of their own; what came back until it was closed.
    async fn raw(&self, bytes: Vec<u8>) -> String {
        let port = self.port;
        let answer = actix_web::rt::task::spawn_blocking(move || {
            let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
            // The server may close before it has read all.
            let _ = stream.write_all(&bytes);
            let mut answer = Vec::new();
            let mut buffer = [0; 4096];
            loop {
                match stream.read(&mut buffer) {
                    Ok(0) => break,
                    Ok(n) => answer.extend_from_slice(&buffer[..n]),
                    Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => break,
                    Err(error) => panic!("not closed: {error}"),
                }
            }
            String::from_utf8(answer).unwrap()
        });
        answer.await.unwrap()
    }
}

#[actix_web::test]
async fn with_keys_only_their_holders_and_probes_are_answered() {
    let keys = SecurityArgs { api_keys: Some(ABC.to_owned()), ..SecurityArgs::default() };
    let app = Guarded::spawn(keys.clone()).await;
    for header in [("authorization", "Bearer abc"), ("x-api-key", "abc")] {
        assert_eq!(app.predict(header).await.status(), 200, "{header:?}");
    }
    for header in [("authorization", "Bearer abd"), ("x-api-key", "shop"), ("accept", "*/*")] {
        let response = app.predict(header).await;
        assert_eq!(response.status(), 401, "{header:?}");
        assert_eq!(response.headers()["www-authenticate"], "Bearer");
        assert_eq!(response.headers()["content-type"], "application/json");
        assert!(response.headers().contains_key("x-request-id"));
    }
    for path in ["/health", "/health/live", "/health/ready", "/metrics", "/hea%6cth"] {
        assert_eq!(app.get(app.port, path).await.status(), 200, "{path}");
    }
    let url = format!("http://127.0.0.1:{}/openapi.json", app.port);
    let document = app.client.get(url).bearer_auth("abc").send().await.unwrap();
    let document: Value = document.json().await.unwrap();
    let scheme = json!({"type": "http", "scheme": "bearer"});
    assert_eq!(document["components"]["securitySchemes"]["key"], scheme);
    assert_eq!(document["security"], json!([{"key": []}]));
    for path in ["/model", "/health/", "/nope"] {
        assert_eq!(app.get(app.port, path).await.status(), 401, "{path}");
    }
    let metrics = app.get(app.port, "/metrics").await.text().await.unwrap();
    let refused = "http_requests_total{method=\"POST\",endpoint=\"/predict\",status=\"401\"} 3\n";
    assert!(metrics.contains(refused), "{metrics}");

    let app = Guarded::spawn(SecurityArgs { api_keys_everywhere: true, ..keys }).await;
    assert_eq!(app.get(app.port, "/health").await.status(), 401);
}

#[actix_web::test]
async fn too_many_requests_are_429_and_say_when_to_come_back() {
    let app = Guarded::spawn(SecurityArgs {
        rate_limit: Some(1.try_into().unwrap()),
        rate_burst: Some(2.try_into().unwrap()),
        trust_forwarded_for: true,
        ..SecurityArgs::default()
    })
    .await;
    let from = |address| ("x-forwarded-for", address);
    let mut statuses = Vec::new();
    for _ in 0..50 {
        let response = app.predict(from("1.2.3.4")).await;
        statuses.push(response.status().as_u16());
        if response.status() == 429 {
            assert_eq!(response.headers()["retry-after"], "1");
            let answer: Value = response.json().await.unwrap();
            let detail = json!({"detail": "Too many requests; the next is welcome in 1 s"});
            assert_eq!(answer, detail);
            break;
        }
    }
    assert_eq!((statuses[..2].to_vec(), statuses.last()), (vec![200, 200], Some(&429)));
    assert_eq!(app.predict(from("1.2.3.5")).await.status(), 200);
    for _ in 0..5 {
        assert_eq!(app.get(app.port, "/health").await.status(), 200);
    }
}

#[actix_web::test]
async fn metrics_move_to_the_admin_port_and_health_is_on_both() {
    let args = SecurityArgs { admin_port: Some(0), ..SecurityArgs::default() };
    let app = Guarded::spawn(args).await;
    let admin = app.admin.unwrap();
    for (port, path, status) in [
        (admin, "/metrics", 200),
        (admin, "/health/ready", 200),
        (admin, "/model", 404),
        (app.port, "/metrics", 404),
        (app.port, "/health", 200),
    ] {
        assert_eq!(app.get(port, path).await.status(), status, "{path}");
    }
    let document: Value = app.get(app.port, "/openapi.json").await.json().await.unwrap();
    assert!(document["paths"].get("/metrics").is_none());
    assert!(document["paths"].get("/health").is_some() && document.get("security").is_none());
}

#[actix_web::test]
async fn slow_heads_and_bodies_are_cut() {
    let app = Guarded::spawn(SecurityArgs {
        header_timeout: 1,
        body_timeout: 1.try_into().unwrap(),
        ..SecurityArgs::default()
    })
    .await;
    let answer = app.raw(b"POST /predict HTTP/1.1\r\nhost: te".to_vec()).await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    let head = b"POST /predict HTTP/1.1\r\nhost: test\r\ncontent-length: 700\r\n\r\n{";
    let answer = app.raw(head.to_vec()).await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(answer.ends_with("{\"detail\":\"The body was not there within 1 s\"}"), "{answer}");
}

/// What actix has no timer for: a second head, chunks that nobody reads any more, a slow batch, and
/// answers that nobody takes.
#[actix_web::test]
async fn whoever_keeps_a_connection_without_using_it_is_cut() {
    let app = Guarded::spawn(SecurityArgs {
        header_timeout: 1,
        body_timeout: 1.try_into().unwrap(),
        keep_alive: 1,
        ..SecurityArgs::default()
    })
    .await;
    let second_head = b"GET /health HTTP/1.1\r\nhost: t\r\n\r\nG".to_vec();
    let answer = app.raw(second_head).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let chunks = |path: &str| {
        format!("POST {path} HTTP/1.1\r\nhost: t\r\ntransfer-encoding: chunked\r\n\r\n1\r\n[\r\n")
    };
    for (path, status) in [("/nope", 404), ("/health", 405), ("/predict", 408)] {
        let answer = app.raw(chunks(path).into_bytes()).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{path}: {answer}");
    }
    // Its time is not limited, its pace is.
    let answer = app.raw(chunks("/predict/batch").into_bytes()).await;
    assert_eq!(answer, "");

    let port = app.port;
    let asked = actix_web::rt::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_write_timeout(Some(Duration::from_secs(20))).unwrap();
        // More than all buffers on the way hold; no answer is read.
        let request = b"GET /openapi.json HTTP/1.1\r\nhost: t\r\n\r\n".repeat(1_000);
        (0..1_000).find_map(|_| stream.write_all(&request).err())
    });
    let error = asked.await.unwrap().expect("it is cut");
    assert_ne!(error.kind(), std::io::ErrorKind::WouldBlock, "{error}");

    let metrics = app.get(app.port, "/metrics").await.text().await.unwrap();
    let cut = metrics.lines().find_map(|line| line.strip_prefix("http_slow_connections_total "));
    // The one whose body had a length was closed with its answer.
    assert!(cut.unwrap().parse::<u32>().unwrap() >= 5, "{cut:?}");
}

#[actix_web::test]
async fn a_browser_is_asked_for_the_key_as_a_password() {
    let keys = SecurityArgs { api_keys: Some(ABC.to_owned()), ..SecurityArgs::default() };
    let app = Guarded::spawn(keys).await;
    let url = format!("http://127.0.0.1:{}/", app.port);
    let page = || app.client.get(&url).header("accept", "text/html,*/*");
    let refused = page().send().await.unwrap();
    assert_eq!(refused.status(), 401);
    assert_eq!(refused.headers()["www-authenticate"], "Basic realm=\"fraud-api\"");
    assert_eq!(page().basic_auth("shop", Some("abd")).send().await.unwrap().status(), 401);
    assert_eq!(page().basic_auth("anyone", Some("abc")).send().await.unwrap().status(), 200);
}

#[actix_web::test]
async fn keys_are_not_tried_without_end() {
    let app = Guarded::spawn(SecurityArgs {
        api_keys: Some(ABC.to_owned()),
        rate_limit: Some(1.try_into().unwrap()),
        rate_burst: Some(3.try_into().unwrap()),
        ..SecurityArgs::default()
    })
    .await;
    let mut statuses = Vec::new();
    for _ in 0..50 {
        statuses.push(app.predict(("x-api-key", "wrong")).await.status().as_u16());
    }
    assert_eq!(statuses[0], 401);
    assert!(statuses.contains(&429), "{statuses:?}");
    assert_eq!(app.predict(("x-api-key", "abc")).await.status(), 200);
}

#[actix_web::test]
async fn hostile_requests_are_refused_and_the_next_is_answered() {
    let app = Guarded::spawn(SecurityArgs::default()).await;
    let both = b"POST /predict HTTP/1.1\r\nhost: t\r\ncontent-length: 5\r\n\
        transfer-encoding: chunked\r\n\r\n0\r\n\r\n";
    let two =
        b"POST /predict HTTP/1.1\r\nhost: t\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n";
    let huge_head =
        [b"GET /health HTTP/1.1\r\nhost: t\r\nx: ".to_vec(), b"a".repeat(1 << 20)].concat();
    let huge_body = b"POST /predict HTTP/1.1\r\nhost: t\r\ncontent-length: 100000000\r\n\r\n{";
    for (request, status) in [(both.to_vec(), 400), (two.to_vec(), 400), (huge_body.to_vec(), 413)]
    {
        let answer = app.raw(request).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{status}: {answer}");
    }
    // The rest of the head may meet a closed connection, and reset it before the answer is read.
    let answer = app.raw(huge_head).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431 "), "{answer}");
    assert_eq!(app.get(app.port, "/health").await.status(), 200);
}

#[actix_web::test]
async fn every_answer_has_the_headers_for_browsers() {
    let app = Guarded::spawn(SecurityArgs::default()).await;
    for path in ["/health", "/nope", "/predict", "/metrics"] {
        let response = app.get(app.port, path).await;
        assert_eq!(response.headers()["x-content-type-options"], "nosniff", "{path}");
        // JSON is not to be kept, anything else not to be shown in a frame.
        let is_json = path != "/metrics";
        assert_eq!(response.headers().contains_key("cache-control"), is_json);
        for (name, value) in [
            ("referrer-policy", "no-referrer"),
            ("x-frame-options", "DENY"),
            ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
        ] {
            let found = response.headers().get(name);
            assert_eq!(found.is_none(), is_json, "{path}");
            assert!(found.is_none_or(|found| found == value), "{path}");
        }
        assert!(!response.headers().contains_key("strict-transport-security"));
    }
}

#[actix_web::test]
async fn https_is_served_with_a_certificate() {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let [cert, key] = ["cert.pem", "key.pem"].map(|name| folder.path().join(name));
    std::fs::write(&cert, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let tls = SecurityArgs {
        tls_cert: Some(cert.clone()),
        tls_key: Some(key),
        ..SecurityArgs::default()
    };
    let app = Guarded::spawn(tls.clone()).await;
    let trusted = reqwest::Certificate::from_pem(made.cert.pem().as_bytes()).unwrap();
    let client = Client::builder().tls_certs_only([trusted]).build().unwrap();
    let url = format!("https://localhost:{}/health", app.port);
    let response = client.get(url).send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["strict-transport-security"], "max-age=31536000");

    let model = model_directory(&amount_model());
    let wrong = SecurityArgs { tls_key: Some(cert), ..tls };
    let refused = Application::build(Config { security: wrong, ..config(model.path()) }).await;
    let error = format!("{:#}", refused.err().unwrap());
    assert!(error.contains("--tls-key") && error.contains("holds no private key"), "{error}");
}
