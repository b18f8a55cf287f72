//! HTTP/1.1 as a load generator needs it: one request at a time over a connection that is kept, and answers of a known length
//! or in chunks.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// An answer that takes longer is a failure of the run.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(90);

pub(crate) struct Connection {
    stream: TcpStream,
    /// What was received of the answer: its first `filled` bytes.
    buffer: Vec<u8>,
    filled: usize,
    /// The body of an answer in chunks.
    joined: Vec<u8>,
}

pub(crate) struct Answer<'a> {
    pub(crate) status: u16,
    pub(crate) body: &'a [u8],
}

/// A request without a body.
pub(crate) fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").into_bytes()
}

/// A request with JSON.
pub(crate) fn post(path: &str, json: &str) -> Vec<u8> {
    let head = "Host: localhost\r\nContent-Type: application/json";
    format!("POST {path} HTTP/1.1\r\n{head}\r\nContent-Length: {}\r\n\r\n{json}", json.len()).into_bytes()
}

impl Connection {
    /// # Errors
    /// Where nobody listens.
    pub(crate) fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
        Ok(Self { stream, buffer: vec![0; 16 * 1024], filled: 0, joined: Vec::new() })
    }

    /// # Errors
    /// Where the connection ends, or what comes is no answer.
    pub(crate) fn ask(&mut self, request: &[u8]) -> io::Result<Answer<'_>> {
        self.stream.write_all(request)?;
        self.filled = 0;
        let head = self.find(0, b"\r\n\r\n")? + 4;
        let text = String::from_utf8_lossy(&self.buffer[..head]).to_ascii_lowercase();
        let status = text.get(9..12).and_then(|digits| digits.parse().ok()).ok_or_else(|| broken("no status"))?;
        let header = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        if let Some(length) = header("content-length:") {
            let length: usize = length.parse().map_err(|_| broken("a length that is no number"))?;
            self.fill(head + length)?;
            return Ok(Answer { status, body: &self.buffer[head..head + length] });
        }
        if header("transfer-encoding:") != Some("chunked") {
            return Err(broken("neither a length nor chunks"));
        }
        self.join_chunks(head)?;
        Ok(Answer { status, body: &self.joined })
    }

    /// As [`Connection::ask`], and every other status than 200 is an error with what the answer says.
    ///
    /// # Errors
    /// As `ask`.
    pub(crate) fn ask_well(&mut self, request: &[u8]) -> io::Result<&[u8]> {
        let Answer { status, body } = self.ask(request)?;
        if status == 200 {
            return Ok(body);
        }
        let asked = String::from_utf8_lossy(request);
        let asked = asked.lines().next().unwrap_or_default();
        Err(io::Error::other(format!("{asked}: {status}: {}", String::from_utf8_lossy(body))))
    }

    fn join_chunks(&mut self, start: usize) -> io::Result<()> {
        self.joined.clear();
        let mut at = start;
        loop {
            let end = self.find(at, b"\r\n")?;
            let size = String::from_utf8_lossy(&self.buffer[at..end]).into_owned();
            let size = usize::from_str_radix(size.trim(), 16).map_err(|_| broken("a chunk without a size"))?;
            self.fill(end + 2 + size + 2)?;
            self.joined.extend_from_slice(&self.buffer[end + 2..end + 2 + size]);
            at = end + 2 + size + 2;
            if size == 0 {
                return Ok(());
            }
        }
    }

    /// Where these bytes begin, once they are there.
    fn find(&mut self, from: usize, bytes: &[u8]) -> io::Result<usize> {
        let mut from = from;
        loop {
            let window = &self.buffer[from..self.filled.max(from)];
            if let Some(place) = window.windows(bytes.len()).position(|window| window == bytes) {
                return Ok(from + place);
            }
            from = from.max((self.filled + 1).saturating_sub(bytes.len()));
            self.fill(self.filled + 1)?;
        }
    }

    /// Receives until so many bytes are there.
    fn fill(&mut self, bytes: usize) -> io::Result<()> {
        while self.filled < bytes {
            if self.buffer.len() < bytes || self.filled == self.buffer.len() {
                self.buffer.resize(bytes.max(2 * self.buffer.len()), 0);
            }
            match self.stream.read(&mut self.buffer[self.filled..])? {
                0 => return Err(broken("the connection ended")),
                received => self.filled += received,
            }
        }
        Ok(())
    }
}

fn broken(what: &str) -> io::Error {
    io::Error::other(format!("an answer over HTTP: {what}"))
}

/// The number behind a member's name in JSON, such as `"seq":`.
pub(crate) fn number_after(json: &[u8], name: &str) -> Option<u64> {
    let at = json.windows(name.len()).position(|window| window == name.as_bytes())?;
    let rest = json[at + name.len()..].iter().skip_while(|byte| **byte == b' ');
    let digits: String = rest.take_while(|byte| byte.is_ascii_digit()).map(|byte| char::from(*byte)).collect();
    digits.parse().ok()
}
