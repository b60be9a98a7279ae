//! A string as a float, in the forms that pydantic's lax mode takes.

/// The number in `text`, or `None`. It may be infinite or NaN ("inf", "nan", "1e999").
///
/// Space around the number is allowed and so are single underscores within it, though not both at
/// once; that, and every other corner, is as pydantic 2.14 does it.
pub(super) fn parse(text: &str) -> Option<f64> {
    text.trim().parse().ok().or_else(|| {
        let misplaced = text.starts_with('_') || text.ends_with('_') || text.contains("__");
        if misplaced || !text.contains('_') {
            return None;
        }
        text.replace('_', "").parse().ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    // Every row is what pydantic 2.14.3 makes of it, `TypeAdapter(float).validate_python`.

    #[test]
    fn accepted_as_by_pydantic() {
        for (text, value) in [
            ("1.5", 1.5),
            (" 1.5 ", 1.5),
            ("\t1.5\n", 1.5),
            ("\u{a0}1.5", 1.5),
            ("\u{2003} 1.5", 1.5),
            ("\u{85}1", 1.0),
            ("1e3", 1e3),
            ("+1.5", 1.5),
            (".5", 0.5),
            ("5.", 5.0),
            ("1_000.5", 1000.5),
            ("1_.5", 1.5),
            ("1._5", 1.5),
            ("1e1_0", 1e10),
            ("1e+_5", 1e5),
            ("-_1", -1.0),
            ("inf", f64::INFINITY),
            ("in_f", f64::INFINITY),
            ("-Infinity", f64::NEG_INFINITY),
            ("1e999", f64::INFINITY),
        ] {
            assert_eq!(parse(text), Some(value), "{text:?}");
        }
        for nan in ["nan", "NaN", "nan ", "+nan"] {
            assert!(parse(nan).is_some_and(f64::is_nan), "{nan:?}");
        }
    }

    #[test]
    fn refused_as_by_pydantic() {
        for text in [
            "",
            "  ",
            "_",
            "_1",
            "1_",
            "1__0",
            " 1_0 ",
            " _1",
            "1 _",
            "1e5_",
            "0x10",
            "0b1",
            "1,5",
            "1 2",
            "+ 1",
            "--1",
            "1e",
            "e1",
            ".",
            "-.",
            "1d5",
            "snan",
            "infin",
            "true",
            "１",
            "\u{661}",
            "\u{1f}1",
            "\u{200b}1",
            "\u{feff}1",
            "1\0",
        ] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }
}
