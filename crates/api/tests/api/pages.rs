//! The pages for people and the `OpenAPI` document.

use std::collections::BTreeSet;
use std::path::Path;

use fraud_core::{FEATURES, LogisticModel, ModelArtifact, N_FEATURES};
use serde_json::Value;

use crate::helpers::{TestApp, amount_model};

const PAGES: [&str; 3] = ["/", "/docs", "/redoc"];

async fn text(app: &TestApp, path: &str) -> String {
    let response = app.send("GET", path).await;
    assert_eq!(response.status(), 200, "{path}");
    response.text().await.unwrap()
}

async fn document(app: &TestApp) -> Value {
    serde_json::from_str(&text(app, "/openapi.json").await).unwrap()
}

/// The model that ships with the project: it has measures.
fn production() -> ModelArtifact {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/production");
    ModelArtifact::load(&folder).unwrap()
}

/// Every value of an attribute in a page.
fn attributes<'a>(page: &'a str, name: &str) -> Vec<&'a str> {
    let start = format!(" {name}=\"");
    page.split(start.as_str()).skip(1).filter_map(|rest| rest.split('"').next()).collect()
}

#[actix_web::test]
async fn pages_are_html_that_takes_nothing_from_elsewhere() {
    let app = TestApp::spawn().await;
    for page in PAGES {
        let response = app.send("GET", page).await;
        assert_eq!(response.status(), 200, "{page}");
        assert_eq!(response.headers()["content-type"], "text/html; charset=utf-8");
        let policy = response.headers()["content-security-policy"].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none';"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
        let html = response.text().await.unwrap();
        for elsewhere in ["http://", "https://", "=\"//", "<style", " style=", " onclick="] {
            assert!(!html.contains(elsewhere), "{elsewhere} in {page}");
        }
    }
    for script in ["/assets/page.js", "/assets/figures.js", "/assets/docs.js", "/assets/page.css"] {
        let script = text(&app, script).await;
        assert!(!script.contains("http://") && !script.contains("https://"), "{script}");
    }
}

#[actix_web::test]
async fn every_link_of_a_page_leads_somewhere() {
    let app = TestApp::spawn().await;
    for page in PAGES {
        let html = text(&app, page).await;
        let links = [attributes(&html, "href"), attributes(&html, "src")].concat();
        assert!(links.len() >= 4, "{links:?}");
        for link in links {
            if let Some(id) = link.strip_prefix('#') {
                assert!(html.contains(&format!(" id=\"{id}\"")), "#{id} is not in {page}");
            } else {
                let path = format!("/{}", link.trim_start_matches("./"));
                assert_eq!(app.send("GET", &path).await.status(), 200, "{link} of {page}");
            }
        }
    }
}

#[actix_web::test]
async fn files_come_with_their_type_and_unknown_ones_not_at_all() {
    let app = TestApp::spawn().await;
    for (path, kind) in [
        ("/assets/page.css", "text/css; charset=utf-8"),
        ("/assets/page.js", "text/javascript; charset=utf-8"),
        ("/assets/icon.svg", "image/svg+xml"),
        ("/docs/swagger-ui.css", "text/css"),
        ("/docs/swagger-ui-bundle.js", "text/javascript"),
    ] {
        let response = app.send("GET", path).await;
        assert_eq!(response.status(), 200, "{path}");
        assert_eq!(response.headers()["content-type"], kind);
    }
    for path in ["/assets/other.js", "/assets/..%2fpage.js", "/docs/index.html"] {
        assert_eq!(app.send("GET", path).await.status(), 404, "{path}");
    }
    let samples = app.samples().await;
    let sample = "http_requests_total{method=\"GET\",endpoint=\"/assets/{file}\",status=\"200\"} 3";
    assert!(samples.iter().any(|line| line == sample), "{samples:?}");
}

#[actix_web::test]
async fn the_form_has_a_labelled_field_for_each_feature_and_real_examples() {
    let app = TestApp::serving(&production()).await;
    let html = text(&app, "/").await;
    for name in FEATURES {
        assert!(html.contains(&format!("<label for=\"field-{name}\">")), "{name}");
        assert!(html.contains(&format!("<input id=\"field-{name}\" name=\"{name}\"")), "{name}");
    }
    let mut decisions = Vec::new();
    for example in attributes(&html, "data-transaction") {
        let example = example.replace("&#34;", "\"");
        let response = app.predict(&serde_json::from_str(&example).unwrap()).await;
        assert_eq!(response.status(), 200, "{example}");
        let answer: Value = response.json().await.unwrap();
        decisions.push(answer["fraud_prediction"].as_u64().unwrap());
    }
    assert_eq!(decisions, [0, 0, 1]);
}

#[actix_web::test]
async fn the_page_shows_the_model_card_and_warns_of_a_synthetic_one() {
    let mut artifact = production();
    artifact.provenance.synthetic_rows = 0;
    artifact.provenance.created_at = "2026-11-24T03:07:19Z".to_owned();
    let html = text(&TestApp::serving(&artifact).await, "/").await;
    for shown in ["29,564", "2026-11-24 03:07 UTC", "0.895", "0.966"] {
        assert!(html.contains(shown), "{shown}");
    }
    assert!(!html.contains("id=\"synthetic\""));
    artifact.provenance.synthetic_rows = 1;
    let html = text(&TestApp::serving(&artifact).await, "/").await;
    assert!(html.contains("id=\"synthetic\""));
}

