//! A connection that is cut when its caller takes too long, in either direction.
//!
//! actix limits the time of the first head and of the pause between two requests. This limits what is
//! left: a later head, a body of any kind (also one that nobody reads any more), and a caller that does
//! not take its answer. It knows no HTTP: a request is what comes in between two answers, and a caller who
//! owes the rest of a body that was refused looks as one who has nothing to ask.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use ::metrics::Counter;
use actix_rt::net::{ActixStream, Ready, TcpStream};
use actix_web::rt::time::{Instant, Sleep, sleep_until};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How long a caller may take.
#[derive(Debug, Clone)]
pub(crate) struct Patience {
    /// For any request or answer.
    pub(crate) grace: Duration,
    /// Bytes that have to pass in each second beyond that.
    pub(crate) rate: u32,
    /// For silence after an answer. actix closes connections that are merely idle before that.
    pub(crate) silence: Duration,
    /// Bytes of one request, with all that HTTP adds.
    pub(crate) most: u64,
    /// Counts connections that were cut.
    pub(crate) cut: Counter,
}

/// A stream, and what its caller has done since when.
pub(crate) struct Patient<Io> {
    io: Io,
    patience: Patience,
    /// Since the first byte after the last answer.
    request: Option<Passed>,
    /// Of the last answer; before the first one actix limits the time of the head.
    answered: Option<Instant>,
    /// Since the answer had to wait for the caller.
    answer: Option<Passed>,
    /// Rings at the earliest moment at which the caller may be late. It is moved when it has rung, not at
    /// every request.
    alarm: Option<Pin<Box<Sleep>>>,
}

#[derive(Debug, Clone, Copy)]
struct Passed {
    since: Instant,
    bytes: u64,
}

impl Passed {
    fn now() -> Self {
        Self { since: Instant::now(), bytes: 0 }
    }

    fn deadline(self, patience: &Patience) -> Instant {
        let earned = Duration::from_secs(self.bytes / u64::from(patience.rate.max(1)));
        self.since + patience.grace + earned
    }
}

impl<Io> Patient<Io> {
    const fn new(io: Io, patience: Patience) -> Self {
        Self { io, patience, request: None, answered: None, answer: None, alarm: None }
    }

    /// Waits on until `deadline`; an error from then on.
    fn wait(&mut self, deadline: Option<Instant>, context: &mut Context<'_>) -> Poll<io::Error> {
        let Some(deadline) = deadline else { return Poll::Pending };
        let alarm = self.alarm.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        loop {
            if alarm.deadline() > deadline || alarm.is_elapsed() {
                alarm.as_mut().reset(deadline);
            }
            ready!(alarm.as_mut().poll(context));
            if Instant::now() >= deadline {
                return Poll::Ready(self.late());
            }
        }
    }

    fn late(&self) -> io::Error {
        self.patience.cut.increment(1);
        io::Error::new(io::ErrorKind::TimedOut, "the caller takes too long")
    }
}

impl Patient<TcpStream> {
    /// A connection that sends what is written at once: an answer is one write.
    pub(crate) fn of(io: TcpStream, patience: Patience) -> Self {
        if let Err(error) = io.set_nodelay(true) {
            tracing::debug!("an answer may wait for the one before: {error}");
        }
        Self::new(io, patience)
    }

    /// Where the caller is.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        self.io.peer_addr().ok()
    }
}

impl<Io: AsyncRead + Unpin> AsyncRead for Patient<Io> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        if let Poll::Ready(outcome) = Pin::new(&mut this.io).poll_read(context, buffer) {
            let count = buffer.filled().len() - before;
            if count > 0 {
                let request = this.request.get_or_insert_with(Passed::now);
                request.bytes += count as u64;
                let is_late = request.bytes > this.patience.most
                    || Instant::now() > request.deadline(&this.patience);
                if is_late {
                    return Poll::Ready(Err(this.late()));
                }
            }
            return Poll::Ready(outcome);
        }
        let deadline = match this.request {
            Some(request) => Some(request.deadline(&this.patience)),
            None => this.answered.map(|answered| answered + this.patience.silence),
        };
        this.wait(deadline, context).map(Err)
    }
}

impl<Io: AsyncWrite + Unpin> Patient<Io> {
    fn wrote(
        &mut self,
        written: Poll<io::Result<usize>>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        if let Poll::Ready(outcome) = written {
            self.request = None;
            self.answered = Some(Instant::now());
            if let (Some(answer), Ok(count)) = (&mut self.answer, &outcome) {
                answer.bytes += *count as u64;
            }
            return Poll::Ready(outcome);
        }
        let deadline = self.answer.get_or_insert_with(Passed::now).deadline(&self.patience);
        self.wait(Some(deadline), context).map(Err)
    }
}

