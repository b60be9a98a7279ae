//! JSON as Python's json module reads it: what it accepts beyond the standard, and where and why it
//! stops.
//!
//! Follows `Modules/_json.c` of `CPython` 3.11. Differences from `serde_json`: NaN and Infinity are
//! numbers, 1e999 is infinity, a lone surrogate is a character (here U+FFFD), and errors have a
//! position in characters and a wording that clients may know.

use std::borrow::Cow;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::json::Json;

/// Why a text is no JSON.
#[derive(Debug, PartialEq)]
pub(super) enum JsonError {
    /// As Python's `JSONDecodeError`.
    Syntax {
        /// Characters before the place.
        position: usize,
        /// Python's words.
        message: &'static str,
    },
    /// Python has a `RecursionError` then.
    TooDeep,
}

/// Nesting that is read. Python stops somewhat below 1000; here the stack of a worker thread, 2 MiB,
/// sets the limit, with room to spare.
const MAX_DEPTH: usize = 512;

/// Reads one JSON value that fills `text`, but for white space.
pub(super) fn parse(text: &str) -> Result<Json<'_>, JsonError> {
    let mut parser = Parser { text, at: 0 };
    parser.skip_space();
    let value = parser.value(0)?;
    parser.skip_space();
    if parser.at < text.len() {
        return Err(parser.syntax(parser.at, "Extra data"));
    }
    Ok(value)
}

