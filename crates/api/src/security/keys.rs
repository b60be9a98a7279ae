//! Keys of callers: known by their SHA-256 only, compared in constant time, several at once.

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use actix_web::http::header::{self, HeaderMap, HeaderName};
use anyhow::{Context as _, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use sha2::{Digest as _, Sha256};
use subtle::{ConditionallySelectable as _, ConstantTimeEq as _};

const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// Longest name of a key, in bytes.
const LONGEST_NAME: usize = 64;

/// The keys that are accepted, at least one.
#[derive(Debug)]
pub(crate) struct Keys(Vec<Key>);

#[derive(Debug)]
struct Key {
    name: Arc<str>,
    sha256: [u8; 32],
}

/// Why a request is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// It shows no key.
    Missing,
    /// It shows one that nobody has.
    Unknown,
}

impl Keys {
    /// The keys of a file and of a list that is separated by commas; none if neither is given.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, an entry is none, or there is no entry. The text names the place
    /// and never what stands there: it might be a key.
    pub(crate) fn load(file: Option<&Path>, list: Option<&str>) -> anyhow::Result<Option<Self>> {
        if file.is_none() && list.is_none() {
            return Ok(None);
        }
        let mut keys = Vec::new();
        let mut places = HashMap::new();
        let mut add = |entry: &str, place: String| -> anyhow::Result<()> {
            let key = Key::parse(entry).with_context(|| place.clone())?;
            if let Some(first) = places.get(&key.sha256) {
                bail!("{place}: the hash of {first} once more");
            }
            places.insert(key.sha256, place);
            keys.push(key);
            Ok(())
        };
        if let Some(file) = file {
            let shown = file.display();
            let text = std::fs::read_to_string(file)
                .with_context(|| format!("cannot read the keys of --api-keys-file {shown}"))?;
            for (number, line) in text.lines().enumerate() {
                let line = line.trim();
                if !line.is_empty() && !line.starts_with('#') {
                    add(line, format!("{shown}, line {}", number + 1))?;
                }
            }
        }
        for (number, entry) in list.into_iter().flat_map(|list| list.split(',')).enumerate() {
            let entry = entry.trim();
            if !entry.is_empty() {
                add(entry, format!("FRAUD_API_KEYS, entry {}", number + 1))?;
            }
        }
        ensure!(
            !keys.is_empty(),
            "--api-keys-file and FRAUD_API_KEYS hold no key, so nobody could call; add a line \
             NAME:sha256:HEX, or leave both out"
        );
        Ok(Some(Self(keys)))
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The name of the key that a request shows.
    ///
    /// # Errors
    ///
    /// If it shows none, or one that is not known.
    pub(crate) fn name(&self, headers: &HeaderMap) -> Result<&Arc<str>, Refused> {
        let given = shown(headers).ok_or(Refused::Missing)?;
        let given: [u8; 32] = Sha256::digest(given).into();
        // Every hash is compared to its end, so that the time tells nothing about which one it is.
        let mut found = u32::MAX;
        for (place, key) in (0_u32..).zip(&self.0) {
            found.conditional_assign(&place, key.sha256.ct_eq(&given));
        }
        let key = usize::try_from(found).ok().and_then(|place| self.0.get(place));
        key.map(|key| &key.name).ok_or(Refused::Unknown)
    }
}

/// The key of `Authorization: Bearer KEY`, else that of `X-Api-Key: KEY`. Browsers ask people for a name
/// and a password and send `Authorization: Basic …`: there the password is the key.
fn shown(headers: &HeaderMap) -> Option<Cow<'_, [u8]>> {
    let of_scheme = |scheme: &str| {
        let value = headers.get(header::AUTHORIZATION)?.as_bytes();
        let (given, rest) = value.split_at_checked(scheme.len())?;
        given.eq_ignore_ascii_case(scheme.as_bytes()).then(|| rest.trim_ascii())
    };
    let of_basic = || {
        let pair = BASE64.decode(of_scheme("Basic ")?).ok()?;
        let colon = pair.iter().position(|byte| *byte == b':')?;
        Some(Cow::Owned(pair[colon + 1..].to_vec()))
    };
    let of_header = || headers.get(API_KEY).map(|value| value.as_bytes().trim_ascii().into());
    let key = of_scheme("Bearer ").map(Cow::Borrowed).or_else(of_header).or_else(of_basic)?;
    (!key.is_empty()).then_some(key)
}

impl Key {
    fn parse(entry: &str) -> anyhow::Result<Self> {
        const EXPECTED: &str = "expected NAME:sha256:HEX";
        let (name, rest) =
            entry.split_once(':').with_context(|| format!("no colon; {EXPECTED}"))?;
        ensure!(
            !name.is_empty()
                && name.len() <= LONGEST_NAME
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.@".contains(&byte)),
            "the name is not 1 to {LONGEST_NAME} letters, digits, or - _ . @; {EXPECTED}"
        );
        let hex = rest
            .strip_prefix("sha256:")
            .with_context(|| format!("no sha256: after the name; {EXPECTED}"))?;
        let sha256 = from_hex(hex).with_context(|| {
            format!(
                "the hash has {} characters; expected 64 hexadecimal digits, as \
                 printf %s KEY | sha256sum prints them",
                hex.chars().count()
            )
        })?;
        Ok(Self { name: name.into(), sha256 })
    }
}

