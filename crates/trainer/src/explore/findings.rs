//! What stands out in a profile, in words.

use super::{FeatureProfile, Profile, Timeline};
use crate::plot::words::{counted, fixed, number, percent, thousands};

/// A feature that separates the classes better than this is worth a mention.
const SEPARATES: f64 = 0.8;

/// One that does not even reach this says next to nothing alone.
const SILENT: f64 = 0.55;

/// A correlation that is worth a mention.
const STRONG: f64 = 0.5;

/// Frauds that an hour must have for its share to mean something.
const ENOUGH: u64 = 5;

/// A finding: what it is about, and the sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) topic: &'static str,
    pub(super) text: String,
}

/// The findings in the order in which a reader wants them.
pub(super) fn findings(profile: &Profile) -> Vec<Finding> {
    [
        ("Imbalance", Some(imbalance(profile))),
        ("Separation", separation(profile)),
        ("Amounts", amounts(profile)),
        ("Time", time(&profile.timeline, profile.frauds as f64 / profile.rows.max(1) as f64)),
        ("Correlation", correlation(profile)),
        ("Duplicates", duplicates(profile)),
        ("Values", values(profile)),
    ]
    .into_iter()
    .filter_map(|(topic, text)| Some(Finding { topic, text: text? }))
    .collect()
}

/// `One transaction in 579 is fraud`, for the head of the page.
pub(super) fn headline(profile: &Profile) -> String {
    let rows = counted(profile.rows, "transaction");
    match (profile.frauds, profile.rows) {
        (_, 0) => "No transactions".to_owned(),
        (0, _) => format!("{rows}, none of them fraud"),
        (frauds, all) if frauds == all => format!("{rows}, all of them fraud"),
        (frauds, all) => format!(
            "{rows}, {} of them fraud: one in {}",
            thousands(frauds),
            number((all as f64 / frauds as f64).round())
        ),
    }
}

fn imbalance(profile: &Profile) -> String {
    let legitimate = profile.rows - profile.frauds;
    if profile.frauds == 0 || legitimate == 0 {
        let missing = if legitimate == 0 { "legitimate row" } else { "fraud" };
        return format!("There is no {missing}: nothing can be learnt from these rows alone.");
    }
    format!(
        "A model that never raises an alert is right on {} of the rows, so accuracy says nothing \
         here; precision and recall do.",
        percent(legitimate as f64 / profile.rows as f64)
    )
}

fn separation(profile: &Profile) -> Option<String> {
    let features = profile.by_separation();
    let first = features.first()?;
    let best = first.separation?;
    let direction = if best.fraud_is_higher { "higher" } else { "lower" };
    let mut sentences = vec![format!(
        "{} separates best: in {} of all pairs the fraud has the {direction} value.",
        first.name,
        percent(best.auc)
    )];
    let reaching =
        |auc: f64| features.iter().filter(|f| f.separation.is_some_and(|by| by.auc >= auc)).count();
    let names = |range: &[&FeatureProfile]| list(range.iter().map(|feature| feature.name));
    let also = &features[1..reaching(SEPARATES).max(1)];
    if !also.is_empty() {
        let verb = if also.len() == 1 { "reaches" } else { "reach" };
        sentences.push(format!("{} {verb} 80\u{a0}% or more.", names(also)));
    }
    let silent = &features[reaching(SILENT)..];
    if !silent.is_empty() {
        let verb = if silent.len() == 1 { "says" } else { "say" };
        sentences
            .push(format!("Alone, {} {verb} next to nothing (below 55\u{a0}%).", names(silent)));
    }
    Some(sentences.join(" "))
}

fn amounts(profile: &Profile) -> Option<String> {
    let amount = profile.features.last()?;
    let (legitimate, fraud) = (amount.by_class.legitimate?, amount.by_class.fraud?);
    Some(format!(
        "Half of the frauds are below {}, half of the legitimate transactions below {}; the largest \
         are {} and {}. A quarter of the frauds is above {}.",
        fixed(fraud.median, 2),
        fixed(legitimate.median, 2),
        fixed(fraud.max, 2),
        fixed(legitimate.max, 2),
        fixed(fraud.upper_quartile, 2),
    ))
}

fn time(timeline: &Timeline, overall: f64) -> Option<String> {
    let share = |span: usize| timeline.frauds[span] as f64 / timeline.transactions[span] as f64;
    let spans = 0..timeline.transactions.len();
    let peak = spans
        .clone()
        .filter(|&span| timeline.frauds[span] >= ENOUGH)
        .max_by(|&a, &b| share(a).total_cmp(&share(b)));
    // First and last span may be cut short.
    let whole = if spans.len() > 4 { 1..spans.len() - 1 } else { spans };
    let counts = || timeline.transactions[whole.clone()].iter().copied();
    let (least, most) = (counts().min()?, counts().max()?);
    let span = if timeline.hours == 1 {
        "an hour".to_owned()
    } else {
        format!("in {} hours", timeline.hours)
    };
    let mut sentences =
        vec![format!("Between {} and {} transactions {span}.", thousands(least), thousands(most))];
    if let Some(peak) = peak {
        sentences.push(format!(
            "The share of frauds is highest from hour {} on, {} ({} of {}) against {} over all.",
            timeline.hour(peak),
            percent(share(peak)),
            thousands(timeline.frauds[peak]),
            thousands(timeline.transactions[peak]),
            percent(overall),
        ));
    }
    Some(sentences.join(" "))
}

