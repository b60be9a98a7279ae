//! Rows as the Kaggle file writes them: header and class in quotes, whole numbers without a point.

use std::io::{self, Write};

use fraud_core::schema::TIME;
use fraud_core::{FEATURES, LABEL};

use super::Row;

/// The only value of `Time` that R writes in powers of ten, being shorter so.
const SHORTENED: f64 = 100_000.0;

/// Writes the line of names.
pub(super) fn write_header(out: &mut impl Write) -> io::Result<()> {
    for name in FEATURES {
        write!(out, "\"{name}\",")?;
    }
    writeln!(out, "\"{LABEL}\"")
}

/// Appends one row. Numbers have as many digits as it takes to read the same bits back, which the mark
/// of synthetic data needs.
pub(super) fn push_row(text: &mut Vec<u8>, row: &Row) {
    // 24 ns a number where `Display` takes 157 ns, which was most of the time.
    let mut digits = zmij::Buffer::new();
    for (index, &value) in row.values.iter().enumerate() {
        if index == TIME && value == SHORTENED {
            text.extend_from_slice(b"1e+05");
        } else {
            let digits = digits.format_finite(value);
            text.extend_from_slice(digits.strip_suffix(".0").unwrap_or(digits).as_bytes());
        }
        text.push(b',');
    }
    text.extend_from_slice(if row.fraud { b"\"1\"\n" } else { b"\"0\"\n" });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shape_is_that_of_the_kaggle_file() {
        let mut text = Vec::new();
        write_header(&mut text).unwrap();
        let mut row = Row { values: [-1.5; 30], fraud: false };
        row.values[0] = 100_000.0;
        row.values[2] = 0.0;
        row.values[29] = 149.62;
        push_row(&mut text, &row);
        row.values[0] = 100_001.0;
        row.values[28] = f64::from(1_u32 << 20).recip();
        row.values[29] = 2.0;
        row.fraud = true;
        push_row(&mut text, &row);

        let text = String::from_utf8(text).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3);
        assert!(lines[0].starts_with(r#""Time","V1","V2","#));
        assert!(lines[0].ends_with(r#","V28","Amount","Class""#));
        assert!(lines[1].starts_with("1e+05,-1.5,0,-1.5,"));
        assert!(lines[1].ends_with(r#",-1.5,149.62,"0""#));
        assert!(lines[2].starts_with("100001,-1.5,0,-1.5,"));
        assert!(lines[2].ends_with(r#",9.5367431640625e-7,2,"1""#));
    }
}
