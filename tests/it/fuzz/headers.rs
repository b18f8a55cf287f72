//! Headers of any bytes that a server stores: every message is read, once and in order.

use std::time::Instant;

use readside::source::{BatchLimits, Input, JetStreamOptions, JetStreamSource, Source, Start};
use tokio::runtime::Runtime;

use super::fuzz;
use crate::support::nats::{NatsServer, create_orders, needs_nats};
use crate::support::{DEADLINE, next};

/// Messages that are published before they are read: each that the client library cannot take costs a connection.
const BATCH: usize = 8;
const WORDS: &[&str] = &[
    "NATS/1.0\r\n",
    "NATS/1.0 503\r\n",
    "NATS/1.0 100 Idle Heartbeat\r\n",
    "NATS/2.0\r\n",
    "\r\n",
    "\r\n\r\n",
    "\n",
    "\r",
    ":",
    ": ",
    "Event-Type: Placed\r\n",
    "Bad Name: x\r\n",
    " folded\r\n",
    "\tfolded\r\n",
    "Nats-Msg-Id: ",
    "Nats-Marker-Reason: MaxAge\r\n",
    "Nats-Pending-Messages: 1\r\n",
    "Status: 408\r\n",
    "\u{fc}",
    "\u{0}",
    "\u{feff}",
    "\u{85}",
    "\u{2028}",
];

#[test]
fn headers() {
    needs_nats!();
    let runtime = Runtime::new().expect("a runtime");
    let server = NatsServer::start();
    let (mut wire, jetstream, mut source) = runtime.block_on(async {
        let jetstream = server.jetstream().await;
        create_orders(&jetstream).await;
        let options = JetStreamOptions {
            name: "orders".to_owned(),
            nats: server.config(),
            stream: "ORDERS".to_owned(),
            filter_subjects: Vec::new(),
            limits: BatchLimits::default(),
        };
        (server.wire().await, jetstream, JetStreamSource::open(options, Start::default()))
    });
    let (mut waiting, mut read) = (0, 0);
    fuzz("headers", WORDS, |input| {
        runtime.block_on(async {
            wire.publish("orders.1", input, b"{}").await;
            waiting += 1;
            if waiting == BATCH {
                waiting = 0;
                // A server refuses what its own headers ask for in vain.
                let stored =
                    jetstream.get_stream("ORDERS").await.expect("the stream").cached_info().state.last_sequence;
                read_through(&mut source, &mut read, stored).await;
            }
        });
    });
}

/// Reads on from the message after `read`.
async fn read_through(source: &mut dyn Source, read: &mut u64, last: u64) {
    let began = Instant::now();
    while *read < last {
        assert!(began.elapsed() < DEADLINE, "message {} does not come", *read + 1);
        match next(source).await {
            Input::Fetched { messages, .. } => {
                for message in messages {
                    *read += 1;
                    assert_eq!((message.seq, &message.payload[..]), (*read, &b"{}"[..]));
                }
            }
            Input::Opened { .. } | Input::Retains { .. } | Input::Heartbeat { .. } | Input::Disconnected { .. } => {}
            other => panic!("{other:?}"),
        }
    }
}
