//! A connection's bytes, of which no message may be larger than is taken: the library that reads the messages would wait for all
//! of it, and hold what came of it, before anything else looks at it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::serve::byte_budget::{ByteBudget, Reserved};

/// Of who has not said yet who it is.
const STRANGERS_BYTES_MAX: usize = 10_000;
/// Of a statement with its parameters.
const BYTES_MAX: usize = 1 << 20;
/// So much is always taken.
const ALWAYS_BYTES: usize = 16 * 1024;
/// The letter of a message, and its length, which counts itself.
const HEAD_BYTES: usize = 5;
const LENGTH_BYTES: usize = 4;

/// Whether it is known whose connection this is. Shared with what finds out.
#[derive(Debug, Clone, Default)]
pub(super) struct Known(Arc<AtomicBool>);

impl Known {
    pub(super) fn set(&self) {
        self.0.store(true, Ordering::Release);
    }

    fn most(&self) -> usize {
        if self.0.load(Ordering::Acquire) { BYTES_MAX } else { STRANGERS_BYTES_MAX }
    }
}

/// Fails with [`io::ErrorKind::InvalidData`] where a message is too large, and with [`io::ErrorKind::OutOfMemory`] where too many bytes
/// of all connections wait to become whole.
pub(super) struct BoundedMessages<S> {
    stream: S,
    known: Known,
    budget: ByteBudget,
    head: [u8; HEAD_BYTES],
    /// Bytes of the head that have come.
    head_bytes: usize,
    /// Bytes of the message that are still to come.
    rest: usize,
    held: Option<Reserved>,
}

impl<S> BoundedMessages<S> {
    /// `rest`: what is still to come of the first message, which has no letter.
    pub(super) fn new(stream: S, known: Known, budget: ByteBudget, rest: usize) -> Self {
        Self { stream, known, budget, head: [0; HEAD_BYTES], head_bytes: 0, rest, held: None }
    }

    fn take(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            if self.rest > 0 {
                let taken = self.rest.min(bytes.len());
                self.rest -= taken;
                bytes = &bytes[taken..];
                continue;
            }
            self.head[self.head_bytes] = bytes[0];
            self.head_bytes += 1;
            bytes = &bytes[1..];
            if self.head_bytes == HEAD_BYTES {
                self.begin()?;
            }
        }
        Ok(())
    }

    fn begin(&mut self) -> io::Result<()> {
        self.head_bytes = 0;
        let [_, length @ ..] = self.head;
        let length = usize::try_from(i32::from_be_bytes(length)).ok().filter(|length| *length >= LENGTH_BYTES);
        let Some(length) = length.filter(|length| *length <= self.known.most()) else {
            let detail = format!("a message is larger than {} bytes, or none at all", self.known.most());
            return Err(io::Error::new(io::ErrorKind::InvalidData, detail));
        };
        self.held = None;
        if length > ALWAYS_BYTES {
            let crowded = || io::Error::new(io::ErrorKind::OutOfMemory, "too many bytes of requests are on their way");
            self.held = Some(self.budget.reserve(length).ok_or_else(crowded)?);
        }
        self.rest = length - LENGTH_BYTES;
        Ok(())
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for BoundedMessages<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        ready!(Pin::new(&mut this.stream).poll_read(cx, buffer))?;
        let taken = this.take(&buffer.filled()[before..]);
        if taken.is_err() {
            // Where reading fails nothing is read.
            buffer.set_filled(before);
        }
        Poll::Ready(taken)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for BoundedMessages<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    fn message(letter: u8, length: i32, body: usize) -> Vec<u8> {
        let mut message = vec![letter];
        message.extend_from_slice(&length.to_be_bytes());
        message.resize(message.len() + body, 0);
        message
    }

    async fn read(sent: Vec<u8>, is_known: bool) -> io::Result<usize> {
        let (near, mut far) = duplex(1 << 21);
        let known = Known::default();
        if is_known {
            known.set();
        }
        far.write_all(&sent).await.unwrap();
        drop(far);
        let mut bytes = Vec::new();
        BoundedMessages::new(near, known, ByteBudget::new(700_000), 3).read_to_end(&mut bytes).await
    }

    #[tokio::test]
    async fn a_message_is_refused_by_what_it_says_of_itself() {
        let begun = |message: Vec<u8>| [vec![0; 3], message].concat();
        let whole = begun([message(b'Q', 20_000, 19_996), message(b'S', 4, 0)].concat());
        assert_eq!(read(whole.clone(), true).await.unwrap(), whole.len());
        let kind = async |sent, is_known| read(sent, is_known).await.unwrap_err().kind();
        // None of these need send what they announce.
        assert_eq!(kind(whole, false).await, io::ErrorKind::InvalidData);
        assert_eq!(kind(begun(message(b'Q', 1 << 30, 0)), true).await, io::ErrorKind::InvalidData);
        assert_eq!(kind(begun(message(b'Q', -1, 0)), true).await, io::ErrorKind::InvalidData);
        assert_eq!(kind(begun(message(b'Q', 3, 0)), true).await, io::ErrorKind::InvalidData);
        assert_eq!(kind(begun(message(b'Q', 800_000, 0)), true).await, io::ErrorKind::OutOfMemory);
    }
}
