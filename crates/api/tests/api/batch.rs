//! `POST /predict/batch`: three formats, results in the caller's order, limits.

use fraud_api::Config;
use fraud_api::config::BatchArgs;
use fraud_core::FEATURES;
use serde_json::{Value, json};

use crate::helpers::{TestApp, amount_model, config, example_with, model_directory};

const KINDS: [&str; 3] = ["application/json", "application/x-ndjson", "text/csv"];

/// The same rows in each format; the amounts decide.
fn body(kind: &str, amounts: &[&str]) -> String {
    let objects = amounts.iter().map(|amount| example_with("Amount", json!(amount)).to_string());
    let objects: Vec<String> = objects.collect();
    match kind {
        "application/json" => format!("[{}]", objects.join(",")),
        "application/x-ndjson" => objects.join("\n"),
        _ => {
            let mut text = FEATURES.join(",") + "\n";
            for amount in amounts {
                let fields = FEATURES.map(|name| if name == "Amount" { *amount } else { "0" });
                text += &(fields.join(",") + "\n");
            }
            text
        }
    }
}

/// The results of an answer in any format, as JSON.
fn results(kind: &str, text: &str) -> Vec<Value> {
    let parsed = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    match kind {
        "application/json" => parsed(text).as_array().unwrap().clone(),
        "application/x-ndjson" => text.lines().map(parsed).collect(),
        _ => {
            let mut lines = text.lines();
            let header = "fraud_probability,fraud_prediction,threshold_used,error";
            assert_eq!(lines.next(), Some(header));
            let row = |line: &str| {
                if let Some(report) = line.strip_prefix(",,,\"") {
                    return parsed(&report.strip_suffix('"').unwrap().replace("\"\"", "\""));
                }
                let fields: Vec<Value> = line.split(',').take(3).map(parsed).collect();
                json!({
                    "fraud_probability": fields[0],
                    "fraud_prediction": fields[1],
                    "threshold_used": fields[2],
                })
            };
            lines.map(row).collect()
        }
    }
}

async fn post(app: &TestApp, kind: &str, body: String) -> (u16, String) {
    let request = app.request("POST", "/predict/batch").header("content-type", kind);
    let response = request.body(body).send().await.unwrap();
    if response.status() == 200 {
        assert!(response.headers()["content-type"].to_str().unwrap().starts_with(kind));
        assert!(response.headers().contains_key("x-model-version"));
    }
    (response.status().as_u16(), response.text().await.unwrap())
}

#[actix_web::test]
async fn each_row_is_answered_as_alone_and_in_its_place() {
    let app = TestApp::spawn().await;
    for kind in KINDS {
        let amounts = ["100", "102", "wrong", "0", "-1", "300"];
        let (status, text) = post(&app, kind, body(kind, &amounts)).await;
        assert_eq!(status, 200, "{text}");
        let results = results(kind, &text);
        assert_eq!(results.len(), amounts.len(), "{text}");
        for (amount, result) in amounts.iter().zip(&results) {
            let alone = app.predict(&example_with("Amount", json!(amount))).await;
            let is_scored = alone.status() == 200;
            let alone: Value = alone.json().await.unwrap();
            if is_scored {
                assert_eq!(*result, alone, "{kind} {amount}");
            } else {
                let problem = |value: &Value| {
                    let problem = &value["detail"][0];
                    (problem["type"].clone(), problem["loc"].clone())
                };
                assert_eq!(problem(result), problem(&alone), "{kind} {amount}: {result}");
            }
        }
        let (status, text) = post(&app, kind, body(kind, &[])).await;
        assert_eq!((status, results_len(kind, &text)), (200, 0), "{text}");
    }
    let samples = app.samples().await;
    // Three formats and once alone for each of them, four rows scored of six.
    let count = |class: u8| {
        let name = format!("fraud_predictions_total{{prediction=\"{class}\"}} ");
        let line = samples.iter().find_map(|line| line.strip_prefix(&name)).unwrap();
        line.parse::<u32>().unwrap()
    };
    assert_eq!(count(0) + count(1), 3 * 2 * 4);
}