fn from_hex(text: &str) -> Option<[u8; 32]> {
    let digits = text.as_bytes();
    let mut bytes = [0; 32];
    if digits.len() != 2 * bytes.len() {
        return None;
    }
    let value = |digit: u8| char::from(digit).to_digit(16).and_then(|d| u8::try_from(d).ok());
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = value(pair[0])? << 4 | value(pair[1])?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    /// `printf %s abc | sha256sum`, the example of FIPS 180-2, and `printf %s hello | sha256sum`.
    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    const HELLO: &str = "2CF24DBA5FB0A30E26E83B2AC5B9E29E1B161E5C1FA7425E73043362938B9824";

    fn keys(list: &str) -> Keys {
        Keys::load(None, Some(list)).unwrap().unwrap()
    }

    fn asked(keys: &Keys, headers: &[(HeaderName, &str)]) -> Result<String, Refused> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(name.clone(), HeaderValue::from_str(value).unwrap());
        }
        keys.name(&map).map(ToString::to_string)
    }

    #[test]
    fn both_headers_and_all_keys_are_accepted() {
        let keys = keys(&format!("shop:sha256:{ABC}, till-2:sha256:{HELLO},"));
        assert_eq!(keys.len(), 2);
        for (headers, name) in [
            (&[(header::AUTHORIZATION, "Bearer abc")][..], "shop"),
            (&[(header::AUTHORIZATION, "bearer  hello")], "till-2"),
            (&[(API_KEY, "abc")], "shop"),
            (&[(header::AUTHORIZATION, "Basic YTpi"), (API_KEY, "hello")], "till-2"),
        ] {
            assert_eq!(asked(&keys, headers), Ok(name.to_owned()), "{headers:?}");
        }
    }

    #[test]
    fn others_are_refused() {
        let keys = keys(&format!("shop:sha256:{ABC}"));
        for (headers, refused) in [
            (&[][..], Refused::Missing),
            (&[(header::AUTHORIZATION, "Bearer ")], Refused::Missing),
            (&[(header::AUTHORIZATION, "Basic abc")], Refused::Missing),
            (&[(API_KEY, "")], Refused::Missing),
            (&[(API_KEY, "abd")], Refused::Unknown),
            (&[(API_KEY, "shop")], Refused::Unknown),
            (&[(API_KEY, ABC)], Refused::Unknown),
            // The first that is shown counts.
            (&[(header::AUTHORIZATION, "Bearer x"), (API_KEY, "abc")], Refused::Unknown),
        ] {
            assert_eq!(asked(&keys, headers), Err(refused), "{headers:?}");
        }
    }

    #[test]
    fn a_file_is_read_with_comments_and_several_keys_a_name() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let text = format!("# callers\r\n\n  shop:sha256:{ABC}\r\nshop:sha256:{HELLO}\n");
        std::fs::write(file.path(), text).unwrap();
        let keys = Keys::load(Some(file.path()), None).unwrap().unwrap();
        assert_eq!(asked(&keys, &[(API_KEY, "hello")]), Ok("shop".to_owned()));
        assert!(Keys::load(None, None).unwrap().is_none());
    }

    #[test]
    fn what_is_wrong_is_named_by_its_place_and_never_shown() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for (line, said) in [
            ("secret", "no colon; expected NAME:sha256:HEX"),
            ("shop:secret", "no sha256: after the name; expected NAME:sha256:HEX"),
            ("shop:sha256:secret", "the hash has 6 characters; expected 64 hexadecimal digits"),
            ("a secret:sha256:00", "the name is not 1 to 64 letters, digits, or - _ . @"),
            (&format!("b:sha256:{ABC}"), "the hash of FILE, line 2 once more"),
            (&format!("b:sha256:{ABC}  -"), "the hash has 67 characters"),
            (&format!("b:sha256:{}", "gé".repeat(32)), "the hash has 64 characters"),
        ] {
            std::fs::write(file.path(), format!("#\na:sha256:{ABC}\n{line}\n")).unwrap();
            let error = format!("{:#}", Keys::load(Some(file.path()), None).unwrap_err());
            let error = error.replace(&file.path().display().to_string(), "FILE");
            assert!(error.starts_with(&format!("FILE, line 3: {said}")), "{error}");
            assert!(!error.contains("secret") && !error.contains(ABC), "{error}");
        }
        std::fs::write(file.path(), "# nobody\n").unwrap();
        let error = Keys::load(Some(file.path()), Some("")).unwrap_err().to_string();
        assert!(error.contains("hold no key"), "{error}");
        let error = format!("{:#}", Keys::load(None, Some("x")).unwrap_err());
        assert!(error.starts_with("FRAUD_API_KEYS, entry 1: no colon"), "{error}");
        let error = format!("{:#}", Keys::load(Some(Path::new("absent")), None).unwrap_err());
        assert!(error.contains("--api-keys-file absent: No such file"), "{error}");
    }
}
