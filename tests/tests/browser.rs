//! The pages in a real browser, on a desk and on a phone, in light and in dark.

use std::path::Path;

use fraud_core::FEATURES;
use fraud_tests::browser::{Browser, axe};
use fraud_tests::{Api, root};
use serde_json::{Value, json};

const PAGES: [&str; 3] = ["/", "/docs", "/redoc"];

fn service() -> Api {
    Api::start(&root().join("models/production"))
}

fn open(browser: &Browser, api: &Api, page: &str) {
    browser.open(&format!("{}{page}", api.url()));
    match page {
        "/docs" => browser.wait("document.querySelectorAll('.opblock').length > 7"),
        // The first figures are there.
        "/" => browser.wait("document.getElementById('figure-requests').textContent !== '–'"),
        _ => {}
    }
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

#[test]
fn each_example_is_scored_and_explained() {
    let Some(browser) = Browser::start() else { return };
    let api = service();
    open(&browser, &api, "/");
    let examples = browser.evaluate("[...document.querySelectorAll('.example')].map((b) => b.id)");
    let examples: Vec<&str> =
        examples.as_array().unwrap().iter().map(|id| id.as_str().unwrap()).collect();
    assert!(examples.len() >= 2, "{examples:?}");
    assert_eq!(browser.evaluate("document.getElementById('answer').hidden"), true);
    let mut decisions = Vec::new();
    for example in examples {
        browser.click(&format!("#{example}"));
        let fields =
            "[...document.querySelectorAll('#fields input')].map((f) => [f.name, Number(f.value)])";
        let fields = browser.evaluate(&format!("Object.fromEntries({fields})"));
        assert_eq!(fields.as_object().unwrap().len(), FEATURES.len(), "{example}");
        browser.script("document.getElementById('probability').textContent = ''", &json!([]));
        browser.click("#score");
        browser.wait("document.getElementById('probability').textContent !== ''");
        let expected: Value = serde_json::from_str(&api.predict(&fields.to_string())).unwrap();
        assert_eq!(browser.evaluate("document.getElementById('answer').hidden"), false);
        // A screen reader goes on where the answer begins.
        assert_eq!(browser.evaluate("document.activeElement.id"), "answer-title");
        let shown = browser.text("#probability");
        let share: f64 =
            shown.trim_matches(|c: char| !c.is_ascii_digit() && c != '.').parse().unwrap();
        // The page shows two digits of per cent, the service rounds to four of the probability.
        let difference = share / 100.0 - number(&expected["fraud_probability"]);
        assert!(difference.abs() <= 1.01e-4, "{example}: {shown} for {expected}");
        let decision = browser.text("#decision");
        let called =
            if expected["fraud_prediction"] == 1 { "Called fraud" } else { "Called legitimate" };
        assert!(decision.starts_with(called), "{example}: {decision} for {expected}");
        decisions.push(called);
        let count =
            |css: &str| browser.evaluate(&format!("document.querySelectorAll('{css}').length"));
        assert_eq!(count("#chart .bar"), 10, "{example}");
        browser.click("#show-all");
        assert_eq!(
            (count("#chart .bar"), count("#contributions tbody tr")),
            (30.into(), 30.into())
        );
        browser.click("#show-all");
        // The longest bar is the largest contribution, and has half of the track.
        let widths =
            "[...document.querySelectorAll('#chart .fill')].map((f) => parseFloat(f.style.width))";
        assert_eq!(number(&browser.evaluate(&format!("Math.max(...{widths})"))), 50.0);
    }
    assert!(decisions.contains(&"Called fraud") && decisions.contains(&"Called legitimate"));
    assert_eq!(browser.console(), Vec::<String>::new());
}

#[test]
fn a_bad_value_is_named_beside_its_field_and_has_the_focus() {
    let Some(browser) = Browser::start() else { return };
    let api = service();
    open(&browser, &api, "/");
    browser.click(".example");
    browser.fill("#field-V3", "many");
    browser.fill("#field-Amount", "-5");
    browser.click("#score");
    browser.wait("document.getElementById('error-V3').textContent !== ''");
    assert_eq!(
        browser.text("#error-V3"),
        "Input should be a valid number, unable to parse string as a number"
    );
    assert_eq!(browser.text("#error-Amount"), "Input should be greater than or equal to 0");
    assert_eq!(browser.text("#problem"), "2 fields are not right.");
    let wrong = "[...document.querySelectorAll('[aria-invalid=true]')].map((f) => f.name)";
    assert_eq!(browser.evaluate(wrong), json!(["Amount", "V3"]));
    // Amount comes first on the page.
    assert_eq!(browser.evaluate("document.activeElement.id"), "field-Amount");
    assert_eq!(browser.evaluate("document.getElementById('answer').hidden"), true);
    browser.picture("index-errors");
    // A field that is empty is missing.
    browser.fill("#field-Amount", "5");
    browser.fill("#field-V3", "1");
    browser.script("document.getElementById('field-V28').value = ''", &json!([]));
    browser.click("#score");
    browser.wait("document.getElementById('error-V28').textContent !== ''");
    assert_eq!(browser.text("#error-V28"), "Field required");
    assert_eq!(browser.evaluate(wrong), json!(["V28"]));
    browser.fill("#field-V28", "0");
    browser.click("#score");
    browser.wait("!document.getElementById('answer').hidden");
    assert_eq!(browser.evaluate(wrong), json!([]));
    assert_eq!(browser.text("#problem"), "");
    // The browser itself logs an answer of 422 as a resource that did not load.
    let mut console = browser.console();
    console.retain(|line| !(line.contains("/explain") && line.contains("status of 422")));
    assert_eq!(console, Vec::<String>::new());
}

#[test]
fn the_figures_are_those_of_the_service() {
    let Some(browser) = Browser::start() else { return };
    let api = service();
    open(&browser, &api, "/");
    let example = browser.evaluate("document.querySelector('.example').dataset.transaction");
    for _ in 0..25 {
        let _ = api.predict(example.as_str().unwrap());
    }
    let figure = |name: &str| {
        let text = browser.text(&format!("#figure-{name}"));
        text.replace(',', "").parse().unwrap_or(-1.0)
    };
    // They are read again every 2 seconds.
    let sum = "Number(document.getElementById('figure-legitimate').textContent) + Number(document.getElementById('figure-fraud').textContent)";
    browser.wait(&format!("{sum} === 25"));
    assert!(figure("requests") > 25.0, "{}", browser.text("#figures"));
    for quantile in ["#figure-p50", "#figure-p99"] {
        assert!(browser.text(quantile).ends_with('s'), "{}", browser.text("#figures"));
    }
    assert_eq!(browser.text("#figures-state"), "Refreshed every 2 seconds.");
    assert_eq!(api.stop(), 0);
    browser
        .wait("document.getElementById('figures-state').textContent.startsWith('Not refreshed')");
}

#[test]
fn a_transaction_can_be_tried_in_swagger_ui() {
    let Some(browser) = Browser::start() else { return };
    let api = service();
    open(&browser, &api, "/docs");
    let document: Value = serde_json::from_str(&api.get("/openapi.json")).unwrap();
    let described: usize = document["paths"]
        .as_object()
        .unwrap()
        .values()
        .map(|path| path.as_object().unwrap().len())
        .sum();
    assert_eq!(browser.evaluate("document.querySelectorAll('.opblock').length"), described);
    browser.click("#operations-Scoring-predict .opblock-summary-control");
    browser.wait("document.querySelector('#operations-Scoring-predict .execute')");
    browser.click("#operations-Scoring-predict .execute");
    let response = "#operations-Scoring-predict .live-responses-table .response";
    browser.wait(&format!("document.querySelector('{response}')"));
    assert_eq!(browser.text(&format!("{response} .response-col_status")), "200");
    let body = browser.text(&format!("{response} .response-col_description .highlight-code"));
    assert!(body.contains("\"fraud_probability\""), "{body}");
    assert_eq!(browser.console(), Vec::<String>::new());
}

#[test]
fn no_page_has_anything_to_complain_of() {
    let Some(browser) = Browser::start() else { return };
    let api = service();
    for page in PAGES {
        open(&browser, &api, page);
        assert_eq!(browser.console(), Vec::<String>::new(), "{page}");
    }
    // And a page that does is seen.
    browser.script("console.warn('seen')", &json!([]));
    browser.script("fetch('http://127.0.0.1:1/').catch(() => 0)", &json!([]));
    let said = browser.console().join("\n");
    assert!(said.contains("seen") && said.contains("Content Security Policy"), "{said}");
}

#[test]
fn axe_finds_no_serious_problem_and_nothing_is_wider_than_the_screen() {
    let (Some(browser), Some(axe)) = (Browser::start(), axe()) else { return };
    let api = service();
    let mut problems = Vec::new();
    for page in PAGES {
        for colours in ["light", "dark"] {
            for (screen, width, height) in [("desk", 1280, 900), ("phone", 360, 740)] {
                browser.prefer(colours);
                browser.screen(width, height);
                open(&browser, &api, page);
                prepare(&browser, page);
                let name = if page == "/" {
                    "index"
                } else {
                    Path::new(page).file_name().unwrap().to_str().unwrap()
                };
                let name = format!("{name}-{colours}-{screen}");
                browser.picture(&name);
                let too_wide = browser.script(TOO_WIDE, &json!([width]));
                if too_wide != json!([]) {
                    problems.push(format!("{name}: wider than {width}: {too_wide}"));
                }
                problems
                    .extend(serious(&browser, &axe).iter().map(|found| format!("{name}: {found}")));
            }
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// The first elements that end right of `arguments[0]`, if the page can be scrolled there.
const TOO_WIDE: &str = "
    const [width] = arguments;
    if (document.documentElement.scrollWidth <= width) return [];
    return [...document.querySelectorAll('body *')]
        .map((e) => [e, Math.round(e.getBoundingClientRect().right)])
        .filter(([, right]) => right > width)
        .map(([e, right]) => `${e.tagName}.${e.className} to ${right}`).slice(0, 9);
";

/// Brings a page into the state in which it shows most.
fn prepare(browser: &Browser, page: &str) {
    match page {
        "/" => {
            browser.click(".example:last-of-type");
            browser.click("#score");
            browser.wait("!document.getElementById('answer').hidden");
            browser.script("document.getElementById('table').open = true", &json!([]));
            browser.script("scrollTo(0, 0)", &json!([]));
        }
        "/docs" => {
            browser.click("#operations-Scoring-predict .opblock-summary-control");
            browser.wait("document.querySelector('#operations-Scoring-predict .execute')");
            browser.click("#operations-Scoring-predict .execute");
            browser.wait("document.querySelector('#operations-Scoring-predict .live-responses-table .response')");
        }
        _ => {
            browser.script(
                "document.querySelectorAll('details').forEach((d) => { d.open = true; })",
                &json!([]),
            );
        }
    }
}

/// What axe-core calls serious or critical. No rule is left out.
fn serious(browser: &Browser, axe: &str) -> Vec<String> {
    browser.script(axe, &json!([]));
    let found = browser.evaluate(
        "axe.run(document, {preload: false, resultTypes: ['violations']}).then((results) => \
         results.violations.map(({id, impact, nodes}) => \
         ({id, impact, nodes: nodes.map((n) => `${n.target}: ${[...n.any, ...n.all, ...n.none][0]?.message}`)})))",
    );
    let found = found.as_array().expect("a list").iter();
    found
        .filter(|violation| matches!(violation["impact"].as_str(), Some("serious" | "critical")))
        .map(|violation| format!("{}: {}", violation["id"], violation["nodes"]))
        .collect()
}
