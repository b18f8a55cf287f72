//! The JetStream source over slow links: what was asked for follows what arrives, and nothing is begun anew while bytes
//! come (P4, P5, P7).

use std::time::Duration;

use async_nats::jetstream::Context;
use readside::config;
use readside::source::{BatchLimits, Input, JetStreamOptions, JetStreamSource, Source, Start};
use tokio::time::Instant;

use crate::support::link::{Link, Rate};
use crate::support::nats::{NatsServer, create_orders, needs_nats};
use crate::support::{messages, until};

/// A server with messages of a size, and a link to it.
struct Far {
    _server: NatsServer,
    jetstream: Context,
    link: Link,
    config: config::Nats,
}

impl Far {
    async fn with(count: usize, size: usize, rate: Rate) -> Self {
        let server = NatsServer::start();
        let jetstream = server.jetstream().await;
        create_orders(&jetstream).await;
        let link = Link::to(server.port(), rate).await;
        let config = config::Nats { urls: vec![link.url()], ..server.config() };
        let far = Self { _server: server, jetstream, link, config };
        far.publish(count, size).await;
        far
    }

    async fn publish(&self, count: usize, size: usize) {
        let body = vec![b'x'; size];
        for acks in (0..count).collect::<Vec<_>>().chunks(500) {
            let sent = acks.iter().map(|_| self.jetstream.publish("orders.1", body.clone().into()));
            for ack in futures::future::join_all(sent).await {
                ack.expect("a publish").await.expect("an ack");
            }
        }
    }

    fn source(&self) -> JetStreamSource {
        let options = JetStreamOptions {
            name: "orders".to_owned(),
            nats: self.config.clone(),
            stream: "ORDERS".to_owned(),
            filter_subjects: Vec::new(),
            limits: BatchLimits::default(),
        };
        JetStreamSource::open(options, Start::default())
    }
}

/// Reads all through `last`, each message once and in order, and returns how often reading began.
async fn read_through(source: &mut dyn Source, last: u64, within: Duration) -> usize {
    let (deadline, mut openings, mut expected) = (Instant::now() + within, 0, 1);
    while expected <= last {
        let input = tokio::time::timeout_at(deadline, source.next()).await;
        match input.unwrap_or_else(|_| panic!("{} of {last} messages came in {within:?}", expected - 1)) {
            Input::Opened { .. } => openings += 1,
            Input::Fetched { messages, .. } => {
                for message in messages {
                    assert_eq!(message.seq, expected);
                    expected += 1;
                }
            }
            Input::Heartbeat { .. } | Input::Retains { .. } => {}
            other => panic!("{other:?}"),
        }
    }
    openings
}

#[tokio::test]
async fn a_backlog_over_a_slow_link_is_read_by_one_consumer() {
    needs_nats!();
    // All of it would be asked for at once on a fast link, and an answer behind it would take 6 s.
    let far = Far::with(2_400, 10_000, Rate::BytesPerSecond(4_000_000)).await;
    assert_eq!(read_through(&mut far.source(), 2_400, Duration::from_secs(25)).await, 1);
}

#[tokio::test]
async fn a_message_that_takes_longer_than_any_patience_arrives() {
    needs_nats!();
    let far = Far::with(2, 400_000, Rate::BytesPerSecond(50_000)).await;
    assert_eq!(read_through(&mut far.source(), 2, Duration::from_secs(40)).await, 1);
}

#[tokio::test]
async fn small_messages_follow_large_ones_over_a_slow_link() {
    needs_nats!();
    let far = Far::with(50, 10, Rate::BytesPerSecond(200_000)).await;
    for _ in 0..3 {
        far.publish(1, 300_000).await;
        far.publish(50, 10).await;
    }
    assert_eq!(read_through(&mut far.source(), 203, Duration::from_secs(25)).await, 1);
}

#[tokio::test]
async fn a_link_that_is_slow_at_the_beginning_is_used_in_full_later() {
    needs_nats!();
    let far = Far::with(3_000, 10_000, Rate::BytesPerSecond(200_000)).await;
    let mut source = far.source();
    let read = messages(&mut source, 50).await.len() as u64;
    far.link.set(Rate::Unlimited);
    // At the first rate it would take 150 s.
    let rest = messages(&mut source, 3_000 - read as usize).await;
    assert_eq!(rest.iter().map(|message| message.seq).collect::<Vec<_>>(), (read + 1..=3_000).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_link_that_stalls_is_given_up_and_read_on_when_it_goes_on() {
    needs_nats!();
    let far = Far::with(1_000, 10_000, Rate::BytesPerSecond(2_000_000)).await;
    let mut source = far.source();
    let mut read = messages(&mut source, 100).await;
    far.link.set(Rate::Stalled);
    until(&mut source, |input| {
        if let Input::Fetched { messages, .. } = input {
            read.extend(messages.clone());
        }
        matches!(input, Input::Disconnected { .. })
    })
    .await;
    far.link.set(Rate::Unlimited);
    while read.len() < 1_000 {
        read.extend(messages(&mut source, 1).await);
    }
    assert_eq!(read.iter().map(|message| message.seq).collect::<Vec<_>>(), (1..=1_000).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_dead_link_is_noticed_while_nothing_comes() {
    needs_nats!();
    let far = Far::with(1, 10, Rate::Unlimited).await;
    let mut source = far.source();
    messages(&mut source, 1).await;
    far.link.set(Rate::Stalled);
    until(&mut source, |input| matches!(input, Input::Disconnected { .. })).await;
    far.link.set(Rate::Unlimited);
    far.publish(1, 10).await;
    assert_eq!(messages(&mut source, 1).await[0].seq, 2);
}
