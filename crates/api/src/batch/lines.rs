//! One JSON object a line.

use super::{LONGEST_ROW, Refusal, Sink, json_row};

/// Keeps the line that is not yet complete. Empty lines are no rows.
#[derive(Debug, Default)]
pub(crate) struct Splitter {
    line: Vec<u8>,
}

impl Splitter {
    pub(super) fn push(&mut self, piece: &[u8], sink: &mut impl Sink) -> Result<(), Refusal> {
        for part in piece.split_inclusive(|byte| *byte == b'\n') {
            if self.line.len() + part.len() > LONGEST_ROW {
                return Err(Refusal::LongRow { row: sink.rows() + 1 });
            }
            self.line.extend_from_slice(part);
            if part.ends_with(b"\n") {
                self.end(sink)?;
            }
        }
        Ok(())
    }

    pub(super) fn finish(mut self, sink: &mut impl Sink) -> Result<(), Refusal> {
        self.end(sink)
    }

    fn end(&mut self, sink: &mut impl Sink) -> Result<(), Refusal> {
        let text = self.line.trim_ascii();
        if !text.is_empty() {
            let row = json_row(text, sink);
            sink.row(row)?;
        }
        self.line.clear();
        Ok(())
    }
}
