//! Heads and bodies of HTTP/1.1 messages (RFC 9112), as much as a proxy needs.

use std::io::{self, BufRead, Read, Write};

/// The start line and the headers of a request or an answer.
pub(super) struct Head {
    start: String,
    pub(super) headers: Vec<(String, String)>,
}

/// How a body's end is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Body {
    Sized(u64),
    Chunked,
    UntilClosed,
}

/// The first bytes of a body, and how many there were in all.
pub(super) struct Kept {
    pub(super) bytes: Vec<u8>,
    pub(super) size: u64,
    limit: usize,
}

impl Kept {
    pub(super) fn new(limit: usize) -> Self {
        Self { bytes: Vec::new(), size: 0, limit }
    }

    fn add(&mut self, bytes: &[u8]) {
        self.size += bytes.len() as u64;
        let room = self.limit.saturating_sub(self.bytes.len()).min(bytes.len());
        self.bytes.extend_from_slice(&bytes[..room]);
    }
}

impl Head {
    pub(super) fn read(reader: &mut impl BufRead) -> io::Result<Self> {
        let start = line(reader)?;
        let mut headers = Vec::new();
        loop {
            let line = line(reader)?;
            if line.is_empty() {
                return Ok(Self { start, headers });
            }
            let (name, value) = line.split_once(':').ok_or_else(|| malformed(&line))?;
            headers.push((name.to_owned(), value.trim().to_owned()));
        }
    }

    /// Method and target of a request.
    pub(super) fn request(&self) -> (&str, &str) {
        let mut words = self.start.split(' ');
        (words.next().unwrap_or_default(), words.next().unwrap_or_default())
    }

    /// Status of an answer; 0 if it has none.
    pub(super) fn status(&self) -> u16 {
        self.start.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0)
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(each, _)| each.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// A request without a stated body has none.
    pub(super) fn body(&self) -> Body {
        let chunked = self.header("Transfer-Encoding");
        if chunked.is_some_and(|encoding| encoding.eq_ignore_ascii_case("chunked")) {
            return Body::Chunked;
        }
        Body::Sized(self.content_length().unwrap_or(0))
    }

    /// An answer without a stated length ends with its connection.
    pub(super) fn body_of_answer(&self) -> Body {
        match self.body() {
            Body::Sized(0) if self.content_length().is_none() => Body::UntilClosed,
            body => body,
        }
    }

    fn content_length(&self) -> Option<u64> {
        self.header("Content-Length").and_then(|length| length.parse().ok())
    }

    /// The head with `Connection: close`, and without what is between neighbours only.
    pub(super) fn write_closing(&self, writer: &mut impl Write) -> io::Result<()> {
        let mut text = format!("{}\r\n", self.start);
        for (name, value) in &self.headers {
            if !["Connection", "Keep-Alive", "Expect"].iter().any(|x| x.eq_ignore_ascii_case(name))
            {
                text.extend([name, ": ", value, "\r\n"]);
            }
        }
        text.push_str("Connection: close\r\n\r\n");
        writer.write_all(text.as_bytes())
    }
}

/// Passes a body on with its framing, at most `limit` bytes of its content.
///
/// A receiver that takes no more (a server may refuse a body before its end) is no error: the rest is
/// read, so that the sender gets to hear the answer.
pub(super) fn copy(
    body: Body,
    reader: &mut impl BufRead,
    writer: &mut impl Write,
    kept: &mut Kept,
    limit: u64,
) -> io::Result<()> {
    let mut sink = Sink { writer, takes: true };
    match body {
        Body::Sized(size) => {
            let sent = plain(reader, &mut sink, kept, size.min(limit))?;
            if sent < size.min(limit) {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Body::UntilClosed => {
            plain(reader, &mut sink, kept, limit)?;
        }
        Body::Chunked => {
            let mut left = limit;
            loop {
                let start = line(reader)?;
                let digits = start.split(';').next().unwrap_or_default().trim();
                let size = u64::from_str_radix(digits, 16).map_err(|_| malformed(&start))?;
                if left == 0 {
                    break;
                }
                sink.write(format!("{size:x}\r\n").as_bytes());
                let sent = plain(reader, &mut sink, kept, size.min(left))?;
                if sent < size.min(left) {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                left -= sent;
                if sent < size {
                    break;
                }
                // The end of a chunk; after the last one, trailers and an empty line.
                let mut ending = line(reader)?;
                while size == 0 && !ending.is_empty() {
                    ending = line(reader)?;
                }
                sink.write(b"\r\n");
                if size == 0 {
                    break;
                }
            }
        }
    }
    Ok(())
}

/// At most `limit` bytes; how many there were.
fn plain(
    reader: &mut impl BufRead,
    sink: &mut Sink<impl Write>,
    kept: &mut Kept,
    limit: u64,
) -> io::Result<u64> {
    let mut sent = 0;
    while sent < limit {
        let available = reader.fill_buf()?;
        if available.is_empty() {
            break;
        }
        let bytes = usize::try_from(limit - sent).unwrap_or(usize::MAX).min(available.len());
        kept.add(&available[..bytes]);
        sink.write(&available[..bytes]);
        reader.consume(bytes);
        sent += bytes as u64;
    }
    Ok(sent)
}

struct Sink<'a, W> {
    writer: &'a mut W,
    takes: bool,
}

impl<W: Write> Sink<'_, W> {
    fn write(&mut self, bytes: &[u8]) {
        self.takes = self.takes && self.writer.write_all(bytes).is_ok();
    }
}

/// A line without its end, of 64 KiB at most.
fn line(reader: &mut impl BufRead) -> io::Result<String> {
    let mut line = Vec::new();
    reader.by_ref().take(64 * 1024).read_until(b'\n', &mut line)?;
    match line.strip_suffix(b"\r\n").or(line.strip_suffix(b"\n")) {
        Some(line) => Ok(String::from_utf8_lossy(line).into_owned()),
        None => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

fn malformed(line: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("no HTTP: {line:?}"))
}
