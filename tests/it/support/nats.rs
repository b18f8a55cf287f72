//! A NATS server of a test's own: on a free loopback port, with JetStream in a temporary folder.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use async_nats::HeaderMap;
use async_nats::jetstream::context::{CreateStreamError, CreateStreamErrorKind};
use async_nats::jetstream::{Context, ErrorCode, stream};
use readside::config;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::DEADLINE;

/// The first line of every test that needs a server: skips the test where none can be had. In CI that fails instead.
macro_rules! needs_nats {
    () => {
        if let Err(missing) = $crate::support::nats::binary() {
            assert!(std::env::var("CI").as_deref() != Ok("true"), "{missing}");
            eprintln!("skipped: {missing}");
            return;
        }
    };
}
pub(crate) use needs_nats;

/// Ends with the value.
pub(crate) struct NatsServer {
    port: u16,
    store: TempDir,
    /// Beside what all servers of tests have.
    settings: Option<String>,
    process: Option<Child>,
}

impl NatsServer {
    /// A running server.
    pub(crate) fn start() -> Self {
        let mut server = Self::stopped();
        server.restart();
        server
    }

    /// A running server with settings of its own, as its configuration file has them.
    pub(crate) fn start_with(settings: impl Into<String>) -> Self {
        let mut server = Self::stopped();
        server.settings = Some(settings.into());
        server.restart();
        server
    }

    /// A server that does not run yet; its address is known.
    pub(crate) fn stopped() -> Self {
        // Below those that the system gives to connections and listeners of other tests while this server does not run.
        let port = std::iter::repeat_with(|| fastrand::u16(10_000..32_000))
            .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
            .expect("a free port");
        Self { port, store: TempDir::new().expect("a temporary folder"), settings: None, process: None }
    }

    /// Starts the server, after killing it if it runs. The streams are kept.
    pub(crate) fn restart(&mut self) {
        self.kill();
        let mut command = Command::new(binary().as_ref().expect("a nats-server"));
        if let Some(settings) = &self.settings {
            let file = self.store.path().join("settings.conf");
            std::fs::write(&file, settings).expect("a file");
            command.arg("--config").arg(file);
        }
        let process = command
            .args(["--addr", "127.0.0.1", "--port", &self.port.to_string(), "--jetstream", "--store_dir"])
            .arg(self.store.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("nats-server starts");
        self.process = Some(process);
        let deadline = Instant::now() + DEADLINE;
        while TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], self.port))).is_err() {
            assert!(Instant::now() < deadline, "nats-server does not listen on port {}", self.port);
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Ends the process at once, as a crash would.
    pub(crate) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().expect("nats-server ends");
            process.wait().expect("nats-server ended");
        }
    }

    /// A copy of what the streams hold; the server must not run.
    pub(crate) fn copy_of_store(&self) -> TempDir {
        assert!(self.process.is_none(), "the server runs");
        let copy = TempDir::new().expect("a temporary folder");
        copy_folder(self.store.path(), copy.path());
        copy
    }

    /// Puts a copy in the place of what the streams hold; the server must not run.
    pub(crate) fn restore_store(&self, copy: &TempDir) {
        assert!(self.process.is_none(), "the server runs");
        std::fs::remove_dir_all(self.store.path().join("jetstream")).expect("the store goes");
        copy_folder(copy.path(), self.store.path());
    }

    /// A connection for what a client library would not send.
    pub(crate) async fn wire(&self) -> Wire {
        let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", self.port)).await.expect("a connection");
        stream.write_all(b"CONNECT {\"verbose\":false,\"headers\":true}\r\n").await.expect("a write");
        Wire(stream)
    }

    pub(crate) fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn config(&self) -> config::Nats {
        config::Nats::at(&self.url())
    }

    /// A connection of its own.
    pub(crate) async fn client(&self) -> async_nats::Client {
        async_nats::connect(self.url()).await.expect("a connection")
    }

    /// A client, once JetStream answers.
    pub(crate) async fn jetstream(&self) -> Context {
        let client = async_nats::connect(self.url()).await.expect("a connection");
        let context = async_nats::jetstream::new(client);
        let deadline = Instant::now() + DEADLINE;
        while context.query_account().await.is_err() {
            assert!(Instant::now() < deadline, "JetStream does not answer");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        context
    }
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a folder").flatten() {
        let target = to.join(entry.file_name());
        match entry.file_type().expect("a type").is_dir() {
            true => copy_folder(&entry.path(), &target),
            false => drop(std::fs::copy(entry.path(), target).expect("a copy")),
        }
    }
}

