//! `exploration.html`: a [`Profile`] for people, findings first.

use askama::Template;

use super::findings::{Finding, findings, headline};
use super::{ByClass, FeatureProfile, Histogram, Profile, Summary};
use crate::plot;
use crate::plot::words::{counted, decimals_for, fixed, number, percent, thousands};
use crate::report::page::page_style;

/// Pairs of features in the table of the strongest correlations.
const PAIRS: usize = 10;

/// Writes the page: one HTML document that needs no network; its one script sorts a table that is
/// also readable without. `sources` names the files that the rows come from.
///
/// # Errors
///
/// If the template cannot be filled in, which takes a full memory.
pub fn exploration_page(profile: &Profile, sources: &[String]) -> anyhow::Result<String> {
    let features = profile.by_separation();
    let page = ExplorationPage {
        style: page_style()?,
        synthetic: synthetic(profile),
        sources: sources.join(", "),
        headline: headline(profile),
        tiles: tiles(profile),
        findings: findings(profile),
        features: features.iter().map(|feature| FeatureRow::new(feature)).collect(),
        distributions: features.iter().filter_map(|feature| distribution(feature)).collect(),
        heat_map: heat_map(profile),
        pairs: pairs(profile),
        timeline: timeline(profile),
        amounts: amounts(profile),
        amount_rows: amount_rows(profile),
    };
    Ok(page.render()?)
}

#[derive(Template)]
#[template(path = "exploration.html")]
struct ExplorationPage {
    style: String,
    synthetic: String,
    sources: String,
    headline: String,
    tiles: Vec<(&'static str, String, String)>,
    findings: Vec<Finding>,
    features: Vec<FeatureRow>,
    distributions: Vec<String>,
    heat_map: String,
    pairs: Vec<(String, String)>,
    timeline: Option<String>,
    amounts: Option<String>,
    amount_rows: Vec<SummaryRow>,
}

/// A number as it is read and as it is sorted.
struct Cell {
    text: String,
    value: String,
}

impl Cell {
    fn new(value: Option<f64>, decimals: usize) -> Self {
        Self {
            text: value.map_or_else(|| "–".to_owned(), |value| fixed(value, decimals)),
            value: value.map_or_else(String::new, |value| value.to_string()),
        }
    }
}

struct FeatureRow {
    name: &'static str,
    separation: Cell,
    direction: &'static str,
    /// Length of the bar that shows the separation: 0 at an AUC of ½, 100 at 1.
    bar: String,
    cells: Vec<Cell>,
}

impl FeatureRow {
    fn new(feature: &FeatureProfile) -> Self {
        let std = feature.summary.and_then(|summary| summary.std);
        // Three digits of the spread are what the other numbers of the row can mean.
        let decimals = decimals_for(std.unwrap_or_default(), 3);
        let of = |statistic: fn(&Summary) -> f64| {
            Cell::new(feature.summary.as_ref().map(statistic), decimals)
        };
        let count = |count: u64| Cell::new(Some(count as f64), 0);
        let auc = feature.separation.map(|by| by.auc);
        Self {
            name: feature.name,
            separation: Cell::new(auc, 3),
            direction: feature.separation.map_or("", |by| direction(by.fraud_is_higher)),
            bar: format!("{:.1}", auc.map_or(0.0, |auc| 200.0 * (auc - 0.5))),
            cells: vec![
                of(|summary| summary.mean),
                Cell::new(std, decimals),
                of(|summary| summary.min),
                of(|summary| summary.lower_quartile),
                of(|summary| summary.median),
                of(|summary| summary.upper_quartile),
                of(|summary| summary.max),
                count(feature.summary.map_or(0, |summary| summary.count)),
                count(feature.missing + feature.infinite),
            ],
        }
    }
}

/// Where the frauds lie.
const fn direction(fraud_is_higher: bool) -> &'static str {
    if fraud_is_higher { "higher" } else { "lower" }
}