struct Parser<'a> {
    text: &'a str,
    /// In bytes, always between two characters.
    at: usize,
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    fn syntax(&self, at: usize, message: &'static str) -> JsonError {
        JsonError::Syntax { position: self.text[..at].chars().count(), message }
    }

    fn value(&mut self, depth: usize) -> Result<Json<'a>, JsonError> {
        match self.peek() {
            Some(b'{' | b'[') if depth == MAX_DEPTH => Err(JsonError::TooDeep),
            Some(b'"') => Ok(Json::String(self.string()?)),
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            _ => self
                .word()
                .or_else(|| self.number())
                .ok_or_else(|| self.syntax(self.at, "Expecting value")),
        }
    }

    fn word(&mut self) -> Option<Json<'a>> {
        const WORDS: [(&str, Json<'static>); 6] = [
            ("null", Json::Null),
            ("true", Json::Bool(true)),
            ("false", Json::Bool(false)),
            ("NaN", Json::Float(f64::NAN)),
            ("Infinity", Json::Float(f64::INFINITY)),
            ("-Infinity", Json::Float(f64::NEG_INFINITY)),
        ];
        let rest = &self.text[self.at..];
        let (word, value) = WORDS.into_iter().find(|(word, _)| rest.starts_with(word))?;
        self.at += word.len();
        Some(value)
    }

    /// The longest number from here; what follows it is the caller's concern.
    fn number(&mut self) -> Option<Json<'a>> {
        let rest = &self.text[self.at..];
        let digits = |from: usize| {
            rest.as_bytes()[from..].iter().take_while(|byte| byte.is_ascii_digit()).count()
        };
        let byte = |at: usize| rest.as_bytes().get(at).copied();
        let mut end = usize::from(byte(0) == Some(b'-'));
        end += match byte(end)? {
            b'0' => 1,
            b'1'..=b'9' => digits(end),
            _ => return None,
        };
        let whole = end;
        if byte(end) == Some(b'.') {
            let fraction = digits(end + 1);
            if fraction > 0 {
                end += 1 + fraction;
            }
        }
        if let Some(b'e' | b'E') = byte(end) {
            let start = end + 1 + usize::from(matches!(byte(end + 1), Some(b'+' | b'-')));
            let exponent = digits(start);
            if exponent > 0 {
                end = start + exponent;
            }
        }
        self.at += end;
        if end == whole {
            return Some(Json::Int(&rest[..end]));
        }
        rest[..end].parse().ok().map(Json::Float)
    }

    fn array(&mut self, depth: usize) -> Result<Json<'a>, JsonError> {
        self.at += 1;
        let mut items = Vec::new();
        self.skip_space();
        if self.peek() != Some(b']') {
            loop {
                items.push(self.value(depth + 1)?);
                if self.closes(b']')? {
                    break;
                }
            }
        }
        self.at += 1;
        Ok(Json::Array(items))
    }

    fn object(&mut self, depth: usize) -> Result<Json<'a>, JsonError> {
        self.at += 1;
        let mut fields: Vec<(Cow<'a, str>, Json<'a>)> = Vec::new();
        let mut places: HashMap<Cow<'a, str>, usize> = HashMap::new();
        self.skip_space();
        if self.peek() != Some(b'}') {
            loop {
                if self.peek() != Some(b'"') {
                    let message = "Expecting property name enclosed in double quotes";
                    return Err(self.syntax(self.at, message));
                }
                let name = self.string()?;
                self.skip_space();
                if self.peek() != Some(b':') {
                    return Err(self.syntax(self.at, "Expecting ':' delimiter"));
                }
                self.at += 1;
                self.skip_space();
                let value = self.value(depth + 1)?;
                match places.entry(name) {
                    Entry::Occupied(place) => fields[*place.get()].1 = value,
                    Entry::Vacant(place) => {
                        fields.push((place.key().clone(), value));
                        place.insert(fields.len() - 1);
                    }
                }
                if self.closes(b'}')? {
                    break;
                }
            }
        }
        self.at += 1;
        Ok(Json::Object(fields))
    }

    /// After an item: `true` at the closing bracket, `false` past a comma.
    fn closes(&mut self, bracket: u8) -> Result<bool, JsonError> {
        self.skip_space();
        match self.peek() {
            Some(byte) if byte == bracket => Ok(true),
            Some(b',') => {
                self.at += 1;
                self.skip_space();
                Ok(false)
            }
            _ => Err(self.syntax(self.at, "Expecting ',' delimiter")),
        }
    }

    fn string(&mut self) -> Result<Cow<'a, str>, JsonError> {
        let text = self.text;
        let quote = self.at;
        let mut start = quote + 1;
        let mut unescaped = String::new();
        loop {
            let ends = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..=0x1f);
            let Some(length) = text.as_bytes()[start..].iter().position(ends) else {
                return Err(self.syntax(quote, "Unterminated string starting at"));
            };
            let end = start + length;
            let chunk = &text[start..end];
            match text.as_bytes()[end] {
                b'"' => {
                    self.at = end + 1;
                    return Ok(if unescaped.is_empty() {
                        chunk.into()
                    } else {
                        unescaped.push_str(chunk);
                        unescaped.into()
                    });
                }
                b'\\' => {
                    unescaped.push_str(chunk);
                    let (character, length) = self.escape(quote, end)?;
                    unescaped.push(character);
                    start = end + length;
                }
                _ => return Err(self.syntax(end, "Invalid control character at")),
            }
        }
    }

    /// The character that the escape at `at` stands for, and the length of the escape in bytes.
    fn escape(&self, quote: usize, at: usize) -> Result<(char, usize), JsonError> {
        let character = match self.text.as_bytes().get(at + 1) {
            None => return Err(self.syntax(quote, "Unterminated string starting at")),
            Some(b'u') => return self.unicode_escape(at),
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(_) => return Err(self.syntax(at, "Invalid \\escape")),
        };
        Ok((character, 2))
    }

    fn unicode_escape(&self, at: usize) -> Result<(char, usize), JsonError> {
        let unit = self.code_unit(at)?;
        let bytes = self.text.as_bytes();
        // A high surrogate wants a low one; Python looks for it only where a character follows it.
        if (0xd800..0xdc00).contains(&unit)
            && bytes.len() > at + 12
            && bytes[at + 6..].starts_with(b"\\u")
        {
            let low = self.code_unit(at + 6)?;
            if (0xdc00..0xe000).contains(&low) {
                let code = 0x1_0000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
                return Ok((char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER), 12));
            }
        }
        Ok((char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER), 6))
    }

    /// The four hexadecimal digits of the `\u` at `at`; a character must follow them.
    fn code_unit(&self, at: usize) -> Result<u32, JsonError> {
        let digits = self.text.as_bytes().get(at + 2..at + 6);
        digits
            .filter(|_| self.text.len() > at + 6)
            .and_then(|digits| {
                digits
                    .iter()
                    .try_fold(0, |code, &byte| Some(code * 16 + char::from(byte).to_digit(16)?))
            })
            .ok_or_else(|| self.syntax(at + 1, "Invalid \\uXXXX escape"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Positions and words are those of `json.loads` in CPython 3.11.7.
    #[test]
    fn stops_where_python_stops() {
        for (text, position, message) in [
            ("  ", 2, "Expecting value"),
            ("nul", 0, "Expecting value"),
            ("-", 0, "Expecting value"),
            ("-I", 0, "Expecting value"),
            ("+1", 0, "Expecting value"),
            ("\u{b}1", 0, "Expecting value"),
            ("[", 1, "Expecting value"),
            ("[1,", 3, "Expecting value"),
            ("[1,]", 3, "Expecting value"),
            ("{\"a\":}", 5, "Expecting value"),
            ("01", 1, "Extra data"),
            ("1e+", 1, "Extra data"),
            ("0.", 1, "Extra data"),
            ("1e5x", 3, "Extra data"),
            ("1.5.2", 3, "Extra data"),
            ("\"é\" x", 4, "Extra data"),
            ("[1", 2, "Expecting ',' delimiter"),
            ("[1 2]", 3, "Expecting ',' delimiter"),
            ("{\"a\":1 \"b\":2}", 7, "Expecting ',' delimiter"),
            ("{\"a\" 1}", 5, "Expecting ':' delimiter"),
            ("{\"a\"", 4, "Expecting ':' delimiter"),
            ("{", 1, "Expecting property name enclosed in double quotes"),
            ("{,}", 1, "Expecting property name enclosed in double quotes"),
            ("{'a':1}", 1, "Expecting property name enclosed in double quotes"),
            ("{\"a\":1,", 7, "Expecting property name enclosed in double quotes"),
            ("{\"a\":\"b", 5, "Unterminated string starting at"),
            ("\"\\", 0, "Unterminated string starting at"),
            ("{\"a\":\"\u{1}\"}", 6, "Invalid control character at"),
            ("{\"a\":\"\\x\"}", 6, "Invalid \\escape"),
            ("{\"a\":\"\\u12\"}", 7, "Invalid \\uXXXX escape"),
            ("\"\\u123", 2, "Invalid \\uXXXX escape"),
            ("\"\\u+123\"", 2, "Invalid \\uXXXX escape"),
            ("{\"a\":\"\\ud83d\\u00zz\"}", 13, "Invalid \\uXXXX escape"),
            ("\"\\ud83d\\ude0", 8, "Invalid \\uXXXX escape"),
        ] {
            assert_eq!(parse(text), Err(JsonError::Syntax { position, message }), "{text}");
        }
    }

    #[test]
    fn reads_what_the_standard_has() {
        let text =
            r#" {"a": [1, -2.5e-1, "x\n\u00e9\ud83d\ude00\/", null, {}], "b": [], "c": true} "#;
        let expected: serde_json::Value = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_value(parse(text).unwrap()).unwrap(), expected);
    }

    #[test]
    fn reads_what_only_python_has() {
        assert_eq!(parse("-Infinity"), Ok(Json::Float(f64::NEG_INFINITY)));
        assert_eq!(parse("1e999"), Ok(Json::Float(f64::INFINITY)));
        assert_eq!(parse("\"\\ud83dx\""), Ok(Json::String("\u{fffd}x".into())));
        assert_eq!(parse("\"\\ud83d\\u0041\""), Ok(Json::String("\u{fffd}A".into())));
    }

    #[test]
    fn the_last_value_takes_the_first_place() {
        let json = serde_json::to_string(&parse(r#"{"b":1,"a":2,"b":3}"#).unwrap()).unwrap();
        assert_eq!(json, r#"{"b":3,"a":2}"#);
    }

    #[test]
    fn the_deepest_nesting_fits_the_stack_of_a_worker() {
        let deepest = format!("{}{}", "[".repeat(MAX_DEPTH), "]".repeat(MAX_DEPTH));
        assert_eq!(serde_json::to_string(&parse(&deepest).unwrap()).unwrap(), deepest);
        assert_eq!(parse(&format!("[{deepest}]")), Err(JsonError::TooDeep));
    }
}