fn results_len(kind: &str, text: &str) -> usize {
    results(kind, text).len()
}

#[actix_web::test]
async fn a_hundred_thousand_rows_come_back() {
    let app = TestApp::spawn().await;
    let row = example_with("Amount", json!(102)).to_string();
    let body = vec![row; 100_000].join("\n");
    let (status, text) = post(&app, "application/x-ndjson", body.clone()).await;
    assert_eq!(status, 200);
    let answer = r#"{"fraud_probability":0.8808,"fraud_prediction":1,"threshold_used":0.5}"#;
    assert_eq!(text.lines().filter(|line| *line == answer).count(), 100_000);

    let (status, text) = post(&app, "application/x-ndjson", body + "\n{}").await;
    assert_eq!(status, 413);
    assert!(text.contains("more than 100000 rows") && text.contains("--batch-rows"), "{text}");
}

#[actix_web::test]
async fn what_is_no_batch_is_refused_as_a_whole() {
    let directory = model_directory(&amount_model());
    let batch = BatchArgs { batch_rows: 3, batch_mebibytes: 1, ..BatchArgs::default() };
    let app = TestApp::with(Config { batch, ..config(directory.path()) }).await;
    let good = example_with("Amount", json!(1)).to_string();
    for (kind, body, status, says) in [
        ("application/json", good.clone(), 400, "expected an array"),
        ("application/json", format!("[{good}"), 400, "does not end"),
        ("text/csv", "a,b\n".to_owned(), 400, "the header lacks Time"),
        ("text/plain", good.clone(), 415, "application/x-ndjson"),
        ("application/json", format!("[{}]", [&*good; 4].join(",")), 413, "more than 3 rows"),
        ("application/json", format!("[{}", " ".repeat(2 << 20)), 413, "longer than 1 MiB"),
    ] {
        let (found, text) = post(&app, kind, body).await;
        assert_eq!(found, status, "{text}");
        let detail: Value = serde_json::from_str(&text).unwrap();
        assert!(detail["detail"].as_str().unwrap().contains(says), "{text}");
    }
    let (status, _) = post(&app, "application/json", format!("[{}]", [&*good; 3].join(","))).await;
    assert_eq!(status, 200);
}

#[actix_web::test]
async fn more_batches_than_the_machine_is_to_take_wait_for_their_turn() {
    let directory = model_directory(&amount_model());
    let batch = BatchArgs { batches: 1, ..BatchArgs::default() };
    let app = TestApp::with(Config { batch, ..config(directory.path()) }).await;
    let url = app.address.trim_start_matches("http://").to_owned();
    // One is under way as long as its body has not ended.
    let mut slow = std::net::TcpStream::connect(url).unwrap();
    let head = "POST /predict/batch HTTP/1.1\r\nhost: t\r\ncontent-length: 1000\r\n\r\n[";
    std::io::Write::write_all(&mut slow, head.as_bytes()).unwrap();
    let good = format!("[{}]", example_with("Amount", json!(1)));
    let mut statuses = Vec::new();
    while statuses.len() < 200 && !statuses.contains(&503) {
        let response =
            app.request("POST", "/predict/batch").body(good.clone()).send().await.unwrap();
        statuses.push(response.status().as_u16());
        if response.status() == 503 {
            assert_eq!(response.headers()["retry-after"], "1");
        }
    }
    assert_eq!(statuses.last(), Some(&503), "{statuses:?}");
    drop(slow);
    for _ in 0..200 {
        let response =
            app.request("POST", "/predict/batch").body(good.clone()).send().await.unwrap();
        if response.status() == 200 {
            return;
        }
        actix_web::rt::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("the place is not free again");
}
