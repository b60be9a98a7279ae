//! `POST /predict`: answers, refusals, limits.

use serde_json::{Value, json};

use crate::helpers::{TestApp, example, example_with};

async fn text(response: reqwest::Response) -> (u16, String) {
    (response.status().as_u16(), response.text().await.unwrap())
}

async fn json(response: reqwest::Response) -> (u16, Value) {
    (response.status().as_u16(), response.json().await.unwrap())
}

#[actix_web::test]
async fn the_answer_is_compact_json_in_the_order_of_the_python_service() {
    let app = TestApp::spawn().await;
    // Log-odds 0, 2, −200 and 200.
    for (amount, answer) in [
        (100, r#"{"fraud_probability":0.5,"fraud_prediction":1,"threshold_used":0.5}"#),
        (102, r#"{"fraud_probability":0.8808,"fraud_prediction":1,"threshold_used":0.5}"#),
        (0, r#"{"fraud_probability":0.0,"fraud_prediction":0,"threshold_used":0.5}"#),
        (300, r#"{"fraud_probability":1.0,"fraud_prediction":1,"threshold_used":0.5}"#),
    ] {
        let response = app.predict(&example_with("Amount", json!(amount))).await;
        assert_eq!(response.headers()["content-type"], "application/json");
        assert_eq!(text(response).await, (200, answer.to_owned()));
    }
}

#[actix_web::test]
async fn the_decision_is_made_before_rounding() {
    let app = TestApp::spawn().await;
    // 1 / (1 + e^0.0001) = 0.499975, which rounds to 0.5, the threshold.
    let answer = app.predict(&example_with("Amount", json!(99.9999))).await;
    let expected = r#"{"fraud_probability":0.5,"fraud_prediction":0,"threshold_used":0.5}"#;
    assert_eq!(text(answer).await, (200, expected.to_owned()));
}

#[actix_web::test]
async fn values_are_taken_as_pydantic_takes_them() {
    let app = TestApp::spawn().await;
    for amount in [json!(102), json!(102.0), json!("102"), json!(" 1.02e2\n"), json!("1_02")] {
        let (status, answer) = json(app.predict(&example_with("Amount", amount)).await).await;
        assert_eq!((status, &answer["fraud_probability"]), (200, &json!(0.8808)));
    }
    assert_eq!(app.predict(&example_with("V1", json!(true))).await.status(), 200);
    let extra = example_with("merchant", json!({"id": [1, "x"]}));
    assert_eq!(app.predict(&extra).await.status(), 200);
}

#[actix_web::test]
async fn every_bad_field_is_named() {
    let app = TestApp::spawn().await;
    let mut transaction = example();
    transaction.remove("V3");
    transaction.insert("Time".to_owned(), json!(-1));
    transaction.insert("V1".to_owned(), json!(null));
    transaction.insert("V28".to_owned(), json!("many"));
    transaction.insert("Amount".to_owned(), json!("inf"));
    let transaction = Value::from(transaction);
    let expected = json!({"detail": [
        {"type": "greater_than_equal", "loc": ["body", "Time"], "input": -1,
         "msg": "Input should be greater than or equal to 0", "ctx": {"ge": 0.0}},
        {"type": "float_type", "loc": ["body", "V1"], "input": null,
         "msg": "Input should be a valid number"},
        {"type": "missing", "loc": ["body", "V3"], "input": transaction, "msg": "Field required"},
        {"type": "float_parsing", "loc": ["body", "V28"], "input": "many",
         "msg": "Input should be a valid number, unable to parse string as a number"},
        {"type": "finite_number", "loc": ["body", "Amount"], "input": "inf",
         "msg": "Input should be a finite number"},
    ]});
    assert_eq!(json(app.predict(&transaction).await).await, (422, expected));
}

#[actix_web::test]
async fn numbers_beyond_f64_are_refused() {
    let app = TestApp::spawn().await;
    let body = Value::from(example()).to_string();
    for infinite in ["1e999", "-1e999", "Infinity", "NaN"] {
        let body = body.replace("\"Amount\":100", &format!("\"Amount\":{infinite}"));
        let expected = json!({"detail": [
            {"type": "finite_number", "loc": ["body", "Amount"], "input": null,
             "msg": "Input should be a finite number"}
        ]});
        let response = app.predict_raw(Some("application/json"), body).await;
        assert_eq!(json(response).await, (422, expected));
    }
}

#[actix_web::test]
async fn bodies_that_are_no_object_are_refused_as_fastapi_does() {
    let app = TestApp::spawn().await;
    let cases = [
        ("", json!({"type": "missing", "loc": ["body"], "msg": "Field required", "input": null})),
        (
            "[1,2]",
            json!({"type": "model_attributes_type", "loc": ["body"], "input": [1, 2],
                "msg": "Input should be a valid dictionary or object to extract fields from"}),
        ),
        (
            "{\"Time\":\"é\" x}",
            json!({"type": "json_invalid", "loc": ["body", 12], "msg": "JSON decode error",
                "input": {}, "ctx": {"error": "Expecting ',' delimiter"}}),
        ),
    ];
    for (body, error) in cases {
        let response = app.predict_raw(Some("application/json"), body).await;
        assert_eq!(json(response).await, (422, json!({"detail": [error]})), "{body}");
    }
}

#[actix_web::test]
async fn the_content_type_decides_how_the_body_is_read() {
    let app = TestApp::spawn().await;
    let body = Value::from(example()).to_string();
    for accepted in [None, Some("application/json; charset=utf-8"), Some("application/x+json")] {
        assert_eq!(app.predict_raw(accepted, body.clone()).await.status(), 200, "{accepted:?}");
    }
    let (status, report) = json(app.predict_raw(Some("text/plain"), body.clone()).await).await;
    assert_eq!(status, 422);
    assert_eq!(report["detail"][0]["type"], "model_attributes_type");
    assert_eq!(report["detail"][0]["input"], body);
}

#[actix_web::test]
async fn what_cannot_be_decoded_is_400() {
    let app = TestApp::spawn().await;
    let expected = json!({"detail": "There was an error parsing the body"});
    for body in [b"{\"a\":\"\xff\"}".to_vec(), b"[".repeat(60_000)] {
        let response = app.predict_raw(Some("application/json"), body).await;
        assert_eq!(json(response).await, (400, expected.clone()));
    }
}

#[actix_web::test]
async fn a_body_longer_than_the_limit_is_413() {
    let app = TestApp::spawn().await;
    let with_note = |size| example_with("note", "x".repeat(size).into()).to_string();
    let frame = with_note(0).len();
    let limit = 64 * 1024;

    let fits = with_note(limit - frame);
    assert_eq!(app.predict_raw(Some("application/json"), fits).await.status(), 200);

    let too_long = with_note(limit - frame + 1);
    let response = app.predict_raw(Some("application/json"), too_long).await;
    let expected = json!({"detail": "The body is longer than 65536 bytes"});
    assert_eq!(json(response).await, (413, expected));
}
