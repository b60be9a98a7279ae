//! Whether a file is what was asked for: its digest, its columns, its rows.

use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::str::FromStr;

use anyhow::{Context, bail};
use fraud_core::{FEATURES, LABEL, N_FEATURES};
use sha2::{Digest, Sha256};

use super::Fetched;

/// The 30 features and the label.
const N_COLUMNS: usize = N_FEATURES + 1;

/// More than any row has, by far: what has no line breaks is not read into memory whole.
const MAX_LINE: u64 = 1 << 16;

/// A SHA-256, as 64 hexadecimal digits in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sha256Digest(String);

impl FromStr for Sha256Digest {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Ok(Self(text.to_ascii_lowercase()));
        }
        Err(format!(
            "expected 64 hexadecimal digits, as sha256sum prints them, found {} characters",
            text.chars().count()
        ))
    }
}

impl fmt::Display for Sha256Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How many rows a file must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExpectedRows {
    /// At least one.
    Any,
    /// So many.
    Exactly(u64),
}

impl FromStr for ExpectedRows {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match (text, text.parse()) {
            ("any", _) => Ok(Self::Any),
            (_, Ok(rows)) if rows > 0 => Ok(Self::Exactly(rows)),
            _ => Err("expected a number of at least 1, or any".to_owned()),
        }
    }
}

impl fmt::Display for ExpectedRows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("any"),
            Self::Exactly(rows) => rows.fmt(f),
        }
    }
}

/// What is wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckError {
    /// Nothing at all.
    #[error("it is empty, expected a CSV file with the columns Time, V1 … V28, Amount and Class")]
    Empty,
    /// What a browser would show: often a page to log in at, or an error with status 200.
    #[error("it is an HTML page, expected a CSV file")]
    Html,
    /// Other columns.
    #[error("its header {0}; expected the columns Time, V1 … V28, Amount and Class")]
    Header(String),
    /// Another digest.
    #[error("its SHA-256 is {found}, expected {expected}")]
    Sha256 {
        /// What was asked for.
        expected: Sha256Digest,
        /// What came.
        found: Sha256Digest,
    },
    /// A row that is too short, too long, or has a gap.
    #[error("line {line} has {found} fields that are not empty, expected {N_COLUMNS}")]
    Fields {
        /// Counted from 1, the header being the first.
        line: u64,
        /// Fields with something in them.
        found: usize,
    },
    /// A line too long for a table.
    #[error("line {line} has more than {MAX_LINE} bytes, expected a row of {N_COLUMNS} fields")]
    Line {
        /// Counted from 1, the header being the first.
        line: u64,
    },
    /// Too few rows, or too many.
    #[error("it has {found} rows, expected {expected} (--rows any accepts every number but 0)")]
    Rows {
        /// What was asked for.
        expected: String,
        /// What came.
        found: u64,
    },
}

/// Reads the file once, from start to end.
pub(super) fn check(
    path: &Path,
    sha256: Option<&Sha256Digest>,
    rows: ExpectedRows,
) -> anyhow::Result<Fetched> {
    let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut file = BufReader::with_capacity(1 << 20, file);
    let mut hasher = Sha256::new();
    let mut line = Vec::new();
    let mut bytes = 0;
    let mut lines = 0;
    // The digest says most, the file may have to be read whole to know it, and other faults wait.
    let mut fault = None;
    loop {
        line.clear();
        let read = (&mut file)
            .take(MAX_LINE)
            .read_until(b'\n', &mut line)
            .with_context(|| format!("cannot read {}", path.display()))?;
        if read == 0 {
            break;
        }
        hasher.update(&line);
        bytes += read as u64;
        lines += 1;
        if fault.is_none() {
            fault = check_line(lines, &line).err();
        }
    }
    let found = Sha256Digest(
        hasher
            .finalize()
            .iter()
            .fold(String::new(), |digits, byte| digits + &format!("{byte:02x}")),
    );
    match (fault, sha256) {
        (Some(CheckError::Html), _) => bail!(CheckError::Html),
        (_, Some(expected)) if *expected != found => {
            bail!(CheckError::Sha256 { expected: expected.clone(), found })
        }
        (Some(fault), _) => bail!(fault),
        (None, _) if lines == 0 => bail!(CheckError::Empty),
        (None, _) => {}
    }
    let fetched = Fetched { bytes, rows: lines - 1, sha256: found };
    let expected = match rows {
        ExpectedRows::Exactly(rows) if rows != fetched.rows => rows.to_string(),
        ExpectedRows::Any if fetched.rows == 0 => "at least 1".to_owned(),
        _ => return Ok(fetched),
    };
    bail!(CheckError::Rows { expected, found: fetched.rows })
}

