//! `GET /`: the page for people, and the files that the pages ask for.

use actix_web::http::header;
use actix_web::{HttpResponse, web};
use askama::Template;

use crate::examples::{self, Example};
use crate::routes::not_found;
use crate::state::{Served, State};

pub(crate) const PATH: &str = "/";
pub(crate) const ASSET: &str = "/assets/{file}";

pub(crate) const HTML: &str = "text/html; charset=utf-8";
/// How long a browser keeps a file that belongs to this version of the service.
pub(crate) const ONE_HOUR: &str = "max-age=3600";
/// The pages take scripts, styles and figures from here alone. (`data:` is what Swagger UI's style
/// draws its arrows with.)
pub(crate) const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
     img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'self'; \
     frame-ancestors 'none'";

/// Name, content type, text.
const ASSETS: [(&str, &str, &str); 6] = [
    ("page.css", "text/css; charset=utf-8", include_str!("../../templates/page.css")),
    ("page.js", "text/javascript; charset=utf-8", include_str!("../../templates/page.js")),
    ("figures.js", "text/javascript; charset=utf-8", include_str!("../../templates/figures.js")),
    ("docs.css", "text/css; charset=utf-8", include_str!("../../templates/docs.css")),
    ("docs.js", "text/javascript; charset=utf-8", include_str!("../../templates/docs.js")),
    ("icon.svg", "image/svg+xml", include_str!("../../templates/icon.svg")),
];

#[derive(Template)]
#[template(path = "index.html")]
struct Index<'a> {
    /// Rows of the model card: what, value, the value in full where it is shortened.
    facts: Vec<(&'static str, String, &'a str)>,
    /// Names of the fields; the first two are shown first.
    fields: Vec<&'static str>,
    examples: Vec<Example>,
    synthetic: bool,
}

impl<'a> Index<'a> {
    fn of(served: &'a Served) -> Self {
        let artifact = &served.model.artifact;
        let provenance = &artifact.provenance;
        let mut fields = vec!["Time", "Amount"];
        fields.extend(fraud_core::FEATURES.iter().filter(|name| name.starts_with('V')));
        Self {
            facts: facts(served),
            fields,
            examples: examples::of(artifact),
            synthetic: provenance.is_synthetic(),
        }
    }
}

fn facts(served: &Served) -> Vec<(&'static str, String, &str)> {
    let model = &served.model;
    let provenance = &model.artifact.provenance;
    let mut facts = Vec::new();
    let mut add = |what, value: String, full| {
        if !value.is_empty() {
            facts.push((what, value, full));
        }
    };
    add("Name", model.name.clone().unwrap_or_else(|| model.called.clone()), "");
    add("Version", model.version.clone().unwrap_or_default(), "");
    add("Alias", model.alias.clone().unwrap_or_default(), "");
    let digest = served.digest.trim_start_matches("sha256:").chars().take(12).collect();
    add("Digest", digest, &served.digest);
    add("Trained", trained(&provenance.created_at), &provenance.created_at);
    add("Threshold", model.artifact.threshold.value().to_string(), "");
    if provenance.rows > 0 {
        add("Training rows", thousands(provenance.rows), "");
        add("Frauds among them", thousands(provenance.frauds), "");
    }
    if let Some(measures) = &provenance.measures {
        let share = |value: Option<f64>| value.map(|v| format!("{v:.3}")).unwrap_or_default();
        add("Average precision", share(measures.average_precision), "");
        add("ROC AUC", share(measures.roc_auc), "");
    }
    facts
}

/// `2026-11-24T03:07:19Z` as `2026-11-24 03:07 UTC`; another text as it is.
fn trained(created_at: &str) -> String {
    match (created_at.split_once('T'), created_at.ends_with('Z')) {
        (Some((date, time)), true) => match time.get(..5) {
            Some(minutes) => format!("{date} {minutes} UTC"),
            None => created_at.to_owned(),
        },
        _ => created_at.to_owned(),
    }
}

/// `29564` as `29,564`.
fn thousands(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

pub(crate) async fn index(state: web::Data<State>) -> HttpResponse {
    html(Index::of(&state.served()).render())
}

pub(crate) async fn asset(file: web::Path<String>) -> HttpResponse {
    match ASSETS.iter().find(|(name, ..)| *name == file.as_str()) {
        Some((_, kind, text)) => HttpResponse::Ok()
            .content_type(*kind)
            .insert_header((header::CACHE_CONTROL, ONE_HOUR))
            .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
            .body(*text),
        None => not_found().await,
    }
}

/// A page, with the policy that all have.
pub(crate) fn html(page: askama::Result<String>) -> HttpResponse {
    match page {
        Ok(page) => HttpResponse::Ok()
            .content_type(HTML)
            .insert_header((header::CONTENT_SECURITY_POLICY, POLICY))
            .insert_header((header::CACHE_CONTROL, "no-cache"))
            .body(page),
        Err(error) => {
            tracing::error!(%error, "a page cannot be written");
            HttpResponse::InternalServerError().finish()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_for_people() {
        assert_eq!(
            [0, 999, 1_000, 29_564, 1_234_567].map(thousands).join(" "),
            "0 999 1,000 29,564 1,234,567"
        );
        assert_eq!(trained("2026-11-24T03:07:19Z"), "2026-11-24 03:07 UTC");
        assert_eq!(trained("yesterday"), "yesterday");
    }
}
