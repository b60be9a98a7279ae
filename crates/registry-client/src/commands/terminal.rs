//! What commands print: tables that fit 100 columns, JSON, times.

use std::io::{ErrorKind, Write as _};

use anyhow::Context;
use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use jiff::Timestamp;
use serde::Serialize;

/// What stands for something that is not there.
pub(super) const NOTHING: &str = "—";

/// Columns that a table takes at most; longer texts are wrapped.
const WIDTH: u16 = 100;

/// A table with a heading for each column, ending with a newline. The columns in `right` are aligned
/// to the right.
pub(super) fn table<const N: usize>(
    header: [&str; N],
    right: impl IntoIterator<Item = usize>,
    rows: impl IntoIterator<Item = [String; N]>,
) -> String {
    let mut table = Table::new();
    table.set_header(header);
    filled(table, right, rows)
}

/// Names and values side by side, ending with a newline.
pub(super) fn list<N: Into<String>>(rows: impl IntoIterator<Item = (N, String)>) -> String {
    filled(Table::new(), [], rows.into_iter().map(|(name, value)| [name.into(), value]))
}

fn filled<const N: usize>(
    mut table: Table,
    right: impl IntoIterator<Item = usize>,
    rows: impl IntoIterator<Item = [String; N]>,
) -> String {
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(WIDTH);
    for row in rows {
        table.add_row(row.map(|cell| visible(&cell)));
    }
    for column in right {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let text = table.to_string();
    text.lines().flat_map(|line| [line.trim_end(), "\n"]).collect()
}

/// A text as it can be shown: names and tags come from elsewhere, and must not steer the terminal.
pub(super) fn visible(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' { '\u{fffd}' } else { c }).collect()
}

/// The first characters of a text, with a mark if that is not all.
pub(super) fn cut(text: &str, longest: usize) -> String {
    match text.char_indices().nth(longest) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// The beginning of an id or digest, which is enough to tell a few apart.
pub(super) fn short(id: &str) -> &str {
    const SHOWN: usize = 8;
    let id = id.strip_prefix("sha256:").unwrap_or(id);
    id.char_indices().nth(SHOWN).map_or(id, |(end, _)| &id[..end])
}

/// A text, or a dash for none.
pub(super) fn or_nothing(text: &str) -> String {
    if text.is_empty() { NOTHING.to_owned() } else { text.to_owned() }
}

/// A measure with four digits after the point; one that would be 0 so, with its first digits.
pub(super) fn measure(value: Option<f64>) -> String {
    value.map_or_else(|| NOTHING.to_owned(), |value| signed(value, ""))
}

/// A difference, with its sign.
pub(super) fn difference(value: Option<f64>) -> String {
    value.map_or_else(|| NOTHING.to_owned(), |value| signed(value, "+"))
}

fn signed(value: f64, plus: &str) -> String {
    let size = value.abs();
    let sign = if value < 0.0 {
        "−"
    } else if value > 0.0 {
        plus
    } else {
        ""
    };
    if value == 0.0 {
        "0".to_owned()
    } else if !value.is_finite() {
        value.to_string()
    } else if !(0.001..1e6).contains(&size) {
        format!("{sign}{size:.3e}")
    } else {
        format!("{sign}{size:.4}")
    }
}

/// A count with thousands separators: 284,807.
pub(super) fn thousands(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Milliseconds since 1970 as `2026-11-24 04:37`, UTC; a dash for 0.
pub(super) fn minute(millis: i64) -> String {
    time(millis, "%Y-%m-%d %H:%M")
}

/// Milliseconds since 1970 as `2026-11-24 04:37:51 UTC`; a dash for 0.
pub(super) fn second(millis: i64) -> String {
    time(millis, "%Y-%m-%d %H:%M:%S UTC")
}

fn time(millis: i64, format: &str) -> String {
    match Timestamp::from_millisecond(millis) {
        Ok(time) if millis != 0 => time.strftime(format).to_string(),
        _ => NOTHING.to_owned(),
    }
}

/// Milliseconds since 1970 as RFC 3339, for JSON; `None` for 0.
pub(super) fn rfc3339(millis: i64) -> Option<String> {
    let time = Timestamp::from_millisecond(millis).ok().filter(|_| millis != 0)?;
    Some(format!("{time:.3}"))
}

/// How long something took: `0.5 s`, `12 min 05 s`, `3 h 20 min`.
pub(super) fn duration(millis: i64) -> String {
    let seconds = millis / 1_000;
    match seconds {
        ..60 => format!("{:.1} s", millis as f64 / 1_000.0),
        60..3_600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        _ => format!("{} h {:02} min", seconds / 3_600, seconds / 60 % 60),
    }
}

/// Prints a result on stdout. A reader that has gone away had enough, which is no error.
///
/// # Errors
///
/// If it cannot be written, as to a file on a full disk.
pub(super) fn print(text: &str) -> anyhow::Result<()> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        result => result.context("cannot print the result on stdout"),
    }
}

/// Prints a result as JSON, ending with a newline.
///
/// # Errors
///
/// As [`print`].
pub(super) fn print_json(value: &impl Serialize) -> anyhow::Result<()> {
    let mut text = serde_json::to_string_pretty(value).context("cannot write the JSON")?;
    text.push('\n');
    print(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_first_digits() {
        let shown = [0.0, 0.895_42, 0.000_021_5, 94_706.406, 2e7, f64::NAN].map(Some).map(measure);
        assert_eq!(shown, ["0", "0.8954", "2.150e-5", "94706.4060", "2.000e7", "NaN"]);
        assert_eq!(measure(None), "—");
        let shown = [0.01, -0.01, -1e-9, 0.0].map(Some).map(difference);
        assert_eq!(shown, ["+0.0100", "−0.0100", "−1.000e-9", "0"]);
        assert_eq!([999, 284_807, 1_234_567].map(thousands), ["999", "284,807", "1,234,567"]);
    }

    #[test]
    fn times_are_those_of_utc() {
        assert_eq!(minute(1_700_000_000_123), "2023-11-14 22:13");
        assert_eq!(second(1_700_000_000_123), "2023-11-14 22:13:20 UTC");
        assert_eq!(rfc3339(1_700_000_000_123).unwrap(), "2023-11-14T22:13:20.123Z");
        assert_eq!((minute(0), rfc3339(0)), ("—".to_owned(), None));
        let shown = [480, 59_999, 725_000, 12_000_000].map(duration);
        assert_eq!(shown, ["0.5 s", "60.0 s", "12 min 05 s", "3 h 20 min"]);
    }

    #[test]
    fn tables_are_narrow_and_no_name_steers_the_terminal() {
        let row = ["\u{1b}[31mred".to_owned(), "word ".repeat(60), "1".to_owned()];
        let text = table(["name", "text", "n"], [2], [row]);
        assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
        assert!(!text.contains('\u{1b}') && text.contains("\u{fffd}[31mred"), "{text}");
        assert!(text.ends_with('\n') && !text.contains(" \n"), "{text}");
        assert_eq!(cut("héllo", 2), "hé…");
        assert_eq!(short("sha256:0123456789"), "01234567");
    }
}