fn check_line(number: u64, line: &[u8]) -> Result<(), CheckError> {
    if number == 1 && line.trim_ascii_start().starts_with(b"<") {
        return Err(CheckError::Html);
    }
    if line.len() as u64 == MAX_LINE {
        return Err(CheckError::Line { line: number });
    }
    let line = line.trim_ascii_end();
    if number == 1 {
        return check_header(&String::from_utf8_lossy(line));
    }
    let (mut fields, mut found) = (0, 0);
    for field in line.split(|&byte| byte == b',') {
        fields += 1;
        found += usize::from(!field.is_empty());
    }
    if found != N_COLUMNS || fields != N_COLUMNS {
        return Err(CheckError::Fields { line: number, found });
    }
    Ok(())
}

fn check_header(header: &str) -> Result<(), CheckError> {
    let names: Vec<&str> = header.split(',').map(|name| name.trim_matches('"')).collect();
    let expected = || FEATURES.into_iter().chain([LABEL]);
    let missing: Vec<&str> = expected().filter(|name| !names.contains(name)).collect();
    let other: Vec<&str> =
        names.iter().copied().filter(|name| !expected().any(|known| known == *name)).collect();
    let fault = if !missing.is_empty() {
        format!("lacks {}", missing.join(", "))
    } else if !other.is_empty() {
        format!("also has {}", other.join(", "))
    } else if names.len() != N_COLUMNS {
        format!("has {} names, some of them twice", names.len())
    } else {
        return Ok(());
    };
    Err(CheckError::Header(shortened(fault)))
}

/// A header may be anything, so only the start of it is repeated.
fn shortened(text: String) -> String {
    match text.char_indices().nth(200) {
        Some((end, _)) => format!("{} …", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_and_rows_are_read_or_refused() {
        let digest: Sha256Digest = "AB".repeat(32).parse().unwrap();
        assert_eq!(digest.to_string(), "ab".repeat(32));
        for text in ["", "abc", &"g".repeat(64)] {
            assert!(text.parse::<Sha256Digest>().unwrap_err().contains("64 hexadecimal digits"));
        }
        assert_eq!("any".parse(), Ok(ExpectedRows::Any));
        assert_eq!("284807".parse(), Ok(ExpectedRows::Exactly(284_807)));
        assert!("0".parse::<ExpectedRows>().is_err());
        assert!("all".parse::<ExpectedRows>().is_err());
    }

    #[test]
    fn a_header_is_the_31_names_in_any_order_quoted_or_not() {
        let mut names: Vec<String> =
            FEATURES.into_iter().chain([LABEL]).map(|name| format!("\"{name}\"")).collect();
        assert_eq!(check_header(&names.join(",")), Ok(()));
        names.reverse();
        assert_eq!(check_header(&names.join(",").replace('"', "")), Ok(()));

        let message = |names: &[String]| check_header(&names.join(",")).unwrap_err().to_string();
        assert!(message(&names[1..]).starts_with("its header lacks Class; expected"));
        names.push("Fee".to_owned());
        assert!(message(&names).starts_with("its header also has Fee; expected"));
        names[31] = "Class".to_owned();
        assert!(message(&names).starts_with("its header has 32 names, some of them twice"));
        assert!(message(&["x".repeat(100_000)]).len() < 400);
    }

    #[test]
    fn a_row_has_31_fields() {
        let row = |fields: usize| vec!["1"; fields].join(",").into_bytes();
        assert_eq!(check_line(2, &row(31)), Ok(()));
        assert_eq!(check_line(2, &[&row(31)[..], b"\r\n"].concat()), Ok(()));
        assert_eq!(check_line(7, &row(30)), Err(CheckError::Fields { line: 7, found: 30 }));
        assert_eq!(check_line(7, b"\n"), Err(CheckError::Fields { line: 7, found: 0 }));
        let gap = [&row(30)[..], b","].concat();
        assert_eq!(check_line(7, &gap), Err(CheckError::Fields { line: 7, found: 30 }));
        let long = vec![b'1'; 1 << 16];
        assert_eq!(check_line(7, &long), Err(CheckError::Line { line: 7 }));
    }
}
