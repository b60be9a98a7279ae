//! The elements of one JSON array, without reading the array.

use super::{LONGEST_ROW, Refusal, Sink, json_row};

/// Where in the array it is.
#[derive(Debug, Default, PartialEq, Eq)]
enum Place {
    /// Before `[`.
    #[default]
    Before,
    /// After `[`, where `]` may follow.
    First,
    /// In an element, or between elements.
    Within,
    /// After `]`.
    After,
}

/// Finds the ends of the elements by counting brackets outside of strings. Whether an element is JSON
/// is for its reader to say.
#[derive(Debug, Default)]
pub(crate) struct Splitter {
    place: Place,
    element: Vec<u8>,
    depth: usize,
    in_string: bool,
    escaped: bool,
}

impl Splitter {
    pub(super) fn push(&mut self, piece: &[u8], sink: &mut impl Sink) -> Result<(), Refusal> {
        for &byte in piece {
            let is_space = matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
            match self.place {
                Place::Before | Place::First | Place::After if is_space => {}
                Place::Before if byte == b'[' => self.place = Place::First,
                Place::Before => return Err(expected_array()),
                Place::First if byte == b']' => self.place = Place::After,
                Place::First => {
                    self.place = Place::Within;
                    self.within(byte, sink)?;
                }
                Place::Within => self.within(byte, sink)?,
                Place::After => {
                    return Err(Refusal::Malformed("there is more after the array".to_owned()));
                }
            }
        }
        Ok(())
    }

    fn within(&mut self, byte: u8, sink: &mut impl Sink) -> Result<(), Refusal> {
        if self.in_string {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = true,
                b'"' => self.in_string = false,
                _ => {}
            }
        } else {
            match byte {
                b'"' => self.in_string = true,
                b'[' | b'{' => self.depth += 1,
                b']' | b',' if self.depth == 0 => {
                    self.end(sink)?;
                    if byte == b']' {
                        self.place = Place::After;
                    }
                    return Ok(());
                }
                // One too many is left to the element's reader.
                b']' | b'}' => self.depth = self.depth.saturating_sub(1),
                _ => {}
            }
        }
        if self.element.len() == LONGEST_ROW {
            return Err(Refusal::LongRow { row: sink.rows() + 1 });
        }
        self.element.push(byte);
        Ok(())
    }

    fn end(&mut self, sink: &mut impl Sink) -> Result<(), Refusal> {
        let text = self.element.trim_ascii();
        if text.is_empty() {
            let row = sink.rows() + 1;
            return Err(Refusal::Malformed(format!("row {row} is empty, expected an object")));
        }
        let row = json_row(text, sink);
        sink.row(row)?;
        self.element.clear();
        Ok(())
    }

    pub(super) fn finish(self) -> Result<(), Refusal> {
        match self.place {
            Place::After => Ok(()),
            Place::Before => Err(expected_array()),
            Place::First | Place::Within => {
                Err(Refusal::Malformed("the array does not end".to_owned()))
            }
        }
    }
}

fn expected_array() -> Refusal {
    Refusal::Malformed(
        "expected an array of transactions, [{…}, …]; one object a line is application/x-ndjson, \
         a table text/csv"
            .to_owned(),
    )
}
