//! The messages of a client, read within limits and by what each of them says of its own length.
//!
//! The library has a reader too, which waits for a message of any size before anybody is known, and reads past the end of one that is
//! shorter than what is in it. Its types are used; nothing of a client's bytes reaches it otherwise.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use pgwire::messages::PgWireFrontendMessage as Message;
use pgwire::messages::cancel::CancelRequest;
use pgwire::messages::copy::{CopyData, CopyDone, CopyFail};
use pgwire::messages::extendedquery::{Bind, Close, Describe, Execute, Flush, Parse, Sync};
use pgwire::messages::simplequery::Query;
use pgwire::messages::startup::{Password, PasswordMessageFamily, SecretKey, Startup};
use pgwire::messages::terminate::Terminate;
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::serve::byte_budget::{ByteBudget, Reserved};

/// Of who has not said yet who it is.
const STRANGERS_BYTES_MAX: usize = 10_000;
/// Of a statement with its parameters.
const BYTES_MAX: usize = 1 << 20;
/// So much is always taken.
const ALWAYS_BYTES: usize = 16 * 1024;
/// A length counts itself.
const LENGTH_BYTES: usize = 4;
const CANCEL_REQUEST: u32 = 80_877_102;
/// Length and code, or version, of a first message.
pub(super) const HEAD_BYTES: usize = 8;

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

/// Reads one message after the other.
#[derive(Debug)]
pub(super) struct Messages {
    known: Known,
    budget: ByteBudget,
    /// For the message that was read last, while it is answered.
    held: Option<Reserved>,
}

impl Messages {
    pub(super) fn new(known: Known, budget: ByteBudget) -> Self {
        Self { known, budget, held: None }
    }

    /// The first message, of which the head is there: it has no letter.
    ///
    /// # Errors
    /// As [`Messages::next`].
    pub(super) async fn first(
        &mut self,
        stream: &mut (impl AsyncRead + Unpin),
        head: [u8; HEAD_BYTES],
    ) -> io::Result<Message> {
        let [a, b, c, d, rest @ ..] = head;
        let length = u32::from_be_bytes([a, b, c, d]) as usize;
        if !(HEAD_BYTES..=STRANGERS_BYTES_MAX).contains(&length) {
            return Err(malformed("a first message has no such length"));
        }
        let mut body = vec![0; length - HEAD_BYTES];
        stream.read_exact(&mut body).await?;
        first(u32::from_be_bytes(rest), &body).ok_or_else(|| malformed("no message begins a session like that"))
    }

    /// The next message; none where the client has gone.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidData`] of what is no message or too large a one, [`io::ErrorKind::OutOfMemory`] where too many bytes of all
    /// connections wait to become whole, and what the connection fails with.
    pub(super) async fn next(&mut self, stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<Message>> {
        self.held = None;
        let letter = match stream.read_u8().await {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            letter => letter?,
        };
        let length = usize::try_from(stream.read_i32().await?).ok().filter(|length| *length >= LENGTH_BYTES);
        let Some(length) = length.filter(|length| *length <= self.known.most()) else {
            return Err(malformed(&format!("a message has {LENGTH_BYTES} to {} bytes", self.known.most())));
        };
        if length > ALWAYS_BYTES {
            let crowded = || io::Error::new(io::ErrorKind::OutOfMemory, "too many bytes of requests are on their way");
            self.held = Some(self.budget.reserve(length).ok_or_else(crowded)?);
        }
        let mut body = vec![0; length - LENGTH_BYTES];
        stream.read_exact(&mut body).await?;
        let message = read(letter, &body);
        message
            .map(Some)
            .ok_or_else(|| malformed(&format!("a message `{}` has something else in it", letter.escape_ascii())))
    }
}

fn malformed(detail: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, detail)
}

