//! A connection's bytes under time-outs: of the head of a request, of the time between requests, and of a peer that does not take
//! its answer. The time for a body is the handler's, which alone knows whether there is one.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::config::ConnectionLimits;

/// So much of an answer has to be taken within each write time-out, or all there is.
const TAKEN_MIN: usize = 1 << 20;

/// What a connection is at, and since when. Shared with what answers its requests.
#[derive(Debug)]
pub(crate) struct Stage {
    created: Instant,
    /// How many microseconds after that it began, and in the last bits what it is.
    now: AtomicU64,
}

const HEAD: u64 = 0;
const ANSWER: u64 = 1;
const IDLE: u64 = 2;
/// Of what a stage is, in its number.
const BITS: u32 = 2;

impl Stage {
    /// A new connection owes the head of a request.
    pub(crate) fn new() -> Self {
        Stage { created: Instant::now(), now: AtomicU64::new(HEAD) }
    }

    pub(crate) fn answers(&self) {
        self.now.store(self.beginning(ANSWER), Ordering::Release);
    }

    pub(crate) fn is_idle(&self) {
        self.now.store(self.beginning(IDLE), Ordering::Release);
    }

    /// Whether no request has come whole since the last answer, though part of one may have.
    pub(crate) fn owes_head(&self) -> bool {
        self.now().0 == HEAD
    }

    /// Bytes have come: where there were none yet, they are a head's first.
    fn receives(&self) {
        let now = self.now.load(Ordering::Acquire);
        if stage_of(now) == IDLE {
            let head = self.beginning(HEAD);
            let _ = self.now.compare_exchange(now, head, Ordering::AcqRel, Ordering::Acquire);
        }
    }

    fn now(&self) -> (u64, Instant) {
        let now = self.now.load(Ordering::Acquire);
        (stage_of(now), self.created + Duration::from_micros(now >> BITS))
    }

    fn beginning(&self, stage: u64) -> u64 {
        (self.created.elapsed().as_micros() as u64) << BITS | stage
    }
}

fn stage_of(now: u64) -> u64 {
    now & ((1 << BITS) - 1)
}

/// Fails with [`io::ErrorKind::TimedOut`] where the peer is too slow.
pub(crate) struct TimedStream<S, T> {
    stream: S,
    stage: T,
    header_timeout: Duration,
    idle_timeout: Duration,
    write_timeout: Duration,
    /// Goes off when the peer may have been silent for too long, or earlier.
    alarm: Pin<Box<Sleep>>,
    write_deadline: Pin<Box<Sleep>>,
    /// Bytes taken since `write_deadline` was set; none while the peer takes everything at once.
    taken: Option<usize>,
}

impl<S, T: AsRef<Stage>> TimedStream<S, T> {
    pub(crate) fn new(stream: S, stage: T, limits: &ConnectionLimits) -> Self {
        let deadline = Instant::now() + limits.header_timeout;
        TimedStream {
            stream,
            stage,
            header_timeout: limits.header_timeout,
            idle_timeout: limits.idle_timeout,
            write_timeout: limits.write_timeout,
            alarm: Box::pin(sleep_until(deadline)),
            write_deadline: Box::pin(sleep_until(deadline)),
            taken: None,
        }
    }

    /// When the peer will have been silent for too long.
    fn overdue_at(&self) -> Instant {
        match self.stage.as_ref().now() {
            (HEAD, begun) => begun + self.header_timeout,
            (IDLE, begun) => begun + self.idle_timeout,
            // It may be idle from now on, and nobody wakes the reader for that.
            _ => Instant::now() + self.idle_timeout,
        }
    }

    /// Ready once the peer has been silent for too long.
    ///
    /// The alarm is set for a later time only once it has gone off. To set it at each stage of each request would cost more than the one
    /// look in vain that an early alarm is.
    fn poll_overdue(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        loop {
            let overdue_at = self.overdue_at();
            if Instant::now() >= overdue_at {
                return Poll::Ready(silent());
            }
            if self.alarm.deadline() > overdue_at || self.alarm.is_elapsed() {
                self.alarm.as_mut().reset(overdue_at);
            }
            ready!(self.alarm.as_mut().poll(cx));
        }
    }

    /// Counts what the peer took, and fails where that is too little.
    fn written(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match written {
            Poll::Ready(Ok(bytes)) => {
                self.taken = self.taken.map(|taken| taken + bytes).filter(|taken| *taken < TAKEN_MIN);
                Poll::Ready(Ok(bytes))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => {
                if self.taken.is_none() {
                    self.taken = Some(0);
                    self.write_deadline.as_mut().reset(Instant::now() + self.write_timeout);
                }
                ready!(self.write_deadline.as_mut().poll(cx));
                Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the peer does not take its answer")))
            }
        }
    }
}

fn silent() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "the peer sends no request")
}