impl<Io: AsyncWrite + Unpin> AsyncWrite for Patient<Io> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.io).poll_write(context, bytes);
        this.wrote(written, context)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.io).poll_write_vectored(context, slices);
        this.wrote(written, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        // Asked for when all that there was is written.
        this.answer = None;
        Pin::new(&mut this.io).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(context)
    }
}

impl<Io: ActixStream> ActixStream for Patient<Io> {
    fn poll_read_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<Ready>> {
        self.io.poll_read_ready(context)
    }

    fn poll_write_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<Ready>> {
        self.io.poll_write_ready(context)
    }
}

#[cfg(test)]
mod tests {
    use actix_web::rt::time::{sleep, timeout};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};

    use super::*;

    /// Much longer than a busy machine lets a test wait.
    const GRACE: Duration = Duration::from_secs(1);

    /// A caller, and the patient side of its connection: so long, then 10 bytes a second, at most 1,000.
    fn connection() -> (DuplexStream, Patient<DuplexStream>) {
        let (caller, io) = duplex(64);
        let (silence, cut) = (4 * GRACE, Counter::noop());
        let patience = Patience { grace: GRACE, rate: 10, silence, most: 1_000, cut };
        (caller, Patient::new(io, patience))
    }

    fn is_late(error: &io::Error) -> bool {
        error.kind() == io::ErrorKind::TimedOut
    }

    #[actix_web::test]
    async fn who_says_nothing_is_not_late_and_who_stops_within_a_request_is() {
        let (mut caller, mut io) = connection();
        let mut buffer = [0; 64];
        // Between two requests other limits hold.
        assert!(timeout(2 * GRACE, io.read(&mut buffer)).await.is_err());
        caller.write_all(b"POST").await.unwrap();
        assert_eq!(io.read(&mut buffer).await.unwrap(), 4);
        let begun = Instant::now();
        assert!(is_late(&io.read(&mut buffer).await.unwrap_err()));
        assert!(begun.elapsed() >= GRACE / 2, "{:?}", begun.elapsed());
    }

    #[actix_web::test]
    async fn a_byte_now_and_then_does_not_help() {
        let (mut caller, mut io) = connection();
        actix_web::rt::spawn(async move {
            while caller.write_all(b"x").await.is_ok() {
                sleep(GRACE / 4).await;
            }
        });
        let (mut buffer, mut count) = ([0; 64], 0);
        let error = loop {
            match io.read(&mut buffer).await {
                Ok(more) => count += more,
                Err(error) => break error,
            }
        };
        assert!(is_late(&error) && count < 50, "{count}");
    }

    #[actix_web::test]
    async fn bytes_earn_time_and_an_answer_begins_anew() {
        let (mut caller, mut io) = connection();
        let mut buffer = [0; 64];
        // 60 bytes are another six seconds.
        caller.write_all(&[0; 60]).await.unwrap();
        assert_eq!(io.read(&mut buffer).await.unwrap(), 60);
        sleep(2 * GRACE).await;
        caller.write_all(&[0; 4]).await.unwrap();
        assert_eq!(io.read(&mut buffer).await.unwrap(), 4);
        sleep(3 * GRACE).await;
        io.write_all(b"200").await.unwrap();
        io.flush().await.unwrap();
        caller.write_all(&[0; 4]).await.unwrap();
        assert_eq!(io.read(&mut buffer).await.unwrap(), 4);
        // Fast and without an end is as bad.
        let error = loop {
            caller.write_all(&[0; 60]).await.unwrap();
            if let Err(error) = io.read(&mut buffer).await {
                break error;
            }
        };
        assert!(is_late(&error));
    }

    #[actix_web::test]
    async fn who_does_not_take_the_answer_is_late() {
        let (caller, mut io) = connection();
        let begun = Instant::now();
        assert!(is_late(&io.write_all(&[0; 200]).await.unwrap_err()));
        assert!(begun.elapsed() >= GRACE, "{:?}", begun.elapsed());
        drop(caller);
        // One that is taken is no reason, but silence after it is.
        let (mut caller, mut io) = connection();
        actix_web::rt::spawn(async move {
            let mut all = Vec::new();
            let _ = caller.read_to_end(&mut all).await;
        });
        for _ in 0..4 {
            io.write_all(&[0; 200]).await.unwrap();
            io.flush().await.unwrap();
            sleep(GRACE / 2).await;
        }
        let begun = Instant::now();
        assert!(is_late(&io.read(&mut [0; 64]).await.unwrap_err()));
        assert!(begun.elapsed() >= 3 * GRACE, "{:?}", begun.elapsed());
        io.shutdown().await.unwrap();
    }
}