/// A message without a letter, by its code.
fn first(code: u32, body: &[u8]) -> Option<Message> {
    let mut body = Body(body);
    if code == CANCEL_REQUEST {
        let pid = body.i32()?;
        let key = match <[u8; 4]>::try_from(body.0) {
            Ok(key) => SecretKey::I32(i32::from_be_bytes(key)),
            Err(_) => SecretKey::Bytes(Bytes::copy_from_slice(body.0)),
        };
        return Some(Message::CancelRequest(CancelRequest::new(pid, key)));
    }
    let (major, minor) = ((code >> 16) as u16, (code & 0xffff) as u16);
    let mut parameters = BTreeMap::new();
    loop {
        let name = body.text()?;
        if name.is_empty() {
            break;
        }
        parameters.insert(name, body.text()?);
    }
    let mut startup = Startup::new();
    startup.protocol_number_major = major;
    startup.protocol_number_minor = minor;
    startup.parameters = parameters;
    body.whole(Message::Startup(startup))
}

/// A message by its letter; none of one that has too little or too much in it.
fn read(letter: u8, body: &[u8]) -> Option<Message> {
    let mut body = Body(body);
    let message = match letter {
        b'Q' => Message::Query(Query::new(body.text()?)),
        b'P' => {
            let (name, query) = (body.name()?, body.text()?);
            Message::Parse(Parse::new(name, query, body.several(Body::u32)?))
        }
        b'B' => {
            let (portal, statement) = (body.name()?, body.name()?);
            let formats = body.several(Body::i16)?;
            let parameters = body.several(Body::value)?;
            Message::Bind(Bind::new(portal, statement, formats, parameters, body.several(Body::i16)?))
        }
        b'D' => Message::Describe(Describe::new(body.u8()?, body.name()?)),
        b'C' => Message::Close(Close::new(body.u8()?, body.name()?)),
        b'E' => Message::Execute(Execute::new(body.name()?, body.i32()?)),
        b'H' => Message::Flush(Flush::new()),
        b'S' => Message::Sync(Sync::new()),
        b'X' => Message::Terminate(Terminate::new()),
        b'p' => Message::PasswordMessageFamily(PasswordMessageFamily::Password(Password::new(body.text()?))),
        b'd' => Message::CopyData(CopyData::new(Bytes::copy_from_slice(std::mem::take(&mut body.0)))),
        b'c' => Message::CopyDone(CopyDone::new()),
        b'f' => Message::CopyFail(CopyFail::new(body.text()?)),
        _ => return None,
    };
    body.whole(message)
}

/// What is left of a message.
struct Body<'a>(&'a [u8]);