fn correlation(profile: &Profile) -> Option<String> {
    let pairs = profile.correlation.strongest();
    let &(i, j, strongest) = pairs.first()?;
    let strong = pairs.iter().filter(|pair| pair.2.abs() >= STRONG).count();
    let named = format!(
        "{} with {}, {}",
        profile.features[i].name,
        profile.features[j].name,
        fixed(strongest, 2)
    );
    Some(if strong == 0 {
        format!("No two features are strongly correlated; most of all {named}.")
    } else {
        format!(
            "{} {} correlated at 0.5 or more, most of all {named}; in a linear model the weights of such a pair \
             share one effect.",
            counted(strong as u64, "feature pair"),
            if strong == 1 { "is" } else { "are" },
        )
    })
}

fn duplicates(profile: &Profile) -> Option<String> {
    let found = profile.duplicates;
    if profile.rows == 0 {
        return None;
    }
    let mut sentences = vec![if found.rows == 0 {
        "No row repeats another.".to_owned()
    } else {
        format!(
            "{} ({}) {} an earlier row in every value, {} of them {}. On both sides of a split they \
             make measures look better than they are.",
            counted(found.rows, "row"),
            percent(found.rows as f64 / profile.rows as f64),
            if found.rows == 1 { "repeats" } else { "repeat" },
            thousands(found.frauds),
            if found.frauds == 1 { "a fraud" } else { "frauds" },
        )
    }];
    if found.contradictions > 0 {
        sentences.push(format!(
            "{} of 30 values {} there both as legitimate and as fraud.",
            counted(found.contradictions, "combination"),
            if found.contradictions == 1 { "is" } else { "are" },
        ));
    }
    Some(sentences.join(" "))
}

/// What training would refuse, and what it could leave out.
fn values(profile: &Profile) -> Option<String> {
    if profile.rows == 0 {
        return None;
    }
    let names = |is: &dyn Fn(&FeatureProfile) -> bool| {
        list(profile.features.iter().filter(|feature| is(feature)).map(|feature| feature.name))
    };
    let may_not = |feature: &FeatureProfile| matches!(feature.name, "Time" | "Amount");
    let (missing, verb) = match profile.missing_values() {
        1 => ("1 value".to_owned(), "is"),
        count => (counted(count, "value"), "are"),
    };
    let found = [
        (
            names(&|feature| feature.missing > 0),
            format!("{missing} {verb} missing, and training refuses such rows:"),
        ),
        (names(&|feature| feature.infinite > 0), "Infinite values in".to_owned()),
        (
            names(&|feature| may_not(feature) && feature.negative > 0),
            "Values below 0, which the schema does not allow, in".to_owned(),
        ),
        (names(&FeatureProfile::is_constant), "The same value everywhere in".to_owned()),
    ];
    let sentences: Vec<String> = found
        .into_iter()
        .filter(|(names, _)| !names.is_empty())
        .map(|(names, what)| format!("{what} {names}."))
        .collect();
    Some(if sentences.is_empty() {
        "None is missing or outside the schema.".to_owned()
    } else {
        sentences.join(" ")
    })
}

/// `V1, V2 and V3`.
fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    match names.collect::<Vec<_>>().as_slice() {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use fraud_core::N_FEATURES;

    use super::super::ProfileBuilder;
    use super::*;

    fn text(rows: &[[f64; N_FEATURES]], labels: &[bool]) -> String {
        let mut builder = ProfileBuilder::default();
        builder.push(rows, labels);
        let profile = builder.finish();
        let findings = findings(&profile);
        let texts: Vec<String> = findings.into_iter().map(|finding| finding.text).collect();
        format!("{}\n{}", headline(&profile), texts.join("\n")).replace('\u{a0}', " ")
    }

    #[test]
    fn what_stands_out_is_said() {
        let mut rows: Vec<[f64; N_FEATURES]> =
            (0..100).map(|row| std::array::from_fn(|i| (row * 7 % (i + 11)) as f64)).collect();
        let labels: Vec<bool> = (0..100).map(|row| row < 4).collect();
        for row in &mut rows[..4] {
            row[14] = -50.0;
        }
        for row in &mut rows {
            row[20] = 3.0;
        }
        rows[99] = rows[98];
        rows[97][5] = f64::NAN;
        rows[96][29] = -1.0;
        let text = text(&rows, &labels);
        assert!(text.starts_with("100 transactions, 4 of them fraud: one in 25"), "{text}");
        assert!(text.contains("right on 96 % of the rows"));
        assert!(
            text.contains(
                "V14 separates best: in 100 % of all pairs the fraud has the lower value."
            )
        );
        assert!(
            text.contains("1 row (1 %) repeats an earlier row in every value, 0 of them frauds")
        );
        assert!(text.contains("1 value is missing, and training refuses such rows: V5."));
        assert!(text.contains("which the schema does not allow, in Amount"));
        assert!(text.contains("The same value everywhere in V20."));
    }

    #[test]
    fn one_class_and_no_rows_are_said_too() {
        let one = text(&[[1.0; N_FEATURES]; 2], &[false, false]);
        assert!(one.starts_with("2 transactions, none of them fraud"));
        assert!(one.contains("There is no fraud: nothing can be learnt"));
        assert_eq!(text(&[], &[]).lines().next(), Some("No transactions"));
    }

    #[test]
    fn names_are_listed_as_one_writes_them() {
        assert_eq!(list(["V1"].into_iter()), "V1");
        assert_eq!(list(["V1", "V2", "V3"].into_iter()), "V1, V2 and V3");
    }
}
