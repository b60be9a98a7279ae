//! From the bytes of a body to a checked transaction, or to everything that is wrong with it.
//!
//! A good body is read in one pass by [`one_pass`], which neither builds a tree nor allocates.
//! Whatever that does not like is read again by [`complete`], which knows all the rules: those of
//! Python's json module for the text and those of pydantic's lax mode for the fields.

mod complete;
mod json;
mod lax_float;
mod one_pass;
mod python_json;
mod rejection;

use std::borrow::Cow;

use fraud_core::Transaction;

use self::json::Json;
pub(crate) use self::rejection::{Invalid, Rejection, Report};

/// Reads the transaction in `body`, which came with `content_type`.
///
/// # Errors
///
/// All that is wrong with the body, as `FastAPI` reports it.
pub(crate) fn transaction<'a>(
    content_type: Option<&[u8]>,
    body: &'a [u8],
) -> Result<Transaction, Rejection<'a>> {
    if body.is_empty() {
        return Err(Invalid::NoBody.into());
    }
    if !content_type.is_none_or(is_json) {
        // A form or plain text is one string to FastAPI, and a string has no fields.
        let text = String::from_utf8_lossy(body);
        return Err(Invalid::NotAnObject(Json::String(text)).into());
    }
    let text = std::str::from_utf8(body).map_err(|_| Rejection::Unreadable)?;
    one_pass::transaction(text).map_or_else(|| complete::transaction(text), Ok)
}

/// Whether a content type is `application/json` or `application/…+json`, whatever its parameters.
fn is_json(content_type: &[u8]) -> bool {
    let essence = content_type.split(|&byte| byte == b';').next().unwrap_or_default().trim_ascii();
    let essence: Cow<'_, [u8]> = if essence.iter().any(u8::is_ascii_uppercase) {
        essence.to_ascii_lowercase().into()
    } else {
        essence.into()
    };
    match essence.strip_prefix(b"application/") {
        Some(subtype) => subtype == b"json" || subtype.ends_with(b"+json"),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_types_are_told_apart_as_fastapi_does() {
        // FastAPI 0.165.
        for json in [
            "application/json",
            "application/json; charset=utf-8",
            "application/json;charset=latin-1",
            "APPLICATION/JSON",
            "application/vnd.api+json",
            "application/geo+json",
        ] {
            assert!(is_json(json.as_bytes()), "{json}");
        }
        for other in [
            "",
            "garbage",
            "text/plain",
            "text/json",
            "application/jsonp",
            "application/x-www-form-urlencoded",
            "multipart/form-data",
        ] {
            assert!(!is_json(other.as_bytes()), "{other}");
        }
    }

    #[test]
    fn no_content_type_is_taken_for_json() {
        let Err(Rejection::Invalid(Invalid::Fields { problems, .. })) = transaction(None, b"{}")
        else {
            panic!("read as JSON, it lacks its fields");
        };
        assert_eq!(problems.len(), 30);
    }

    #[test]
    fn bytes_that_are_not_utf8_are_unreadable() {
        let body = b"{\"a\":\"\xff\"}";
        assert!(matches!(transaction(None, body), Err(Rejection::Unreadable)));
        assert!(matches!(
            transaction(Some(b"text/plain"), body),
            Err(Rejection::Invalid(Invalid::NotAnObject(_)))
        ));
    }
}