/// The bare protocol.
pub(crate) struct Wire(tokio::net::TcpStream);

impl Wire {
    /// Publishes a message with this header as it is, and waits until the server has taken it.
    pub(crate) async fn publish(&mut self, subject: &str, header: &[u8], payload: &[u8]) {
        let sizes = format!("HPUB {subject} {} {}\r\n", header.len(), header.len() + payload.len());
        let message = [sizes.as_bytes(), header, payload, b"\r\nPING\r\n"].concat();
        self.0.write_all(&message).await.expect("a write");
        let mut heard = Vec::new();
        while !heard.ends_with(b"PONG\r\n") {
            let mut bytes = [0; 4096];
            let read = self.0.read(&mut bytes).await.expect("a read");
            assert!(read > 0, "the server has ended the connection: {}", String::from_utf8_lossy(&heard));
            heard.extend_from_slice(&bytes[..read]);
        }
    }
}

impl Drop for NatsServer {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Creates a stream. For a moment after one of the same name was deleted a server may not be able to, because it removes the
/// files beside.
pub(crate) async fn create(jetstream: &Context, config: stream::Config) {
    let deadline = Instant::now() + DEADLINE;
    loop {
        match jetstream.create_stream(config.clone()).await {
            Ok(_) => return,
            Err(error) if is_still_removing(&error) && Instant::now() < deadline => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Err(error) => panic!("no stream `{}`: {error}", config.name),
        }
    }
}

fn is_still_removing(error: &CreateStreamError) -> bool {
    matches!(error.kind(), CreateStreamErrorKind::JetStream(cause) if cause.error_code() == ErrorCode::STREAM_CREATE)
}

/// A stream of `orders.>` and `other.>`.
pub(crate) async fn create_orders(jetstream: &Context) {
    let config = stream::Config {
        name: "ORDERS".to_owned(),
        subjects: vec!["orders.>".to_owned(), "other.>".to_owned()],
        ..Default::default()
    };
    create(jetstream, config).await;
}

/// Publishes to each subject in turn, the payload being the number of the message from 1, and returns the last sequence.
pub(crate) async fn publish(jetstream: &Context, subjects: &[&str]) -> u64 {
    let mut sequence = 0;
    for (number, subject) in subjects.iter().enumerate() {
        let body = (number + 1).to_string();
        let ack = jetstream.publish((*subject).to_owned(), body.into()).await.expect("a publish");
        sequence = ack.await.expect("an ack").sequence;
    }
    sequence
}

/// Publishes `count` messages to `orders.1` fast, the payload being the number from 1.
pub(crate) async fn publish_many(jetstream: &Context, count: usize) {
    let mut acks = std::collections::VecDeque::new();
    for number in 1..=count {
        let headers = HeaderMap::new();
        let body = number.to_string();
        acks.push_back(jetstream.publish_with_headers("orders.1", headers, body.into()).await.expect("a publish"));
        if acks.len() > 1_000 {
            acks.pop_front().expect("one").await.expect("an ack");
        }
    }
    for ack in acks {
        ack.await.expect("an ack");
    }
}

/// The path of a server, or why there is none. `NATS_SERVER=none` says that there is no use in looking.
pub(crate) fn binary() -> &'static Result<PathBuf, String> {
    static BINARY: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    BINARY.get_or_init(|| {
        if std::env::var("NATS_SERVER").as_deref() == Ok("none") {
            return Err("there is no nats-server".to_owned());
        }
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/nats-server");
        let output = Command::new(script).output().map_err(|error| format!("{script}: {error}"))?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).trim().to_owned());
        }
        Ok(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()))
    })
}
