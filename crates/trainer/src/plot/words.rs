//! Numbers as people read them: thousands separated, as many digits as mean something, a real minus
//! sign, and a space before the percent sign that no line breaks at.

/// `284807` → `284,807`.
pub(crate) fn thousands(count: u64) -> String {
    let digits = count.to_string();
    let mut out = String::with_capacity(digits.len() * 4 / 3 + 1);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A share in [0, 1] as a percentage of two or three digits: `91.5 %`, `0.65 %`, `0.012 %`. A share
/// below 1 is never rounded up to `100 %`, one above 0 never down to `0 %`.
pub(crate) fn percent(share: f64) -> String {
    let value = 100.0 * share;
    let text = without_zeros(format!("{value:.*}", percent_decimals(value)));
    format!("{text}\u{a0}%")
}

/// As [`percent`], with the zeros at the end, which keep the digits of a column in line: `93.0 %`.
pub(crate) fn percent_in_column(share: f64) -> String {
    let value = 100.0 * share;
    format!("{value:.*}\u{a0}%", percent_decimals(value))
}

/// Digits are chosen by the distance to the nearer of 0 % and 100 %, where the news is.
fn percent_decimals(value: f64) -> usize {
    let distance = value.min(100.0 - value);
    if distance <= 0.0 || distance >= 0.95 { 1 } else { significant_decimals(distance, 2).min(8) }
}

/// A number of any size in four significant digits: `88.35`, `−0.0021`, `25,691`, `1.3e12`.
pub(crate) fn number(value: f64) -> String {
    let size = value.abs();
    let text = if size == 0.0 {
        "0".to_owned()
    } else if !(1e-5..1e9).contains(&size) {
        format!("{size:.3e}")
    } else if size >= 999.5 {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // from 999.5 to 10⁹
        thousands(size.round() as u64)
    } else {
        without_zeros(format!("{size:.*}", significant_decimals(size, 4)))
    };
    if value < 0.0 { format!("\u{2212}{text}") } else { text }
}

/// A number with fixed decimals, for columns and rows of numbers that are compared: `−1,234.50`.
pub(crate) fn fixed(value: f64, decimals: usize) -> String {
    let text = format!("{:.decimals$}", value.abs());
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let whole = whole.parse().map_or_else(|_| number(value.abs()), thousands);
    let sign =
        if value < 0.0 && text.contains(|c| ('1'..='9').contains(&c)) { "\u{2212}" } else { "" };
    if fraction.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
}

/// Decimals that show `digits` significant digits of a number of the size of `value`.
pub(crate) fn decimals_for(value: f64, digits: i32) -> usize {
    if value.is_finite() && value != 0.0 {
        significant_decimals(value.abs(), digits).min(8)
    } else {
        0
    }
}

/// `count` and the noun in the number that fits: `1 alert`, `38 alerts`.
pub(crate) fn counted(count: u64, noun: &str) -> String {
    format!("{} {noun}{}", thousands(count), if count == 1 { "" } else { "s" })
}

/// Decimals that show `digits` significant digits of a positive number.
fn significant_decimals(value: f64, digits: i32) -> usize {
    #[expect(clippy::cast_possible_truncation)] // the exponent of a finite f64 is below 400
    let exponent = value.log10().floor() as i32;
    usize::try_from(digits - 1 - exponent).unwrap_or(0)
}

fn without_zeros(text: String) -> String {
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_separated() {
        let cases = [(0, "0"), (999, "999"), (1_000, "1,000"), (284_807, "284,807")];
        for (count, text) in cases {
            assert_eq!(thousands(count), text);
        }
        assert_eq!(thousands(1_234_567_890), "1,234,567,890");
        assert_eq!(
            (counted(1, "alert"), counted(0, "alert")),
            ("1 alert".into(), "0 alerts".into())
        );
    }

    #[test]
    fn percentages_keep_what_matters() {
        let cases = [
            (0.0, "0"),
            (1.0, "100"),
            (65.0 / 71.0, "91.5"),
            (0.5, "50"),
            (0.012_007, "1.2"),
            (38.0 / 5842.0, "0.65"),
            (0.001_727, "0.17"),
            (0.000_123, "0.012"),
            (0.999_96, "99.996"),
            (0.9949, "99.49"),
        ];
        for (share, text) in cases {
            assert_eq!(percent(share), format!("{text}\u{a0}%"));
        }
        assert_eq!(percent_in_column(0.93), "93.0\u{a0}%");
        assert_eq!(percent_in_column(38.0 / 5842.0), "0.65\u{a0}%");
    }

    #[test]
    fn numbers_have_four_digits_and_a_minus() {
        let cases = [
            (0.0, "0"),
            (88.349_6, "88.35"),
            (-0.002_1, "\u{2212}0.0021"),
            (25_691.16, "25,691"),
            (-1_234.5, "\u{2212}1,235"),
            (1.0, "1"),
            (999.7, "1,000"),
            (1.3e12, "1.300e12"),
        ];
        for (value, text) in cases {
            assert_eq!(number(value), text);
        }
        assert_eq!(fixed(-1_234.5, 2), "\u{2212}1,234.50");
        assert_eq!([fixed(0.0, 0), fixed(-0.001, 2), fixed(2.0, 1)], ["0", "0.00", "2.0"]);
        assert_eq!(
            [decimals_for(1.238, 3), decimals_for(47_487.0, 3), decimals_for(0.0, 3)],
            [2, 0, 0]
        );
    }
}
