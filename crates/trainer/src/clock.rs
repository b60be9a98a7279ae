//! The time that a result states.

use anyhow::Context;
use jiff::Timestamp;

/// Now in UTC to the second, as RFC 3339; or the time in `SOURCE_DATE_EPOCH` (seconds since 1970),
/// which makes a result reproducible to the byte.
///
/// # Errors
///
/// If `SOURCE_DATE_EPOCH` is set and no number of seconds, or one far off.
pub fn now_rfc3339() -> anyhow::Result<String> {
    match std::env::var_os("SOURCE_DATE_EPOCH") {
        Some(text) if !text.is_empty() => given(&text.to_string_lossy()),
        _ => Ok(Timestamp::from_second(Timestamp::now().as_second())?.to_string()),
    }
}

fn given(text: &str) -> anyhow::Result<String> {
    let expected = || {
        format!(
            "SOURCE_DATE_EPOCH is {text:?}, expected seconds since 1970 as a whole number, up to the \
             year 9999"
        )
    };
    let seconds = text.parse().with_context(expected)?;
    Ok(Timestamp::from_second(seconds).with_context(expected)?.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_given_time_is_seconds_since_1970() {
        assert_eq!(given("1700000000").unwrap(), "2023-11-14T22:13:20Z");
        for wrong in ["yesterday", "1.5", "9223372036854775807"] {
            let message = given(wrong).unwrap_err().to_string();
            assert!(message.contains(&format!("SOURCE_DATE_EPOCH is {wrong:?}")), "{message}");
        }
    }
}
