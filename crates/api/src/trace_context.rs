//! W3C Trace Context: the caller's `traceparent`, taken over into logs and spans.
//!
//! <https://www.w3.org/TR/trace-context/#traceparent-header>

use std::fmt;

use actix_web::http::header::{HeaderMap, HeaderName};

const NAME: HeaderName = HeaderName::from_static("traceparent");

/// Length of version 00, and the least of any later version.
const LENGTH: usize = 55;

/// Of which trace a request is a part, and of which span it is a child.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TraceParent {
    pub(crate) trace: TraceId,
    pub(crate) span: u64,
    /// Whether the caller records this trace.
    pub(crate) is_sampled: bool,
}

/// 128 bits, shown as 32 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TraceId(pub(crate) u128);

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl TraceParent {
    /// What the headers say; nothing if they are silent, say it twice, or say it wrongly: a header that
    /// cannot be read starts a new trace and never fails a request.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        let mut values = headers.get_all(NAME);
        let (value, None) = (values.next()?, values.next()) else { return None };
        Self::parse(value.as_bytes())
    }

    /// `00-` 32 digits `-` 16 digits `-` 2 digits. Later versions may go on behind another `-`.
    fn parse(text: &[u8]) -> Option<Self> {
        let (known, rest) = text.split_at_checked(LENGTH)?;
        let version = digits(&known[..2])?;
        if version == 0xff || (version == 0 && !rest.is_empty()) {
            return None;
        }
        if !rest.is_empty() && rest[0] != b'-' {
            return None;
        }
        if [2, 35, 52].iter().any(|&place| known[place] != b'-') {
            return None;
        }
        let trace = digits(&known[3..35])?;
        let span = u64::try_from(digits(&known[36..52])?).ok()?;
        let flags = digits(&known[53..])?;
        let is_known = trace != 0 && span != 0;
        is_known.then_some(Self { trace: TraceId(trace), span, is_sampled: flags & 1 == 1 })
    }
}

/// Lower-case hexadecimal digits, at most 32.
fn digits(text: &[u8]) -> Option<u128> {
    text.iter().try_fold(0, |value, &byte| {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            _ => return None,
        };
        Some(value << 4 | u128::from(digit))
    })
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    const EXAMPLE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn the_example_of_the_standard() {
        let parent = TraceParent::parse(EXAMPLE.as_bytes()).unwrap();
        assert_eq!(parent.trace.to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(parent.span, 0x00f0_67aa_0ba9_02b7);
        assert!(parent.is_sampled);
        let other = EXAMPLE.replace("-01", "-00");
        assert!(!TraceParent::parse(other.as_bytes()).unwrap().is_sampled);
    }

    #[test]
    fn a_later_version_may_say_more_and_version_0_may_not() {
        for (text, is_read) in [
            (EXAMPLE.replacen("00", "cc", 1), true),
            (EXAMPLE.replacen("00", "cc", 1) + "-what-comes", true),
            (EXAMPLE.replacen("00", "cc", 1) + ".what-comes", false),
            (EXAMPLE.replacen("00", "ff", 1), false),
            (format!("{EXAMPLE}-x"), false),
        ] {
            assert_eq!(TraceParent::parse(text.as_bytes()).is_some(), is_read, "{text}");
        }
    }

    #[test]
    fn what_is_no_parent_is_passed_over() {
        for text in [
            "",
            "00",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00_4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0",
            "00-4bf92f3577b34da6a3ce929d0e0e473600f067aa0ba902b7-01-0",
        ] {
            assert_eq!(TraceParent::parse(text.as_bytes()), None, "{text}");
        }
        let mut headers = HeaderMap::new();
        assert_eq!(TraceParent::of(&headers), None);
        for _ in 0..2 {
            headers.append(NAME, HeaderValue::from_static(EXAMPLE));
        }
        assert_eq!(TraceParent::of(&headers), None);
    }
}
