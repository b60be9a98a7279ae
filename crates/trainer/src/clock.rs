//! The time that a result states.

use anyhow::Context;
use jiff::Timestamp;

/// Now in UTC to the second, as RFC 3339; or the time in `SOURCE_DATE_EPOCH` (seconds since 1970),
/// which makes a result reproducible to the byte.
///
/// # Errors
///
/// If `SOURCE_DATE_EPOCH` is set and no number of seconds.
pub fn now_rfc3339() -> anyhow::Result<String> {
    let seconds = match std::env::var("SOURCE_DATE_EPOCH") {
        Ok(text) => text.parse().with_context(|| {
            format!("SOURCE_DATE_EPOCH is {text:?}, expected seconds since 1970 as a whole number")
        })?,
        Err(_) => Timestamp::now().as_second(),
    };
    Ok(Timestamp::from_second(seconds)?.to_string())
}
