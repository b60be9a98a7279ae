//! The text format of Prometheus, 0.0.4, for what the exporter cannot show: series that go again, as
//! that of a model that is served no more, and figures that are read when they are asked for.
//!
//! <https://prometheus.io/docs/instrumenting/exposition_formats/>

use std::fmt::{Display, Write as _};

use crate::histogram::Snapshot;

/// The type of a metric.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// A text that grows by metrics. Names and helps are ours and need no escaping; values of labels may be
/// anything.
#[derive(Debug, Default)]
pub(crate) struct Exposition(String);

impl Exposition {
    /// Goes on behind a text that ends with a line.
    pub(crate) const fn after(text: String) -> Self {
        Self(text)
    }

    pub(crate) fn into_text(self) -> String {
        self.0
    }

    /// Begins a metric: the samples follow.
    pub(crate) fn metric(&mut self, name: &str, kind: Kind, help: &str) {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        self.write(format_args!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
    }

    /// One sample.
    pub(crate) fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        self.0.push_str(name);
        self.labels(labels);
        self.write(format_args!(" {value}\n"));
    }

    /// A metric with one sample and no labels.
    pub(crate) fn single(&mut self, name: &str, kind: Kind, help: &str, value: impl Display) {
        self.metric(name, kind, help);
        self.sample(name, &[], value);
    }

    /// The samples of one histogram.
    pub(crate) fn histogram<const N: usize>(
        &mut self,
        name: &str,
        labels: &[(&str, &str)],
        snapshot: &Snapshot<N>,
    ) {
        let bucket = format!("{name}_bucket");
        let bounds = snapshot.buckets.iter().map(|(bound, count)| (bound.to_string(), *count));
        for (bound, count) in bounds.chain([("+Inf".to_owned(), snapshot.count)]) {
            let labels: Vec<_> = labels.iter().copied().chain([("le", &*bound)]).collect();
            self.sample(&bucket, &labels, count);
        }
        self.sample(&format!("{name}_sum"), labels, snapshot.sum);
        self.sample(&format!("{name}_count"), labels, snapshot.count);
    }

    fn labels(&mut self, labels: &[(&str, &str)]) {
        for (place, (name, value)) in labels.iter().enumerate() {
            self.0.push(if place == 0 { '{' } else { ',' });
            self.write(format_args!("{name}=\""));
            for char in value.chars() {
                match char {
                    '\\' => self.0.push_str("\\\\"),
                    '"' => self.0.push_str("\\\""),
                    '\n' => self.0.push_str("\\n"),
                    char => self.0.push(char),
                }
            }
            self.0.push('"');
        }
        if !labels.is_empty() {
            self.0.push('}');
        }
    }

    fn write(&mut self, arguments: std::fmt::Arguments<'_>) {
        // Writing to a String cannot fail.
        let _ = self.0.write_fmt(arguments);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::histogram::Histogram;

    #[test]
    fn values_of_labels_are_escaped() {
        let mut text = Exposition::after("a 1\n".to_owned());
        text.metric("model_info", Kind::Gauge, "The model.");
        text.sample("model_info", &[("name", "a\"b\\c\nd"), ("version", "é")], 1);
        text.single("b_total", Kind::Counter, "B.", 0.25);
        assert_eq!(
            text.into_text(),
            "a 1\n# HELP model_info The model.\n# TYPE model_info gauge\n\
             model_info{name=\"a\\\"b\\\\c\\nd\",version=\"é\"} 1\n\
             # HELP b_total B.\n# TYPE b_total counter\nb_total 0.25\n"
        );
    }

    #[test]
    fn a_histogram_is_cumulative_and_ends_with_infinity() {
        let histogram = Histogram::new([0.000_05, 1.0]);
        for sample in [0.000_01, 0.5, 2.0] {
            histogram.record(sample);
        }
        let mut text = Exposition::default();
        text.histogram("h", &[("endpoint", "/")], &histogram.snapshot());
        assert_eq!(
            text.into_text(),
            "h_bucket{endpoint=\"/\",le=\"0.00005\"} 1\nh_bucket{endpoint=\"/\",le=\"1\"} 2\n\
             h_bucket{endpoint=\"/\",le=\"+Inf\"} 3\nh_sum{endpoint=\"/\"} 2.50001\n\
             h_count{endpoint=\"/\"} 3\n"
        );
    }
}
