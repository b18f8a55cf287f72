//! A NATS server of the run's own, and a publisher that hands it events in batches.
//!
//! The protocol is spoken here, because a publisher that waits for each event's acknowledgement would take more of the machine
//! than what is measured. JetStream stores what one connection sends in its order, so the acknowledgement of a batch's last event
//! is that of all of them; and its sequence says that none was dropped.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::http::number_after;
use crate::processes::{Running, found_by, free_port};

pub(crate) const STREAM: &str = "BENCH";
const START_TIMEOUT: Duration = Duration::from_secs(30);

pub(crate) struct Server {
    process: Running,
    address: SocketAddr,
}

impl Server {
    /// # Errors
    /// Where there is no such program, or it does not start.
    pub(crate) fn start(folder: &Path) -> io::Result<Self> {
        let port = free_port()?;
        let mut command = Command::new(found_by("nats-server")?);
        command.args(["--addr", "127.0.0.1", "--port", &port.to_string(), "--jetstream", "--store_dir"]);
        let process = Running::start(command.arg(folder).stdout(Stdio::null()).stderr(Stdio::null()))?;
        let server = Self { process, address: SocketAddr::from(([127, 0, 0, 1], port)) };
        let began = Instant::now();
        while let Err(error) = TcpStream::connect(server.address) {
            if began.elapsed() > START_TIMEOUT {
                return Err(error);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(server)
    }

    pub(crate) fn url(&self) -> String {
        format!("nats://{}", self.address)
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// # Errors
    /// Where it does not answer.
    pub(crate) fn publisher(&self, published: u64) -> io::Result<Publisher> {
        Publisher::connect(self.address, published)
    }
}

/// The only one who publishes to the stream while it is there.
pub(crate) struct Publisher {
    stream: TcpStream,
    received: BufReader<TcpStream>,
    batch: Vec<u8>,
    /// Events that were sent, those of earlier publishers included; the sequence of the last one.
    published: u64,
    /// Of these not all are acknowledged: the sequence of each batch's last event.
    awaited: std::collections::VecDeque<u64>,
}

impl Publisher {
    fn connect(address: SocketAddr, published: u64) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(START_TIMEOUT))?;
        let received = BufReader::new(stream.try_clone()?);
        let batch = Vec::new();
        let mut publisher = Self { stream, received, batch, published, awaited: std::collections::VecDeque::new() };
        publisher.stream.write_all(b"CONNECT {\"verbose\":false,\"pedantic\":false}\r\nSUB doors.acks 1\r\n")?;
        Ok(publisher)
    }

    /// # Errors
    /// What the server says.
    pub(crate) fn create_stream(&mut self) -> io::Result<()> {
        let config = format!(r#"{{"name":"{STREAM}","subjects":["bench.>"],"storage":"file"}}"#);
        let subject = format!("$JS.API.STREAM.CREATE.{STREAM}");
        write!(self.stream, "PUB {subject} doors.acks {}\r\n{config}\r\n", config.len())?;
        let answer = self.message()?;
        if answer.windows(8).any(|window| window == b"\"error\":") {
            return Err(io::Error::other(String::from_utf8_lossy(&answer).into_owned()));
        }
        Ok(())
    }

    /// Sends `events` events, each written by `write`, which gives its subject. At most `ahead` batches before this one may be
    /// without an acknowledgement.
    ///
    /// # Errors
    /// Where the connection ends, or events were dropped.
    pub(crate) fn publish(
        &mut self,
        events: u64,
        ahead: usize,
        mut write_event: impl FnMut(u64, &mut Vec<u8>) -> &'static str,
    ) -> io::Result<()> {
        if events == 0 {
            return Ok(());
        }
        self.batch.clear();
        let mut body = Vec::new();
        for event in 0..events {
            body.clear();
            let subject = write_event(self.published + event, &mut body);
            let reply = if event + 1 == events { " doors.acks" } else { "" };
            write!(self.batch, "PUB {subject}{reply} {}\r\n", body.len())?;
            self.batch.extend_from_slice(&body);
            self.batch.extend_from_slice(b"\r\n");
        }
        self.stream.write_all(&self.batch)?;
        self.published += events;
        self.awaited.push_back(self.published);
        self.settle(ahead)
    }

    /// Waits until all but so many batches are acknowledged.
    ///
    /// # Errors
    /// As [`Publisher::publish`].
    pub(crate) fn settle(&mut self, ahead: usize) -> io::Result<()> {
        while self.awaited.len() > ahead {
            let awaited = self.awaited.pop_front();
            let answer = self.message()?;
            if number_after(&answer, "\"seq\":") != awaited {
                let answer = String::from_utf8_lossy(&answer);
                return Err(io::Error::other(format!("{answer} acknowledges not {awaited:?}: events were dropped")));
            }
        }
        Ok(())
    }

    pub(crate) fn published(&self) -> u64 {
        self.published
    }

    /// The payload of the next message.
    fn message(&mut self) -> io::Result<Vec<u8>> {
        let mut line = String::new();
        loop {
            line.clear();
            if self.received.read_line(&mut line)? == 0 {
                return Err(io::Error::other("nats-server ended the connection"));
            }
            let mut words = line.split_whitespace();
            match words.next() {
                Some("PING") => self.stream.write_all(b"PONG\r\n")?,
                Some("MSG") => {
                    let bytes: usize = words.last().and_then(|bytes| bytes.parse().ok()).unwrap_or(0);
                    let mut payload = vec![0; bytes + 2];
                    self.received.read_exact(&mut payload)?;
                    payload.truncate(bytes);
                    return Ok(payload);
                }
                Some("-ERR") => return Err(io::Error::other(line.trim().to_owned())),
                _ => {}
            }
        }
    }
}