#[actix_web::test]
async fn what_the_model_says_of_itself_is_escaped() {
    let mut artifact = amount_model();
    artifact.provenance.created_at = "<script>\"&".to_owned();
    let html = text(&TestApp::serving(&artifact).await, "/").await;
    assert!(!html.contains("<script>\"&"));
}

#[actix_web::test]
async fn the_document_is_openapi_3_1_with_a_tag_to_cache_it_by() {
    let app = TestApp::spawn().await;
    let response = app.send("GET", "/openapi.json").await;
    assert_eq!(response.headers()["content-type"], "application/json");
    let tag = response.headers()["etag"].clone();
    let document: Value = response.json().await.unwrap();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1."));
    assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));

    let known = app.request("GET", "/openapi.json").header("if-none-match", tag);
    let response = known.send().await.unwrap();
    assert_eq!(response.status(), 304);
    assert_eq!(response.text().await.unwrap(), "");
    let other = app.request("GET", "/openapi.json").header("if-none-match", "\"other\"");
    assert_eq!(other.send().await.unwrap().status(), 200);
}

#[actix_web::test]
async fn every_path_of_the_document_is_one_of_the_server() {
    let app = TestApp::spawn().await;
    let document = document(&app).await;
    let paths = document["paths"].as_object().unwrap();
    assert!(paths.len() >= 7, "{:?}", paths.keys());
    for (path, item) in paths {
        let methods: Vec<String> =
            item.as_object().unwrap().keys().map(|method| method.to_uppercase()).collect();
        let response = app.send("BREW", path).await;
        assert_eq!(response.status(), 405, "{path}");
        assert_eq!(response.headers()["allow"], methods.join(", ").as_str(), "{path}");
    }
}

#[actix_web::test]
async fn every_reference_in_the_document_has_its_target() {
    fn walk<'a>(value: &'a Value, found: &mut BTreeSet<&'a str>) {
        match value {
            Value::Object(fields) => {
                found.extend(fields.get("$ref").and_then(Value::as_str));
                fields.values().for_each(|value| walk(value, found));
            }
            Value::Array(items) => items.iter().for_each(|value| walk(value, found)),
            _ => {}
        }
    }
    let document = document(&TestApp::spawn().await).await;
    let mut references = BTreeSet::new();
    walk(&document, &mut references);
    assert!(references.len() >= 5, "{references:?}");
    for reference in references {
        assert!(document.pointer(&reference[1..]).is_some(), "{reference}");
    }
}

#[actix_web::test]
async fn examples_of_the_document_are_what_the_server_answers() {
    let app = TestApp::serving(&production()).await;
    let document = document(&app).await;
    for path in ["/predict", "/explain"] {
        let operation = &document["paths"][path]["post"];
        let content = |part: &Value| part["content"]["application/json"]["examples"].clone();
        let bodies = content(&operation["requestBody"]);
        let answers = content(&operation["responses"]["200"]);
        assert_eq!(bodies.as_object().unwrap().len(), 3);
        for (name, example) in bodies.as_object().unwrap() {
            let request = app.request("POST", path).json(&example["value"]);
            let answer: Value = request.send().await.unwrap().json().await.unwrap();
            assert_eq!(answer, answers[name]["value"], "{name}");
        }
    }
    let described = &document["paths"]["/model"]["get"]["responses"]["200"]["content"];
    let mut card: Value = app.send("GET", "/model").await.json().await.unwrap();
    assert_eq!(card, described["application/json"]["example"]);

    let schema = &document["components"]["schemas"]["ModelCard"]["properties"]["measures"];
    let names = |value: &Value| -> BTreeSet<String> {
        value.as_object().unwrap().keys().cloned().collect()
    };
    assert_eq!(names(&card["measures"]), names(&schema["properties"]));
    let at = &schema["properties"]["at_threshold"]["additionalProperties"]["properties"];
    assert_eq!(names(&card["measures"]["at_threshold"]["0.9"].take()), names(at));
}

#[actix_web::test]
async fn every_answer_that_is_described_names_its_headers() {
    let document = document(&TestApp::spawn().await).await;
    for item in document["paths"].as_object().unwrap().values() {
        for operation in item.as_object().unwrap().values() {
            for (status, response) in operation["responses"].as_object().unwrap() {
                for header in ["X-Request-Id", "X-Model-Version"] {
                    assert!(response["headers"][header].is_object(), "{status} {header}");
                }
            }
        }
    }
    let refused = document["paths"]["/predict"]["post"]["responses"].as_object().unwrap();
    let statuses: Vec<&str> = refused.keys().map(String::as_str).collect();
    assert_eq!(statuses, ["200", "400", "401", "405", "408", "413", "422", "429", "500"]);
}

#[actix_web::test]
async fn an_explanation_of_huge_values_is_still_numbers() {
    let mut artifact = production();
    // 1e308 times a weight of 9 / 1.5 is beyond f64.
    let scaler = artifact.model.scaler().clone();
    artifact.model = LogisticModel::new(scaler, [9.0; N_FEATURES], -3.0).unwrap();
    artifact.provenance.examples.clear();
    let app = TestApp::serving(&artifact).await;
    let transaction: serde_json::Map<String, Value> =
        FEATURES.iter().map(|name| ((*name).to_owned(), 1e308.into())).collect();
    let response = app.request("POST", "/explain").json(&transaction).send().await.unwrap();
    assert_eq!(response.status(), 200);
    let answer: Value = response.json().await.unwrap();
    assert!(answer["log_odds"].is_f64(), "{answer}");
    for contribution in answer["contributions"].as_array().unwrap() {
        assert!(contribution["log_odds"].is_f64(), "{contribution}");
    }
}
