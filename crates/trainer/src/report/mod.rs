//! `evaluation.html`: what a model is worth, for the people who will live with it.
//!
//! The verdict stands first, in words; then what other thresholds would do, the curves, the weights,
//! all measures, and where the model comes from. One file without script or network.

pub(crate) mod page;
mod tables;
mod verdict;

use askama::Template;
use fraud_core::measures::Evaluation;
use fraud_core::model::sigmoid;
use fraud_core::{FEATURES, ModelArtifact};

use self::page::page_style;
use self::tables::{FileRow, MeasureRow, ThresholdRow, Tile, WeightRow};
use crate::plot;
use crate::plot::words::{counted, number, percent};

/// The four pictures of an artifact directory, as SVG text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plots {
    /// Of [`plot::pr_curve`].
    pub pr_curve: String,
    /// Of [`plot::roc_curve`].
    pub roc_curve: String,
    /// Of [`plot::calibration`].
    pub calibration: String,
    /// Of [`plot::confusion`].
    pub confusion: String,
}

/// Writes the evaluation page: one HTML document that needs nothing else.
///
/// `evaluation` was taken at the artifact's threshold among others; `plots` are put in as they are,
/// so they must come from [`plot`].
///
/// # Errors
///
/// If the template cannot be filled in, which takes a full memory.
pub fn evaluation_page(
    artifact: &ModelArtifact,
    evaluation: &Evaluation,
    plots: &Plots,
) -> anyhow::Result<String> {
    let provenance = &artifact.provenance;
    let threshold = artifact.threshold.value();
    let own = evaluation.at_threshold.get(&threshold.to_string());
    let features: Vec<(&str, f64)> =
        FEATURES.into_iter().zip(artifact.model.coefficients().iter().copied()).collect();
    let page = EvaluationPage {
        style: page_style()?,
        synthetic: verdict::synthetic(provenance),
        verdict: verdict::verdict(threshold, own),
        more: verdict::more(evaluation, own, provenance),
        tiles: tables::tiles(evaluation, own),
        thresholds: tables::threshold_rows(evaluation, threshold),
        plots: [&plots.pr_curve, &plots.roc_curve, &plots.confusion, &plots.calibration]
            .map(|svg| plot::without_style(svg)),
        coefficients: plot::weights(&features),
        reading: verdict::reading(&features),
        intercept: number(artifact.model.intercept()),
        base_probability: percent(sigmoid(artifact.model.intercept())),
        weights: tables::weight_rows(artifact),
        rows: counted(evaluation.rows, "row"),
        frauds: counted(evaluation.frauds, "fraud"),
        measures: tables::measure_rows(evaluation),
        files: tables::file_rows(provenance),
        provenance: tables::provenance_rows(artifact),
    };
    Ok(page.render()?)
}

#[derive(Template)]
#[template(path = "evaluation.html")]
struct EvaluationPage<'a> {
    style: String,
    synthetic: String,
    verdict: String,
    more: Vec<String>,
    tiles: Vec<Tile>,
    thresholds: Vec<ThresholdRow<'a>>,
    plots: [String; 4],
    coefficients: String,
    reading: String,
    intercept: String,
    base_probability: String,
    weights: Vec<WeightRow>,
    rows: String,
    frauds: String,
    measures: Vec<MeasureRow>,
    files: Vec<FileRow<'a>>,
    provenance: Vec<(&'static str, String)>,
}

#[cfg(test)]
mod tests {
    use fraud_core::artifact::DataFile;
    use fraud_core::measures::Ranking;
    use fraud_core::{LogisticModel, Provenance, StandardScaler, Threshold};

    use super::*;

    fn artifact(provenance: Provenance) -> ModelArtifact {
        let coefficients = std::array::from_fn(|i| (i as f64).sin());
        let scaler = StandardScaler::new([0.5; 30], [2.0; 30]).unwrap();
        ModelArtifact {
            model: LogisticModel::new(scaler, coefficients, -3.0).unwrap(),
            threshold: Threshold::new(0.25).unwrap(),
            provenance,
        }
    }

    fn page(provenance: Provenance, labels: &[bool]) -> String {
        let scores: Vec<f64> = (0..labels.len()).map(|row| 1.0 / (row + 1) as f64).collect();
        let ranking = Ranking::new(labels, &scores).unwrap();
        let evaluation = Evaluation::new(labels, &scores, &ranking, 0.25)
            .unwrap()
            .with_interval(&ranking, 20, 1);
        let plots = Plots { roc_curve: plot::roc_curve(&ranking, 0.25), ..Plots::default() };
        evaluation_page(&artifact(provenance), &evaluation, &plots).unwrap()
    }

    #[test]
    fn the_page_says_what_is_known_and_escapes_it() {
        let provenance = Provenance {
            data: vec![DataFile {
                file: "a<b>&.csv".into(),
                sha256: "0123456789abcdef".repeat(4),
                rows: 284_807,
                frauds: 492,
                role: "training and validation".into(),
            }],
            solver: "newton-cholesky".into(),
            iterations: 13,
            converged: true,
            ..Provenance::default()
        };
        let html = page(provenance, &[true, false, true, false, false, false]);
        assert!(html.contains("a&#60;b&#62;&#38;.csv"), "{html}");
        assert!(html.contains(">0123456789ab</code>") && html.contains(">284,807<"));
        assert!(html.contains("converged after 13 iterations"));
        assert!(html.contains("At 0.25 it catches 2 of 2 frauds"));
        assert!(!html.contains("SYNTHETIC DATA") && !html.contains("<script"));
        assert!(!html.contains("svg:root"), "a picture brings its own style into the page");
        let outside = html.replace("http://www.w3.org/2000/svg", "");
        assert!(!outside.contains("http:") && !outside.contains("https:"), "it needs a network");
    }

    #[test]
    fn generated_rows_are_called_so_across_the_page() {
        let provenance = Provenance { synthetic_rows: 1_000, ..Provenance::default() };
        let html = page(provenance, &[true, false]);
        assert!(html.contains("<strong>SYNTHETIC DATA</strong>1,000 rows behind this model"));
    }

    #[test]
    fn one_class_and_no_provenance_make_a_page_too() {
        let html = page(Provenance::default(), &[false, false, false]);
        assert!(html.contains("there was no fraud") && html.contains("–"));
        assert!(!html.contains("Solver") && !html.contains("Data files"));
        assert!(!html.contains("NaN"));
    }
}