/// Amounts of one class.
struct SummaryRow {
    name: &'static str,
    cells: Vec<String>,
}

/// The banner over a page about generated rows; empty where all rows are real.
fn synthetic(profile: &Profile) -> String {
    if profile.synthetic_rows == 0 {
        return String::new();
    }
    format!(
        "{} of {} came from a generator: nothing on this page is about real payments.",
        thousands(profile.synthetic_rows),
        counted(profile.rows, "row")
    )
}

/// Name, value and what stands under it.
fn tiles(profile: &Profile) -> Vec<(&'static str, String, String)> {
    let of_rows = |count: u64| percent(count as f64 / profile.rows.max(1) as f64);
    let infinite: u64 = profile.features.iter().map(|feature| feature.infinite).sum();
    let span = profile.features.first().and_then(|time| time.summary);
    let mut tiles = vec![
        ("Transactions", thousands(profile.rows), "rows with 30 features and a label".to_owned()),
        ("Frauds", thousands(profile.frauds), format!("{} of the rows", of_rows(profile.frauds))),
        (
            "Missing values",
            thousands(profile.missing_values()),
            if infinite > 0 {
                counted(infinite, "infinite value")
            } else {
                "none is infinite".to_owned()
            },
        ),
        (
            "Duplicates",
            thousands(profile.duplicates.rows),
            format!("rows that repeat another, {}", counted(profile.duplicates.frauds, "fraud")),
        ),
    ];
    if let Some(time) = span {
        let hours = (time.max - time.min) / 3_600.0;
        let (from, to) = (number(time.min), number(time.max));
        tiles.push(("Hours", number(hours.round()), format!("Time from {from} to {to}\u{a0}s")));
    }
    tiles
}

/// Counts as shares of their own class.
fn shares(counts: &ByClass<Vec<u64>>, zeros: ByClass<u64>) -> ByClass<Vec<f64>> {
    let of = |counts: &[u64], zeros: u64| {
        let total = (counts.iter().sum::<u64>() + zeros).max(1) as f64;
        counts.iter().map(|count| *count as f64 / total).collect()
    };
    ByClass {
        legitimate: of(&counts.legitimate, zeros.legitimate),
        fraud: of(&counts.fraud, zeros.fraud),
    }
}

fn distribution(feature: &FeatureProfile) -> Option<String> {
    let Histogram { from, to, counts } = feature.histogram.as_ref()?;
    let shares = shares(counts, ByClass::default());
    let note = feature.separation.map_or_else(String::new, |by| {
        format!("AUC {:.3}, frauds {}", by.auc, direction(by.fraud_is_higher))
    });
    let shares =
        plot::Shares { span: (*from, *to), legitimate: &shares.legitimate, fraud: &shares.fraud };
    Some(plot::distribution(feature.name, &note, &shares))
}

fn heat_map(profile: &Profile) -> String {
    let names: Vec<&str> = profile.features.iter().map(|feature| feature.name).collect();
    let strongest = pairs(profile)
        .into_iter()
        .map(|(pair, correlation)| format!("{pair} {correlation}"))
        .collect::<Vec<_>>()
        .join(", ");
    let description = format!("The strongest: {strongest}.");
    plot::heat_map(&names, |i, j| profile.correlation.get(i, j), &description)
}

fn pairs(profile: &Profile) -> Vec<(String, String)> {
    let name = |index: usize| profile.features[index].name;
    profile
        .correlation
        .strongest()
        .into_iter()
        .take(PAIRS)
        .map(|(i, j, value)| (format!("{} and {}", name(i), name(j)), fixed(value, 2)))
        .collect()
}

fn timeline(profile: &Profile) -> Option<String> {
    let timeline = &profile.timeline;
    (!timeline.transactions.is_empty()).then(|| {
        plot::timeline(
            timeline.first_hour,
            timeline.hours,
            &timeline.transactions,
            &timeline.frauds,
        )
    })
}

