//! A link between a client and a server that carries as much as a test says: slow, stalled, or as fast as the machine is.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// What waits in the server's direction of a link, so that its sender feels how slow it is.
const BUFFER: u32 = 64 << 10;

/// Ends with the value.
pub(crate) struct Link {
    port: u16,
    rate: watch::Sender<Rate>,
    task: JoinHandle<()>,
}

/// How many bytes a second come from the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rate {
    Unlimited,
    BytesPerSecond(u32),
    /// Nothing passes, in either direction, and nothing is lost.
    Stalled,
}

impl Link {
    /// A link to a server on a loopback port.
    pub(crate) async fn to(server_port: u16, rate: Rate) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let (rate, changes) = watch::channel(rate);
        let task = tokio::spawn(async move {
            let mut pumps = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let socket = TcpSocket::new_v4().expect("a socket");
                socket.set_recv_buffer_size(BUFFER).expect("a small buffer");
                let address = ([127, 0, 0, 1], server_port).into();
                let Ok(server) = socket.connect(address).await else { continue };
                let (from_client, to_client) = client.into_split();
                let (from_server, to_server) = server.into_split();
                pumps.spawn(pump(from_server, to_client, changes.clone(), true));
                pumps.spawn(pump(from_client, to_server, changes.clone(), false));
            }
        });
        Self { port, rate, task }
    }

    pub(crate) fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    pub(crate) fn set(&self, rate: Rate) {
        self.rate.send_replace(rate);
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Carries bytes one way until either end closes.
async fn pump(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut rate: watch::Receiver<Rate>, is_limited: bool) {
    let mut bytes = vec![0; BUFFER as usize];
    loop {
        let Ok(now) = rate.wait_for(|rate| *rate != Rate::Stalled).await.map(|rate| *rate) else { return };
        let (most, seconds_per_byte) = match now {
            Rate::BytesPerSecond(rate) if is_limited => {
                ((rate as usize / 20).clamp(1, bytes.len()), 1.0 / f64::from(rate))
            }
            _ => (bytes.len(), 0.0),
        };
        let count = match from.read(&mut bytes[..most]).await {
            Ok(count) if count > 0 => count,
            _ => return,
        };
        tokio::time::sleep(Duration::from_secs_f64(count as f64 * seconds_per_byte)).await;
        if rate.wait_for(|rate| *rate != Rate::Stalled).await.is_err() || to.write_all(&bytes[..count]).await.is_err() {
            return;
        }
    }
}
