//! A connection's bytes under time-outs: of the head of a request, of the time between requests, and of a peer that does not take
//! its answer. The time for a body is the handler's, which alone knows whether there is one.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures::task::AtomicWaker;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::config::ConnectionLimits;

/// So much of an answer has to be taken within each write time-out, or all there is.
const TAKEN_MIN: usize = 1 << 20;

/// What a connection is at. Shared with what answers its requests.
#[derive(Debug)]
pub(crate) struct Stage {
    now: AtomicU8,
    /// Of the connection that read while it answered: its idle time begins without anything to read.
    reader: AtomicWaker,
}

const HEAD: u8 = 0;
const ANSWER: u8 = 1;
const IDLE: u8 = 2;

impl Stage {
    /// A new connection owes the head of a request.
    pub(crate) fn new() -> Self {
        Stage { now: AtomicU8::new(HEAD), reader: AtomicWaker::new() }
    }

    pub(crate) fn answers(&self) {
        self.now.store(ANSWER, Ordering::Release);
    }

    pub(crate) fn is_idle(&self) {
        self.now.store(IDLE, Ordering::Release);
        self.reader.wake();
    }

    /// Whether no request has come whole since the last answer, though part of one may have.
    pub(crate) fn owes_head(&self) -> bool {
        self.now() == HEAD
    }

    fn now(&self) -> u8 {
        self.now.load(Ordering::Acquire)
    }
}

/// Fails with [`io::ErrorKind::TimedOut`] where the peer is too slow.
pub(crate) struct TimedStream<S, T> {
    stream: S,
    stage: T,
    header_timeout: Duration,
    idle_timeout: Duration,
    write_timeout: Duration,
    /// The stage that `read_deadline` belongs to.
    timed: u8,
    read_deadline: Pin<Box<Sleep>>,
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
            timed: HEAD,
            read_deadline: Box::pin(sleep_until(deadline)),
            write_deadline: Box::pin(sleep_until(deadline)),
            taken: None,
        }
    }

    /// Ready once the peer has been silent for too long.
    fn poll_overdue(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        self.stage.as_ref().reader.register(cx.waker());
        let stage = self.stage.as_ref().now();
        if stage != self.timed {
            self.timed = stage;
            let patience = if stage == HEAD { self.header_timeout } else { self.idle_timeout };
            self.read_deadline.as_mut().reset(Instant::now() + patience);
        }
        if stage == ANSWER {
            return Poll::Pending;
        }
        ready!(self.read_deadline.as_mut().poll(cx));
        Poll::Ready(io::Error::new(io::ErrorKind::TimedOut, "the peer sends no request"))
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

impl<S: AsyncRead + Unpin, T: AsRef<Stage> + Unpin> AsyncRead for TimedStream<S, T> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        match Pin::new(&mut this.stream).poll_read(cx, buffer) {
            Poll::Pending => this.poll_overdue(cx).map(Err),
            Poll::Ready(Ok(())) => {
                let _ = this.stage.as_ref().now.compare_exchange(IDLE, HEAD, Ordering::AcqRel, Ordering::Acquire);
                // A peer that sends byte by byte is overdue as well.
                match this.poll_overdue(cx) {
                    Poll::Ready(overdue) if buffer.filled().len() > before => Poll::Ready(Err(overdue)),
                    _ => Poll::Ready(Ok(())),
                }
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