fn amounts(profile: &Profile) -> Option<String> {
    let amounts = profile.amounts.as_ref()?;
    let by_class = profile.features.last()?.by_class;
    let five = |summary: Option<Summary>| {
        summary.map(|s| [s.min, s.lower_quartile, s.median, s.upper_quartile, s.max])
    };
    let total = |counts: &[u64], zeros: u64| (counts.iter().sum::<u64>() + zeros).max(1) as f64;
    let zeros = (
        amounts.zeros.legitimate as f64
            / total(&amounts.counts.legitimate, amounts.zeros.legitimate),
        amounts.zeros.fraud as f64 / total(&amounts.counts.fraud, amounts.zeros.fraud),
    );
    let shares = shares(&amounts.counts, amounts.zeros);
    let shares = plot::Shares {
        span: (amounts.from, amounts.to),
        legitimate: &shares.legitimate,
        fraud: &shares.fraud,
    };
    Some(plot::amounts(&shares, zeros, [five(by_class.legitimate), five(by_class.fraud)]))
}

fn amount_rows(profile: &Profile) -> Vec<SummaryRow> {
    let Some(amount) = profile.features.last() else { return Vec::new() };
    [("Legitimate", amount.by_class.legitimate), ("Fraud", amount.by_class.fraud)]
        .into_iter()
        .filter_map(|(name, summary)| {
            let s = summary?;
            let numbers = [s.min, s.lower_quartile, s.median, s.upper_quartile, s.max, s.mean];
            let cells = std::iter::once(thousands(s.count))
                .chain(numbers.map(|value| fixed(value, 2)))
                .collect();
            Some(SummaryRow { name, cells })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use fraud_core::{N_FEATURES, synthetic};

    use super::super::ProfileBuilder;
    use super::*;

    fn page(rows: &[[f64; N_FEATURES]], labels: &[bool]) -> String {
        let mut builder = ProfileBuilder::default();
        builder.push(rows, labels);
        exploration_page(&builder.finish(), &["a&b.csv".to_owned()]).unwrap()
    }

    fn rows(count: usize) -> Vec<[f64; N_FEATURES]> {
        (0..count).map(|row| std::array::from_fn(|i| (row * 31 % (i + 97)) as f64)).collect()
    }

    #[test]
    fn the_page_shows_every_feature_and_needs_no_network() {
        let labels: Vec<bool> = (0..500).map(|row| row % 100 == 0).collect();
        let html = page(&rows(500), &labels);
        assert!(html.contains("500 transactions, 5 of them fraud: one in 100"));
        assert!(html.contains("a&#38;b.csv"));
        for name in fraud_core::FEATURES {
            assert!(html.contains(&format!("id=\"distribution-{name}-t\"")), "{name}");
        }
        let outside = html.replace("http://www.w3.org/2000/svg", "");
        assert!(!outside.contains("http:") && !outside.contains("https:"));
        assert!(!html.contains("SYNTHETIC DATA"));
        assert!(!html.contains("NaN") && !html.contains(">inf<"));
    }

    #[test]
    fn generated_rows_are_called_so() {
        let mut rows = rows(10);
        synthetic::mark(&mut rows[3]);
        let html = page(&rows, &[false; 10]);
        assert!(html.contains("<strong>SYNTHETIC DATA</strong>1 of 10 rows came from a generator"));
    }

    #[test]
    fn gaps_constants_one_class_and_no_rows_make_a_page() {
        let mut gaps = rows(20);
        for row in &mut gaps {
            row[4] = f64::NAN;
            row[6] = 2.0;
            row[8] = f64::INFINITY;
        }
        let labels: Vec<bool> = (0..20).map(|row| row == 7).collect();
        for html in [page(&gaps, &labels), page(&gaps, &[true; 20]), page(&[], &[])] {
            assert!(html.contains("</html>"));
            assert!(!html.contains("NaN") && !html.contains(">inf<"));
        }
    }
}
