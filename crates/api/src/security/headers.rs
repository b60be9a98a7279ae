//! Headers that tell browsers to trust nothing; a route that serves a page may set its own.

use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};

/// For what a browser may show as a document, unless the route has set it. JSON is none: nothing in it
/// runs, and it may not be taken for anything else.
const DOCUMENTS: [(HeaderName, HeaderValue); 3] = [
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"),
    ),
];

/// A content type is what it says.
const NO_SNIFFING: HeaderValue = HeaderValue::from_static("nosniff");
/// Answers are about somebody's transaction.
const NOT_KEPT: HeaderValue = HeaderValue::from_static("no-store");
/// A year of HTTPS only, said over HTTPS.
const HTTPS_ONLY: HeaderValue = HeaderValue::from_static("max-age=31536000");

/// Adds what is missing.
pub(crate) fn add(headers: &mut HeaderMap, is_tls: bool) {
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, NO_SNIFFING);
    if headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind == "application/json") {
        add_one(headers, header::CACHE_CONTROL, NOT_KEPT);
    } else {
        for (name, value) in DOCUMENTS {
            add_one(headers, name, value);
        }
    }
    if is_tls {
        add_one(headers, header::STRICT_TRANSPORT_SECURITY, HTTPS_ONLY);
    }
}

fn add_one(headers: &mut HeaderMap, name: HeaderName, value: HeaderValue) {
    if !headers.contains_key(&name) {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_keeps_its_own_policy_and_json_is_not_stored() {
        let mut page = HeaderMap::new();
        let own = HeaderValue::from_static("default-src 'self'");
        page.insert(header::CONTENT_SECURITY_POLICY, own.clone());
        page.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html"));
        add(&mut page, false);
        assert_eq!(page.get_all(header::CONTENT_SECURITY_POLICY).collect::<Vec<_>>(), [&own]);
        assert_eq!(page.get(header::X_CONTENT_TYPE_OPTIONS).unwrap(), "nosniff");
        assert!(!page.contains_key(header::CACHE_CONTROL));
        assert!(!page.contains_key(header::STRICT_TRANSPORT_SECURITY));

        let mut json = HeaderMap::new();
        json.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        add(&mut json, true);
        assert_eq!(json.get(header::CACHE_CONTROL).unwrap(), "no-store");
        assert_eq!(json.get(header::STRICT_TRANSPORT_SECURITY).unwrap(), "max-age=31536000");
        assert_eq!(json.len(), 4);
    }
}