impl<S: AsyncRead + Unpin, T: AsRef<Stage> + Unpin> AsyncRead for TimedStream<S, T> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        match Pin::new(&mut this.stream).poll_read(cx, buffer) {
            Poll::Pending => this.poll_overdue(cx).map(Err),
            Poll::Ready(Ok(())) => {
                this.stage.as_ref().receives();
                // A peer that sends byte by byte is overdue as well.
                let is_overdue = buffer.filled().len() > before && Instant::now() >= this.overdue_at();
                Poll::Ready(if is_overdue { Err(silent()) } else { Ok(()) })
            }
            failed => failed,
        }
    }
}

impl<S: AsyncWrite + Unpin, T: AsRef<Stage> + Unpin> AsyncWrite for TimedStream<S, T> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write(cx, bytes);
        this.written(cx, written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write_vectored(cx, slices);
        this.written(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        // Everything that there was is written.
        this.taken = None;
        Pin::new(&mut this.stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::Arc;

    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    fn limits() -> ConnectionLimits {
        ConnectionLimits {
            max: 1,
            max_per_peer: 1,
            header_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(60),
            write_timeout: Duration::from_secs(30),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_that_trickles_is_overdue_after_the_header_timeout() {
        let (near, mut far) = duplex(1024);
        let mut stream = TimedStream::new(near, Arc::new(Stage::new()), &limits());
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(Duration::from_secs(1)).await;
                far.write_all(b"x").await.unwrap();
            }
        });
        let began = Instant::now();
        let failed = loop {
            if let Err(failed) = stream.read_u8().await {
                break failed;
            }
        };
        assert_eq!((failed.kind(), began.elapsed().as_secs()), (io::ErrorKind::TimedOut, 10));
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_takes_its_time_and_what_follows_is_idle() {
        let (near, _far) = duplex(1024);
        let stage = Arc::new(Stage::new());
        let mut stream = TimedStream::new(near, stage.clone(), &limits());
        stage.answers();
        let began = Instant::now();
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_secs(3600)).await;
            stage.is_idle();
        });
        assert_eq!(stream.read_u8().await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert_eq!(began.elapsed().as_secs(), 3660);
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_has_its_own_time_however_late_the_alarm_is_set() {
        let (near, mut far) = duplex(1024);
        let stage = Arc::new(Stage::new());
        let mut stream = TimedStream::new(near, stage.clone(), &limits());
        stage.is_idle();
        let began = Instant::now();
        tokio::spawn(async move {
            for seconds in [50, 5] {
                tokio::time::sleep(Duration::from_secs(seconds)).await;
                far.write_all(b"x").await.unwrap();
            }
            std::future::pending::<()>().await;
        });
        assert_eq!((stream.read_u8().await.unwrap(), stream.read_u8().await.unwrap()), (b'x', b'x'));
        assert_eq!(stream.read_u8().await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert_eq!(began.elapsed().as_secs(), 60);
    }

    #[tokio::test(start_paused = true)]
    async fn who_asks_again_is_idle_from_the_last_answer_on() {
        let (near, mut far) = duplex(1024);
        let stage = Arc::new(Stage::new());
        let mut stream = TimedStream::new(near, stage.clone(), &limits());
        let began = Instant::now();
        tokio::spawn(async move {
            for _ in 0..100 {
                far.write_all(b"x").await.unwrap();
                tokio::time::sleep(Duration::from_secs(7)).await;
            }
            std::future::pending::<()>().await;
        });
        for _ in 0..100 {
            stream.read_u8().await.unwrap();
            stage.answers();
            stage.is_idle();
        }
        assert_eq!(stream.read_u8().await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert_eq!(began.elapsed().as_secs(), 99 * 7 + 60);
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_takes_too_little_is_overdue_and_a_slow_one_is_not() {
        for (bytes_a_second, is_overdue) in [(10_000, true), (50_000, false)] {
            let (near, mut far) = duplex(1024);
            let mut stream = TimedStream::new(near, Arc::new(Stage::new()), &limits());
            tokio::spawn(async move {
                let mut taken = vec![0; bytes_a_second / 10];
                loop {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    if far.read_exact(&mut taken).await.is_err() {
                        break;
                    }
                }
            });
            let written = stream.write_all(&vec![0; 4 << 20]).await.map_err(|error| error.kind());
            assert_eq!(written, if is_overdue { Err(io::ErrorKind::TimedOut) } else { Ok(()) });
        }
    }
}
