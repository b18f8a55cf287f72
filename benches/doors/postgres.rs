//! Large results over the PostgreSQL protocol, and a PostgreSQL server of the run's own with the same rows.
//!
//! The client counts rows and looks at nothing in them, so that it is not what is measured.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::processes::{Running, found_by, free_port};

const START_TIMEOUT: Duration = Duration::from_secs(60);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(90);
/// The server refuses to run as root; this user is everywhere.
const OTHER_USER: [&str; 4] = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"];
/// What a server of this size may be given; nothing has to outlive the run.
const SETTINGS: [&str; 5] =
    ["listen_addresses=127.0.0.1", "fsync=off", "shared_buffers=512MB", "timezone=UTC", "max_wal_size=4GB"];

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Text,
    Binary,
}

pub(crate) struct Session {
    stream: TcpStream,
    received: BufReader<TcpStream>,
    /// What a server of PostgreSQL says is the process that answers this session.
    pub(crate) process: u32,
}

impl Session {
    /// # Errors
    /// Where nobody listens, or a password is asked for.
    pub(crate) fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
        let received = BufReader::with_capacity(256 * 1024, stream.try_clone()?);
        let mut session = Self { stream, received, process: 0 };
        // Version 3.0.
        let startup = b"\x00\x03\x00\x00user\0bench\0database\0postgres\0\0";
        let length = (startup.len() as u32 + 4).to_be_bytes();
        session.stream.write_all(&[&length[..], startup].concat())?;
        session.answer()?;
        Ok(session)
    }

    /// How many rows a statement has in this format; of several statements in text, all together.
    ///
    /// # Errors
    /// What the server says.
    pub(crate) fn rows(&mut self, sql: &str, format: Format) -> io::Result<u64> {
        let mut asked = Vec::new();
        match format {
            Format::Text => message(&mut asked, b'Q', &[sql.as_bytes(), b"\0"]),
            Format::Binary => {
                message(&mut asked, b'P', &[b"\0", sql.as_bytes(), b"\0\0\0"]);
                // No parameters; all columns in binary.
                message(&mut asked, b'B', &[b"\0\0", b"\0\0\0\0", b"\0\x01\0\x01"]);
                message(&mut asked, b'E', &[b"\0\0\0\0\0"]);
                message(&mut asked, b'S', &[]);
            }
        }
        self.stream.write_all(&asked)?;
        self.answer()
    }

    /// Reads until the server is ready for the next statement.
    fn answer(&mut self) -> io::Result<u64> {
        let (mut rows, mut failed) = (0, None);
        loop {
            let mut head = [0; 5];
            self.received.read_exact(&mut head)?;
            let [kind, length @ ..] = head;
            let length = (u32::from_be_bytes(length) as usize).saturating_sub(4);
            match kind {
                b'D' => {
                    rows += 1;
                    self.skip(length)?;
                }
                b'Z' => {
                    self.skip(length)?;
                    return failed.map_or(Ok(rows), Err);
                }
                b'E' => failed = Some(io::Error::other(readable(&self.take(length)?))),
                b'R' if self.take(length)? != [0; 4] => return Err(io::Error::other("a password is asked for")),
                b'R' => {}
                b'K' => {
                    let key = self.take(length)?;
                    self.process = key.first_chunk().map_or(0, |id| u32::from_be_bytes(*id));
                }
                _ => self.skip(length)?,
            }
        }
    }

    fn take(&mut self, length: usize) -> io::Result<Vec<u8>> {
        let mut body = vec![0; length];
        self.received.read_exact(&mut body)?;
        Ok(body)
    }

    fn skip(&mut self, length: usize) -> io::Result<()> {
        let mut left = length;
        while left > 0 {
            let there = self.received.fill_buf()?.len().min(left);
            if there == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.received.consume(there);
            left -= there;
        }
        Ok(())
    }
}

fn message(asked: &mut Vec<u8>, kind: u8, parts: &[&[u8]]) {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    asked.push(kind);
    asked.extend((length as u32 + 4).to_be_bytes());
    asked.extend(parts.concat());
}

/// The fields of an error, each behind a letter that says what it is.
fn readable(fields: &[u8]) -> String {
    let fields = fields.split(|byte| *byte == 0).filter(|field| !field.is_empty());
    fields.map(|field| String::from_utf8_lossy(field).into_owned()).collect::<Vec<_>>().join(", ")
}

/// Ends with the value.
pub(crate) struct Postgres {
    // Ends in `drop`, by a signal upon which it ends its own processes first.
    process: Running,
    pub(crate) address: SocketAddr,
}

impl Postgres {
    /// A server whose data is below a folder.
    ///
    /// # Errors
    /// Where there is no such program, or it does not start.
    pub(crate) fn start(folder: &Path) -> io::Result<Self> {
        let programs = found_by("postgres")?;
        std::fs::create_dir(folder)?;
        let is_root = said(Command::new("id").arg("-u"))?.trim() == "0";
        if is_root {
            said(Command::new("chown").arg("nobody").arg(folder))?;
        }
        let data = folder.join("data");
        let mut create = program(programs.join("initdb"), is_root);
        create.args([
            "--username=bench",
            "--auth=trust",
            "--encoding=UTF8",
            "--no-sync",
            "--locale=C.UTF-8",
            "--pgdata",
        ]);
        said(create.arg(&data))?;
        let port = free_port()?;
        let mut run = program(programs.join("postgres"), is_root);
        run.arg("-D").arg(&data).arg("-k").arg(folder).args(["-p", &port.to_string()]);
        for setting in SETTINGS {
            run.args(["-c", setting]);
        }
        let process = Running::start(run.stdout(Stdio::null()).stderr(Stdio::null()))?;
        let postgres = Self { process, address: SocketAddr::from(([127, 0, 0, 1], port)) };
        let began = Instant::now();
        while let Err(error) = Session::open(postgres.address) {
            if began.elapsed() > START_TIMEOUT {
                return Err(error);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(postgres)
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let _ = Command::new("kill").args(["-INT", &self.process.id().to_string()]).status();
        let began = Instant::now();
        while !self.process.has_ended() && began.elapsed() < START_TIMEOUT {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

fn program(path: PathBuf, is_root: bool) -> Command {
    if !is_root {
        return Command::new(path);
    }
    let [setpriv, arguments @ ..] = OTHER_USER;
    let mut command = Command::new(setpriv);
    command.args(arguments).arg(path);
    command
}

fn said(command: &mut Command) -> io::Result<String> {
    let output = command.output()?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(io::Error::other(format!("{:?}: {}", command.get_program(), String::from_utf8_lossy(&output.stderr))))
}
