//! Any number of metrics, parameters and tags, cut to what one `log-batch` takes.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::error::Error;
use crate::types::{Batch, KeyValue, Metric};

/// The server's limits for one request.
const MOST: usize = 1_000;
const MOST_PARAMS: usize = 100;
const MOST_TAGS: usize = 100;
/// Of 1 MB, with room for what is around.
const MOST_BYTES: usize = 900_000;

/// The server's limits for one entry, in characters.
const LONGEST_KEY: usize = 250;
const LONGEST_PARAM: usize = 6_000;
pub(super) const LONGEST_TAG: usize = 8_000;

/// The requests to send one after the other, each without the run's id.
pub(super) fn requests(batch: &Batch, location: &str) -> Result<Vec<Value>, Error> {
    let mut params = BTreeMap::new();
    for param in &batch.params {
        let entry = fitting(param, LONGEST_PARAM);
        let value = entry.value.clone();
        if let Some(before) = params.insert(entry.key, entry.value)
            && before != value
        {
            return Err(Error::Invalid {
                what: format!("the parameter {:?}", param.key),
                location: location.to_owned(),
                reason: format!("it is {before:?} and {value:?}, expected one value"),
                answer: None,
            });
        }
    }
    let tags: BTreeMap<_, _> = batch
        .tags
        .iter()
        .map(|tag| fitting(tag, LONGEST_TAG))
        .map(|tag| (tag.key, tag.value))
        .collect();

    let mut requests = Requests::default();
    for (key, value) in params {
        requests.add("params", json!({ "key": key, "value": value }), MOST_PARAMS);
    }
    for (key, value) in tags {
        requests.add("tags", json!({ "key": key, "value": value }), MOST_TAGS);
    }
    for metric in &batch.metrics {
        let metric = Metric { key: fitting_key(&metric.key), ..metric.clone() };
        // Numbers and texts only.
        requests.add("metrics", serde_json::to_value(metric).unwrap_or_default(), MOST);
    }
    Ok(requests.finish())
}

/// Requests under way.
#[derive(Default)]
struct Requests {
    done: Vec<Value>,
    current: BTreeMap<&'static str, Vec<Value>>,
    entries: usize,
    bytes: usize,
}

impl Requests {
    fn add(&mut self, list: &'static str, entry: Value, most: usize) {
        let bytes = entry.to_string().len() + 1;
        let of_list = self.current.get(list).map_or(0, Vec::len);
        if of_list == most || self.entries == MOST || self.bytes + bytes > MOST_BYTES {
            self.close();
        }
        self.current.entry(list).or_default().push(entry);
        self.entries += 1;
        self.bytes += bytes;
    }

    fn close(&mut self) {
        if self.entries > 0 {
            self.done.push(json!(std::mem::take(&mut self.current)));
        }
        (self.entries, self.bytes) = (0, 0);
    }

    fn finish(mut self) -> Vec<Value> {
        self.close();
        self.done
    }
}

/// An entry within the server's limits; a text is cut as Python's client cuts it.
pub(super) fn fitting(entry: &KeyValue, longest: usize) -> KeyValue {
    let value = match entry.value.char_indices().nth(longest) {
        Some((end, _)) => {
            tracing::warn!("{}: cut to {longest} characters, the server's limit", entry.key);
            entry.value[..end].to_owned()
        }
        None => entry.value.clone(),
    };
    KeyValue { key: fitting_key(&entry.key), value }
}

/// A key within the server's limits. Two long ones with the same start stay two.
fn fitting_key(key: &str) -> String {
    const MARK: usize = 17;
    if key.chars().count() <= LONGEST_KEY {
        return key.to_owned();
    }
    let start: String = key.chars().take(LONGEST_KEY - MARK).collect();
    let mark = uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_OID, key.as_bytes()).as_u64_pair().0;
    let short = format!("{start}-{mark:016x}");
    tracing::warn!("the key {key:?} is longer than {LONGEST_KEY} characters; it becomes {short:?}");
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(request: &Value, list: &str) -> usize {
        request[list].as_array().map_or(0, Vec::len)
    }

    #[test]
    fn every_limit_starts_a_request() {
        let batch = Batch {
            metrics: (0..2_000).map(|i| Metric::at_step("m", 0.5, i)).collect(),
            params: (0..150).map(|i| KeyValue::new(format!("p{i}"), i)).collect(),
            tags: (0..101).map(|i| KeyValue::new(format!("t{i}"), i)).collect(),
        };
        let requests = requests(&batch, "x").unwrap();
        for request in &requests {
            let [metrics, params, tags] = ["metrics", "params", "tags"].map(|l| count(request, l));
            assert!(params <= 100 && tags <= 100 && metrics + params + tags <= 1_000);
        }
        for (list, expected) in [("metrics", 2_000), ("params", 150), ("tags", 101)] {
            assert_eq!(requests.iter().map(|r| count(r, list)).sum::<usize>(), expected);
        }
        let long: Vec<_> =
            (0..600).map(|i| KeyValue::new(format!("p{i}"), "ä".repeat(7_000))).collect();
        let requests = super::requests(&Batch { params: long, ..Batch::default() }, "x").unwrap();
        assert!(requests.iter().all(|request| request.to_string().len() < 1_000_000));
        assert_eq!(requests.iter().map(|r| count(r, "params")).sum::<usize>(), 600);
        let value = requests[0]["params"][0]["value"].as_str().unwrap();
        assert_eq!(value.chars().count(), 6_000);
    }

    #[test]
    fn a_parameter_has_one_value_and_a_tag_its_last() {
        let params = vec![KeyValue::new("a", 1), KeyValue::new("a", 1)];
        let tags = vec![KeyValue::new("t", "x"), KeyValue::new("t", "y")];
        let sent = requests(&Batch { params, tags, ..Batch::default() }, "x").unwrap();
        assert_eq!(sent.len(), 1);
        assert_eq!(count(&sent[0], "params"), 1);
        assert_eq!(sent[0]["tags"][0]["value"], "y");
        let params = vec![KeyValue::new("a", 1), KeyValue::new("a", 2)];
        assert!(requests(&Batch { params, ..Batch::default() }, "x").is_err());
    }

    #[test]
    fn long_keys_stay_apart() {
        let [a, b] = ["1", "2"].map(|end| fitting_key(&("ü".repeat(300) + end)));
        assert_ne!(a, b);
        assert_eq!(a.chars().count(), 250);
        assert!(requests(&Batch::default(), "x").unwrap().is_empty());
    }
}