impl<'a> Body<'a> {
    fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(bytes)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.bytes(N)?.try_into().ok()
    }

    fn u8(&mut self) -> Option<u8> {
        self.array().map(|[byte]| byte)
    }

    fn i16(&mut self) -> Option<i16> {
        self.array().map(i16::from_be_bytes)
    }

    fn i32(&mut self) -> Option<i32> {
        self.array().map(i32::from_be_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    /// A text up to its zero byte.
    fn text(&mut self) -> Option<String> {
        let end = self.0.iter().position(|byte| *byte == 0)?;
        let text = String::from_utf8(self.bytes(end)?.to_vec()).ok()?;
        self.u8()?;
        Some(text)
    }

    /// A name; an empty one is none.
    fn name(&mut self) -> Option<Option<String>> {
        self.text().map(|name| (!name.is_empty()).then_some(name))
    }

    /// A value behind its length; NULL has -1.
    fn value(&mut self) -> Option<Option<Bytes>> {
        match self.i32()? {
            -1 => Some(None),
            length => self.bytes(usize::try_from(length).ok()?).map(|bytes| Some(Bytes::copy_from_slice(bytes))),
        }
    }

    /// As many as a number in front of them says.
    fn several<T>(&mut self, one: impl Fn(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let count = self.array().map(u16::from_be_bytes)?;
        (0..count).map(|_| one(self)).collect()
    }

    /// The message, if it has nothing more in it.
    fn whole(self, message: Message) -> Option<Message> {
        self.0.is_empty().then_some(message)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn message(letter: u8, length: i32, body: &[u8]) -> Vec<u8> {
        [&[letter][..], &length.to_be_bytes(), body].concat()
    }

    async fn next(sent: &[u8], is_known: bool) -> io::Result<Option<Message>> {
        let known = Known::default();
        if is_known {
            known.set();
        }
        Messages::new(known, ByteBudget::new(700_000)).next(&mut &sent[..]).await
    }

    #[tokio::test]
    async fn a_message_is_refused_by_what_it_says_of_itself() {
        let kind = async |sent: Vec<u8>, is_known| next(&sent, is_known).await.unwrap_err().kind();
        // None of these need send what they announce.
        assert_eq!(kind(message(b'Q', 20_000, b""), false).await, io::ErrorKind::InvalidData);
        assert_eq!(kind(message(b'Q', 1 << 30, b""), true).await, io::ErrorKind::InvalidData);
        assert_eq!(kind(message(b'Q', -1, b""), true).await, io::ErrorKind::InvalidData);
        assert_eq!(kind(message(b'Q', 3, b""), true).await, io::ErrorKind::InvalidData);
        assert_eq!(kind(message(b'Q', 800_000, b""), true).await, io::ErrorKind::OutOfMemory);
        assert!(next(b"", true).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn a_message_has_what_is_of_it_and_nothing_more() {
        let of = |letter, body: &[u8]| message(letter, body.len() as i32 + 4, body);
        let body = b"p\0s\0\0\x01\0\x01\0\x01\0\0\0\x01x\0\0";
        let Some(Message::Bind(bind)) = next(&of(b'B', body), true).await.unwrap() else { panic!("no bind") };
        let value = Some(Bytes::from_static(b"x"));
        assert_eq!(bind, Bind::new(Some("p".into()), Some("s".into()), vec![1], vec![value], vec![]));
        // Bytes that are of no part.
        let more = [&body[..], b"\0\0"].concat();
        assert_eq!(next(&of(b'B', &more), true).await.unwrap_err().kind(), io::ErrorKind::InvalidData);
        for (letter, body) in [
            (b'Q', &b"SELECT 1"[..]),
            (b'Q', b"\xff\0"),
            (b'P', b"\0SELECT 1\0\0\x05\0\0"),
            (b'B', b"\0\0\0\x01\0"),
            (b'B', b"\0\0\0\0\0\x01\x7f\xff\xff\xff"),
            (b'E', b"p\0\0"),
            (b'D', b""),
            (b'S', b"x"),
            (b'?', b""),
        ] {
            assert_eq!(
                next(&of(letter, body), true).await.unwrap_err().kind(),
                io::ErrorKind::InvalidData,
                "{letter} {body:?}"
            );
        }
    }

    #[tokio::test]
    async fn a_session_begins_with_names_and_values() {
        let mut messages = Messages::new(Known::default(), ByteBudget::new(1));
        let body = b"user\0ada\0\0";
        let head = [0, 0, 0, 8 + body.len() as u8, 0, 3, 0, 0];
        let first = messages.first(&mut &body[..], head).await.unwrap();
        let Message::Startup(startup) = first else { panic!("no startup") };
        let Startup { protocol_number_major, protocol_number_minor, parameters, .. } = startup;
        let expected = [("user".to_owned(), "ada".to_owned())].into();
        assert_eq!((protocol_number_major, protocol_number_minor, parameters), (3, 0, expected));
        for (length, body) in [(7, &b""[..]), (10, b"a\0"), (12, b"a\0b\0"), (255, b"a"), (10, b"\0x")] {
            let head = [0, 0, 0, length, 0, 3, 0, 0];
            assert!(messages.first(&mut &body[..], head).await.is_err(), "{length} {body:?}");
        }
    }
}
