//! File names for names that people give.

use sha2::{Digest, Sha256};

/// Longest encoded name that is kept as it is; file systems take 255 bytes.
const LONGEST: usize = 160;
/// How much of a longer one stays readable in front of its digest.
const READABLE: usize = 80;

/// The file name that stands for `name`: lower-case ASCII letters, digits, `-`, `_` and inner dots as
/// they are, every other byte as `%` and two lower-case hexadecimal digits. No two names have the
/// same one, not even on a file system that ignores case. What gets longer than 160 bytes is cut, and
/// told apart by `~` and the SHA-256 of the name.
pub(super) fn encode(name: &str) -> String {
    let bytes = name.as_bytes();
    let mut encoded = String::with_capacity(bytes.len());
    let mut readable = 0;
    for (at, &byte) in bytes.iter().enumerate() {
        let inner = at > 0 && at + 1 < bytes.len();
        match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' => encoded.push(byte.into()),
            b'.' if inner => encoded.push('.'),
            _ => push_hex(&mut encoded, "%", byte),
        }
        if encoded.len() <= READABLE {
            readable = encoded.len();
        }
    }
    if encoded.len() > LONGEST {
        encoded.truncate(readable);
        encoded.push('~');
        for byte in Sha256::digest(bytes) {
            push_hex(&mut encoded, "", byte);
        }
    }
    encoded
}

fn push_hex(text: &mut String, before: &str, byte: u8) {
    const DIGITS: [u8; 16] = *b"0123456789abcdef";
    text.push_str(before);
    text.push(DIGITS[usize::from(byte >> 4)].into());
    text.push(DIGITS[usize::from(byte & 15)].into());
}

/// Whether a server takes this as the key of a metric, parameter or tag.
pub(super) fn is_key(key: &str) -> bool {
    let is_taken = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ' ' | ':' | '/');
    // Python's normpath leaves it as it is.
    key.chars().all(is_taken) && key.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

/// Whether a server takes this as the name of a registered model.
pub(super) fn is_model_name(name: &str) -> bool {
    !name.trim().is_empty() && !name.contains(['/', ':']) && !matches!(name, "." | "..")
}

/// Whether this is the id of a run: 32 lower-case hexadecimal digits.
pub(super) fn is_run_id(id: &str) -> bool {
    id.len() == 32 && id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Whether this is the id of a logged model: `m-` and 32 hexadecimal digits.
pub(super) fn is_model_id(id: &str) -> bool {
    id.strip_prefix("m-").is_some_and(is_run_id)
}

/// The number that `text` is, written as a number is: no sign, no zeros in front.
pub(super) fn number(text: &str) -> Option<u64> {
    text.parse::<u64>().ok().filter(|number| *number > 0 && number.to_string() == text)
}

/// `; there are …`: what else there is, the first ten by name.
pub(super) fn there_are(kind: &str, mut names: Vec<String>) -> String {
    const SHOWN: usize = 10;
    let all = names.len();
    names.truncate(SHOWN);
    match all {
        0 => format!("; there are no {kind}"),
        1 => format!("; there is {}", names[0]),
        2..=SHOWN => format!("; there are {}", names.join(", ")),
        _ => format!("; there are {}, … ({all} {kind})", names.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn plain_names_stay_as_they_are() {
        assert_eq!(encode("fraud_detection-logreg.2"), "fraud_detection-logreg.2");
        assert_eq!(encode("Fraud Detection"), "%46raud%20%44etection");
        assert_eq!(encode(".."), "%2e%2e");
        assert_eq!(encode(".hidden."), "%2ehidden%2e");
        assert_eq!(encode("a/b\\c"), "a%2fb%5cc");
        assert_eq!(encode("%41"), "%2541");
        assert_eq!(encode("é"), "%c3%a9");
    }

    #[test]
    fn long_names_stay_apart() {
        let stem = "Ü".repeat(5_000);
        let names: HashSet<String> =
            ["a", "b", ""].map(|end| encode(&format!("{stem}{end}"))).into();
        assert_eq!(names.len(), 3);
        assert!(names.iter().all(|name| name.len() < 255), "{names:?}");
        // At the border: the longest that is kept, and the shortest that is cut.
        assert_eq!(encode(&"a".repeat(160)), "a".repeat(160));
        assert_eq!(encode(&"a".repeat(161)).len(), 80 + 1 + 64);
    }

    #[test]
    fn numbers_have_one_form() {
        assert_eq!(number("12"), Some(12));
        for text in ["", "0", "01", "+1", "-1", "1.0", " 1", "../1", "99999999999999999999"] {
            assert_eq!(number(text), None, "{text:?}");
        }
    }

    #[test]
    fn hints_list_the_first_names() {
        let names = |n: usize| (0..n).map(|i| format!("{i}")).collect::<Vec<_>>();
        assert_eq!(there_are("models", names(0)), "; there are no models");
        assert_eq!(there_are("models", names(1)), "; there is 0");
        assert_eq!(there_are("models", names(2)), "; there are 0, 1");
        assert_eq!(
            there_are("runs", names(11)),
            "; there are 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, … (11 runs)"
        );
    }

    /// What [`encode`] undoes; only for names that are not cut.
    fn decode(encoded: &str) -> String {
        let mut bytes = Vec::new();
        let mut rest = encoded.as_bytes();
        while let [first, more @ ..] = rest {
            if *first == b'%' {
                let digits = std::str::from_utf8(&more[..2]).unwrap();
                bytes.push(u8::from_str_radix(digits, 16).unwrap());
                rest = &more[2..];
            } else {
                bytes.push(*first);
                rest = more;
            }
        }
        String::from_utf8(bytes).unwrap()
    }

    proptest! {
        #[test]
        fn every_name_has_its_own_safe_file_name(
            name in prop_oneof!["\\PC{1,40}", "[aA./\\\\%~ ]{1,12}", "\\PC{100,400}"],
            other in prop_oneof!["[aA./\\\\%~ ]{1,12}", "\\PC{1,40}"],
        ) {
            let encoded = encode(&name);
            let safe = |c| matches!(c, 'a'..='z' | '0'..='9' | '-' | '_' | '.' | '%' | '~');
            prop_assert!(encoded.len() <= LONGEST && encoded.chars().all(safe), "{encoded}");
            prop_assert!(!encoded.starts_with('.') && !encoded.ends_with('.'), "{encoded}");
            if encoded.contains('~') {
                prop_assert_eq!(encoded.len() - encoded.find('~').unwrap(), 65);
            } else {
                prop_assert_eq!(decode(&encoded), name.as_str());
            }
            prop_assert_eq!(encoded == encode(&other), name == other);
        }
    }
}
