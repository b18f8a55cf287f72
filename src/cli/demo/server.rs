//! The demo's JetStream: a nats-server of its own, or one that runs already; and publishing to it.

use std::collections::VecDeque;
use std::future::IntoFuture;
use std::io::ErrorKind;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use async_nats::HeaderMap;
use async_nats::jetstream::Context;
use async_nats::jetstream::stream::Config;

use super::shop::Published;
use super::{DemoError, until};
use crate::config::Nats;
use crate::source::{connect, jetstream_context};

/// Stream and subjects, as the shipped sources read them.
const STREAMS: [(&str, &str); 2] = [("ORDERS", "orders.>"), ("CATALOG", "catalog.>")];
const IN_FLIGHT_MAX: usize = 500;

/// A server process that ends with the value.
pub(super) struct Server {
    process: Child,
    pub(super) url: String,
}

impl Server {
    /// Starts a server on a free loopback port, with its store in `folder`.
    pub(super) async fn start(folder: &Path) -> Result<Self, DemoError> {
        let binary = std::env::var("NATS_SERVER").unwrap_or_else(|_| "nats-server".to_owned());
        let spawned = Command::new(&binary)
            .args(["--addr", "127.0.0.1", "--port", "-1", "--jetstream", "--store_dir"])
            .arg(folder.join("nats"))
            .arg("--ports_file_dir")
            .arg(folder)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let process = spawned.map_err(|error| match error.kind() {
            ErrorKind::NotFound => DemoError::NoServer(binary),
            _ => DemoError::Io(error),
        })?;
        let mut server = Self { process, url: String::new() };
        // The server writes where it listens as soon as it does.
        let ports = folder.join(format!("nats-server_{}.ports", server.process.id()));
        let address = || {
            let ports: serde_json::Value = serde_json::from_slice(&std::fs::read(&ports).ok()?).ok()?;
            ports["nats"][0].as_str().map(str::to_owned)
        };
        server.url = until("nats-server to listen", address, || server.process.try_wait().ok().flatten()).await?;
        Ok(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already, at the same Ctrl-C.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The shop's side: it writes, and knows nothing of the daemon.
pub(super) struct Publisher {
    context: Context,
    messages: u64,
}

impl Publisher {
    /// Creates the streams. Existing ones are left alone: the demo's figures hold only for streams of its own.
    pub(super) async fn open(url: &str) -> Result<Self, DemoError> {
        let nats = Nats::at(url);
        let context = jetstream_context(connect(&nats).await?, &nats);
        for (name, _) in STREAMS {
            if context.get_stream(name).await.is_ok() {
                return Err(DemoError::StreamExists { stream: name, url: url.to_owned() });
            }
        }
        for (name, subject) in STREAMS {
            let config = Config { name: name.to_owned(), subjects: vec![subject.to_owned()], ..Config::default() };
            let created = context.create_stream(config).await;
            created.map_err(|error| DemoError::JetStream(error.to_string()))?;
        }
        Ok(Self { context, messages: 0 })
    }

    /// Publishes in this order, and gives the sequence of the last one.
    pub(super) async fn publish(&mut self, events: &[Published]) -> Result<u64, DemoError> {
        let failed = |error: async_nats::jetstream::context::PublishError| DemoError::JetStream(error.to_string());
        let mut acks = VecDeque::new();
        let mut sequence = 0;
        for event in events {
            self.messages += 1;
            let mut headers = HeaderMap::new();
            headers.insert("Nats-Msg-Id", format!("demo-{}", self.messages));
            event.headers.iter().for_each(|(name, value)| headers.insert(*name, value.as_str()));
            let body = event.body.clone().into();
            let ack = self.context.publish_with_headers(event.subject.clone(), headers, body).await.map_err(failed)?;
            acks.push_back(ack);
            if acks.len() >= IN_FLIGHT_MAX
                && let Some(ack) = acks.pop_front()
            {
                ack.into_future().await.map_err(failed)?;
            }
        }
        for ack in acks {
            sequence = ack.into_future().await.map_err(failed)?.sequence;
        }
        Ok(sequence)
    }

    /// Takes away what [`Publisher::open`] created.
    pub(super) async fn delete_streams(&self) -> Result<(), DemoError> {
        for (name, _) in STREAMS {
            let deleted = self.context.delete_stream(name).await;
            deleted.map_err(|error| DemoError::JetStream(error.to_string()))?;
        }
        Ok(())
    }
}
