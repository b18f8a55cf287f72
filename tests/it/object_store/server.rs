//! A server that speaks S3 (moto), of a test's own, with one bucket, and a link to it that delays and fails.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::support::DEADLINE;

pub(crate) const BUCKET: &str = "shop";

/// The first line of every test that needs a server: skips the test where none can be had. In CI that fails instead.
macro_rules! needs_s3 {
    () => {
        if let Err(missing) = $crate::object_store::server::python() {
            assert!(std::env::var("CI").as_deref() != Ok("true"), "{missing}");
            eprintln!("skipped: {missing}");
            return;
        }
    };
}
pub(crate) use needs_s3;

/// Ends with the value, and all that it holds with it.
pub(crate) struct S3Server {
    port: u16,
    process: Child,
}

impl S3Server {
    /// A running server with an empty bucket.
    pub(crate) fn start() -> Self {
        let port = TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("an address").port();
        let python = python().as_ref().expect("a Python with moto");
        let process = Command::new(python)
            .args(["-m", "moto.server", "-H", "127.0.0.1", "-p", &port.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("moto starts");
        let server = Self { port, process };
        let deadline = Instant::now() + DEADLINE;
        while TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], port))).is_err() {
            assert!(Instant::now() < deadline, "moto does not listen on port {port}");
            std::thread::sleep(Duration::from_millis(20));
        }
        let created = ureq::put(format!("http://127.0.0.1:{port}/{BUCKET}")).send_empty();
        assert_eq!(created.expect("a bucket").status(), 200);
        server
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for S3Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What a link does to requests, of which each has a connection of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Weather {
    Fine,
    /// Every request waits that long; every third one is answered 503, and of every seventh the answer is lost although
    /// the server did what it was asked.
    Rough(Duration),
    /// Every connection is closed at once.
    Away,
}

/// Ends with the value.
pub(crate) struct StoreLink {
    port: u16,
    weather: watch::Sender<Weather>,
    task: JoinHandle<()>,
}

impl StoreLink {
    pub(crate) async fn to(server_port: u16, weather: Weather) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let (weather, now) = watch::channel(weather);
        let task = tokio::spawn(async move {
            let mut requests = 0;
            while let Ok((client, _)) = listener.accept().await {
                requests += 1;
                tokio::spawn(carry(client, server_port, *now.borrow(), requests));
            }
        });
        Self { port, weather, task }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn set(&self, weather: Weather) {
        self.weather.send_replace(weather);
    }
}

impl Drop for StoreLink {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// One request and its answer; then the connection is closed, so that the next request is a connection again.
async fn carry(mut client: tokio::net::TcpStream, server_port: u16, weather: Weather, number: u64) -> Option<()> {
    if weather == Weather::Away {
        return None;
    }
    let request = request(&mut client).await?;
    if let Weather::Rough(delay) = weather {
        tokio::time::sleep(delay).await;
        if number.is_multiple_of(3) {
            let answer = b"HTTP/1.1 503 Slow Down\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
            return client.write_all(answer).await.ok();
        }
    }
    let mut server = tokio::net::TcpStream::connect(("127.0.0.1", server_port)).await.ok()?;
    server.write_all(&request).await.ok()?;
    let mut answer = Vec::new();
    server.read_to_end(&mut answer).await.ok()?;
    if matches!(weather, Weather::Rough(_)) && number.is_multiple_of(7) {
        return None;
    }
    client.write_all(&answer).await.ok()
}

/// The bytes of a request, with the wish that the connection be closed after its answer.
async fn request(client: &mut tokio::net::TcpStream) -> Option<Vec<u8>> {
    let (mut bytes, mut piece) = (Vec::new(), vec![0; 64 << 10]);
    let head = loop {
        let count = client.read(&mut piece).await.ok().filter(|count| *count > 0)?;
        bytes.extend_from_slice(&piece[..count]);
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end;
        }
    };
    let text = String::from_utf8_lossy(&bytes[..head]).to_lowercase();
    let length = text.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
    while bytes.len() < head + 4 + length.unwrap_or(0) {
        let count = client.read(&mut piece).await.ok().filter(|count| *count > 0)?;
        bytes.extend_from_slice(&piece[..count]);
    }
    bytes.splice(head..head, b"\r\nConnection: close".iter().copied());
    Some(bytes)
}

/// A Python with moto, or why there is none. `S3_SERVER_PYTHON=none` says that there is no use in looking.
pub(crate) fn python() -> &'static Result<String, String> {
    static PYTHON: OnceLock<Result<String, String>> = OnceLock::new();
    PYTHON.get_or_init(|| {
        if std::env::var("S3_SERVER_PYTHON").as_deref() == Ok("none") {
            return Err("there is no server that speaks S3".to_owned());
        }
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/s3-server");
        let output = Command::new(script).output().map_err(|error| format!("{script}: {error}"))?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).trim().to_owned());
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    })
}
