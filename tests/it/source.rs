//! The JetStream source against a real server: P2 (resume exactly), P4 (no silent loss), P5 (honest positions).

use std::time::{Duration, Instant};

use async_nats::HeaderMap;
use async_nats::jetstream::{Context, stream};
use readside::event::{Evidence, Message};
use readside::progress::Losses;
use readside::source::{BatchLimits, Input, JetStreamOptions, JetStreamSource, Source, Start, StreamIdentity};

use crate::support::nats::{NatsServer, create, create_orders, needs_nats, publish, publish_many};
use crate::support::{messages, next, until};

const PLACED: &str = "orders.1";
const OTHER: &str = "other.1";

fn open(server: &NatsServer, filter_subjects: &[&str], start: Start) -> JetStreamSource {
    let options = JetStreamOptions {
        name: "orders".to_owned(),
        nats: server.config(),
        stream: "ORDERS".to_owned(),
        filter_subjects: filter_subjects.iter().map(|subject| (*subject).to_owned()).collect(),
        limits: BatchLimits::default(),
    };
    JetStreamSource::open(options, start)
}

async fn with_orders() -> (NatsServer, Context) {
    let server = NatsServer::start();
    let jetstream = server.jetstream().await;
    create_orders(&jetstream).await;
    (server, jetstream)
}

async fn identity(server: &NatsServer) -> StreamIdentity {
    match next(&mut open(server, &[], Start::default())).await {
        Input::Opened { identity, .. } => identity,
        other => panic!("{other:?}"),
    }
}

async fn halted(source: &mut dyn Source) -> String {
    match until(source, |input| matches!(input, Input::Halted { .. })).await {
        Input::Halted { message, .. } => message,
        other => panic!("{other:?}"),
    }
}

async fn disconnected(source: &mut dyn Source) -> String {
    match until(source, |input| matches!(input, Input::Disconnected { .. })).await {
        Input::Disconnected { message } => message,
        other => panic!("{other:?}"),
    }
}

fn sequences(messages: &[Message]) -> Vec<u64> {
    messages.iter().map(|message| message.seq).collect()
}

async fn delete(jetstream: &Context, sequences: impl IntoIterator<Item = u64>) {
    let stream = jetstream.get_stream("ORDERS").await.unwrap();
    for sequence in sequences {
        stream.delete_message(sequence).await.unwrap();
    }
}

#[tokio::test]
async fn a_source_resumes_exactly_after_its_start() {
    needs_nats!();
    let (server, jetstream) = with_orders().await;
    publish(&jetstream, &[PLACED; 10]).await;
    for after in [0, 4, 9] {
        let mut source = open(&server, &[], Start { after, ..Start::default() });
        let taken = messages(&mut source, 10 - after as usize).await;
        assert_eq!(sequences(&taken), (after + 1..=10).collect::<Vec<_>>());
    }
    let mut source = open(&server, &[], Start { after: 10, ..Start::default() });
    let quiet = until(&mut source, |input| matches!(input, Input::Heartbeat { .. } | Input::Fetched { .. })).await;
    assert_eq!(quiet, Input::Heartbeat { covered: 10, last_sequence: 10 });
    publish(&jetstream, &[PLACED]).await;
    assert_eq!(sequences(&messages(&mut source, 1).await), [11]);
}

#[tokio::test]
async fn a_message_carries_what_the_stream_stored() {
    needs_nats!();
    let (server, jetstream) = with_orders().await;
    let mut headers = HeaderMap::new();
    headers.append("Zone", "eu");
    headers.append("Event-Type", "OrderPlaced");
    headers.append("Zone", "us");
    let before = chrono::Utc::now().timestamp_micros();
    jetstream.publish_with_headers("orders.7", headers, "{}".into()).await.unwrap().await.unwrap();
    let message = messages(&mut open(&server, &[], Start::default()), 1).await.remove(0);
    assert_eq!((message.seq, message.subject.as_str(), &message.payload[..]), (1, "orders.7", &b"{}"[..]));
    assert_eq!((message.headers.get("event-type"), message.headers.get("zone")), (Some("OrderPlaced"), Some("eu")));
    assert_eq!(message.headers.0.len(), 3);
    assert!((before..=chrono::Utc::now().timestamp_micros()).contains(&message.published_at_us));
}

#[tokio::test]
async fn what_the_filter_leaves_out_is_covered() {
    needs_nats!();
    let (server, jetstream) = with_orders().await;
    publish(&jetstream, &[OTHER, PLACED, OTHER, OTHER]).await;
    let mut source = open(&server, &["orders.>"], Start::default());
    assert_eq!(sequences(&messages(&mut source, 1).await), [2]);
    until(&mut source, |input| *input == Input::Heartbeat { covered: 4, last_sequence: 4 }).await;
    publish(&jetstream, &[OTHER, OTHER]).await;
    until(&mut source, |input| *input == Input::Heartbeat { covered: 6, last_sequence: 6 }).await;
    publish(&jetstream, &[PLACED]).await;
    assert_eq!(sequences(&messages(&mut source, 1).await), [7]);
}

#[tokio::test]
async fn several_filters_are_one_source() {
    needs_nats!();
    let (server, jetstream) = with_orders().await;
    publish(&jetstream, &["orders.a", "orders.b", OTHER, "orders.c", "orders.b", OTHER]).await;
    let mut source = open(&server, &["orders.b", "orders.c"], Start::default());
    assert_eq!(sequences(&messages(&mut source, 3).await), [2, 4, 5]);
    until(&mut source, |input| matches!(input, Input::Heartbeat { covered: 6, .. })).await;
}

#[tokio::test]
async fn messages_deleted_before_they_were_read_are_counted() {
    needs_nats!();
    let (server, jetstream) = with_orders().await;
    publish(&jetstream, &[PLACED; 10]).await;
    delete(&jetstream, [3, 4, 7, 10]).await;
    let mut source = open(&server, &[], Start::default());
    let (mut read, mut lost) = (Vec::new(), Losses::default());
    until(&mut source, |input| {
        match input {
            Input::Fetched { messages, .. } => read.extend(sequences(messages)),
            Input::Lost { losses } => lost.extend(losses.clone()),
            _ => {}
        }
        *input == Input::Heartbeat { covered: 10, last_sequence: 10 }
    })
    .await;
    assert_eq!((read, lost.to_string()), (vec![1, 2, 5, 6, 8, 9], "4 messages in 3 to 4, 7 and 10".to_owned()));
}

#[tokio::test]
async fn what_a_filter_leaves_out_may_be_deleted() {
    needs_nats!();
    let (server, jetstream) = with_orders().await;
    publish(&jetstream, &[PLACED, OTHER, PLACED, OTHER, PLACED]).await;
    delete(&jetstream, [2]).await;
    let mut source = open(&server, &["orders.>"], Start::default());
    let mut lost = Vec::new();
    until(&mut source, |input| {
        lost.extend(matches!(input, Input::Lost { .. }).then(|| input.clone()));
        matches!(input, Input::Fetched { covered: 5, .. } | Input::Heartbeat { covered: 5, .. })
    })
    .await;
    assert_eq!(lost, []);
}

#[tokio::test]
async fn a_header_that_the_client_library_cannot_take_costs_its_message_alone() {
    needs_nats!();
    let (server, jetstream) = with_orders().await;
    let headers: [&[u8]; 7] = [
        b"NATS/1.0\r\nName: M\xfcller\r\n\r\n",
        b"NATS/1.0\r\nBad Name: x\r\n\r\n",
        b"NATS/1.0\r\nBad\tName: x\r\n\r\n",
        "NATS/1.0\r\nN\u{fc}r: x\r\n\r\n".as_bytes(),
        b"NATS/1.0\r\nnocolon\r\n\r\n",
        // The library's own task panics over this one.
        b"NATS/1.0\r\nName: a\rb\r\n\r\n",
        b"HELLO\r\nA: 1\r\n\r\n",
    ];
    publish(&jetstream, &[PLACED]).await;
    let mut wire = server.wire().await;
    for header in headers {
        wire.publish(PLACED, header, b"{}").await;
    }
    // A status that a publisher has written is no notice of the server's.
    wire.publish(PLACED, b"NATS/1.0 503\r\nA: 1\r\n\r\n", b"{}").await;
    publish(&jetstream, &[PLACED]).await;
    let mut source = open(&server, &[], Start::default());
    let read = messages(&mut source, headers.len() + 3).await;
    let unreadable: Vec<u64> = read.iter().filter(|one| one.unreadable.is_some()).map(|one| one.seq).collect();
    assert_eq!(sequences(&read), (1..=headers.len() as u64 + 3).collect::<Vec<_>>());
    assert_eq!(unreadable, [8], "what can be read of the others is enough");
    let read = |index: usize, name: &str| read[index].headers.get(name).map(str::to_owned);
    assert_eq!(read(6, "Name"), Some("a\rb".to_owned()));
    assert_eq!((read(1, "Name"), read(2, "Bad Name")), (Some("Müller".to_owned()), Some("x".to_owned())));
    assert_eq!(read(headers.len() + 1, "A"), Some("1".to_owned()));
}

#[tokio::test]
async fn a_stream_is_known_by_what_was_read_of_it() {
    needs_nats!();
    let (mut server, jetstream) = with_orders().await;
    publish_many(&jetstream, 100).await;
    server.kill();
    let backup = server.copy_of_store();
    server.restart();
    let jetstream = server.jetstream().await;
    publish(&jetstream, &[PLACED; 100]).await;
    let mut evidence = Evidence::default();
    let mut source = open(&server, &[], Start::default());
    let identity = match next(&mut source).await {
        Input::Opened { identity, .. } => Some(identity),
        other => panic!("{other:?}"),
    };
    evidence.take(&messages(&mut source, 200).await);
    let start = Start { after: 200, identity, evidence, ..Start::default() };
    // Restored from its own copy of now, it goes on.
    server.kill();
    let equal = server.copy_of_store();
    server.restore_store(&equal);
    server.restart();
    assert_eq!(publish(&server.jetstream().await, &[PLACED]).await, 201);
    assert_eq!(sequences(&messages(&mut open(&server, &[], start.clone()), 1).await), [201]);
    // Restored from an older copy, and published to beyond what was read.
    server.kill();
    server.restore_store(&backup);
    server.restart();
    publish(&server.jetstream().await, &[OTHER; 150]).await;
    let message = halted(&mut open(&server, &[], start.clone())).await;
    assert!(message.contains("message 200 of stream `ORDERS` is not the one that was read"), "{message}");
    assert_eq!(halted(&mut open(&server, &[], Start { after: 0, ..start })).await, message, "nor can be built from it");
}

#[tokio::test]
async fn a_restarted_server_costs_nothing() {
    needs_nats!();
    let (mut server, jetstream) = with_orders().await;
    publish(&jetstream, &[PLACED; 5]).await;
    let mut source = open(&server, &[], Start::default());
    assert_eq!(sequences(&messages(&mut source, 5).await), [1, 2, 3, 4, 5]);
    server.kill();
    let message = disconnected(&mut source).await;
    assert!(message.contains(&server.url()) && message.contains("lost"), "{message}");
    server.restart();
    let jetstream = server.jetstream().await;
    assert_eq!(publish(&jetstream, &[PLACED; 3]).await, 8, "the server kept its stream");
    assert_eq!(sequences(&messages(&mut source, 3).await), [6, 7, 8]);
}

#[tokio::test]
async fn a_lost_consumer_is_replaced() {
    needs_nats!();
    let (server, jetstream) = with_orders().await;
    publish(&jetstream, &[PLACED; 5]).await;
    let mut source = open(&server, &[], Start::default());
    messages(&mut source, 5).await;
    let stream = jetstream.get_stream("ORDERS").await.unwrap();
    let name = futures::TryStreamExt::try_next(&mut stream.consumer_names()).await.unwrap().unwrap();
    assert!(stream.delete_consumer(&name).await.unwrap().success);
    publish(&jetstream, &[PLACED; 3]).await;
    assert_eq!(sequences(&messages(&mut source, 3).await), [6, 7, 8]);
}

#[tokio::test]
async fn a_recreated_stream_halts() {
    needs_nats!();
    let (server, jetstream) = with_orders().await;
    publish(&jetstream, &[PLACED; 5]).await;
    let identity = Some(identity(&server).await);
    let mut reading = open(&server, &[], Start { after: 3, identity: identity.clone(), ..Start::default() });
    assert_eq!(sequences(&messages(&mut reading, 2).await), [4, 5]);
    jetstream.delete_stream("ORDERS").await.unwrap();
    create_orders(&jetstream).await;
    publish(&jetstream, &[PLACED; 9]).await;
    let mut resumed = open(&server, &[], Start { after: 3, identity, ..Start::default() });
    let message = halted(&mut resumed).await;
    assert!(message.contains("`ORDERS` was created anew"), "{message}");
    assert_eq!(halted(&mut reading).await, message, "who was reading notices, too");
}

#[tokio::test]
async fn a_stream_that_was_set_back_halts() {
    needs_nats!();
    let (server, jetstream) = with_orders().await;
    publish(&jetstream, &[PLACED; 5]).await;
    let identity = Some(identity(&server).await);
    let message = halted(&mut open(&server, &[], Start { after: 6, identity, ..Start::default() })).await;
    assert!(message.contains("ends at 5, but 6 was already read"), "{message}");
}

#[tokio::test]
async fn history_purged_beyond_the_position_halts() {
    needs_nats!();
    let (server, jetstream) = with_orders().await;
    publish(&jetstream, &[PLACED; 10]).await;
    let identity = Some(identity(&server).await);
    jetstream.get_stream("ORDERS").await.unwrap().purge().sequence(8).await.unwrap();
    let start = Start { after: 5, identity, ..Start::default() };
    let message = halted(&mut open(&server, &[], start.clone())).await;
    assert!(message.contains("messages 6 to 7 of stream `ORDERS` expired"), "{message}");

    let mut up_to_date = open(&server, &[], Start { after: 7, ..start });
    assert_eq!(sequences(&messages(&mut up_to_date, 3).await), [8, 9, 10]);
}

#[tokio::test]
async fn history_that_vanishes_ahead_of_a_slow_reader_halts() {
    needs_nats!();
    let (server, jetstream) = with_orders().await;
    let body = "x".repeat(64 << 10);
    for _ in 0..1_500 {
        jetstream.publish("orders.1", body.clone().into()).await.unwrap().await.unwrap();
    }
    // Nobody takes the inputs: intake stops after some tens of megabytes.
    let mut source = open(&server, &[], Start::default());
    let consumer_stalls = async {
        let mut delivered = 0;
        loop {
            tokio::time::sleep(Duration::from_millis(300)).await;
            let mut stream = jetstream.get_stream("ORDERS").await.unwrap();
            let consumer = futures::TryStreamExt::try_next(&mut stream.consumers()).await.unwrap();
            let now = consumer.map_or(0, |consumer| consumer.delivered.stream_sequence);
            if now > 0 && now == delivered {
                return (now, stream.info().await.unwrap().state.last_sequence);
            }
            delivered = now;
        }
    };
    let (delivered, last) = tokio::time::timeout(crate::support::DEADLINE, consumer_stalls).await.unwrap();
    assert!(delivered < last, "all {last} messages were taken in although nobody reads them");
    jetstream.get_stream("ORDERS").await.unwrap().purge().sequence(last).await.unwrap();
    let message = halted(&mut source).await;
    assert!(message.contains(&format!("messages {} to {}", delivered + 1, last - 1)), "{message}");
}

#[tokio::test]
async fn queues_are_refused() {
    needs_nats!();
    let server = NatsServer::start();
    let jetstream = server.jetstream().await;
    for (retention, name) in
        [(stream::RetentionPolicy::WorkQueue, "workqueue"), (stream::RetentionPolicy::Interest, "interest")]
    {
        let config = stream::Config {
            name: "ORDERS".to_owned(),
            subjects: vec!["orders.>".to_owned()],
            retention,
            ..Default::default()
        };
        create(&jetstream, config).await;
        let message = halted(&mut open(&server, &[], Start::default())).await;
        assert!(message.contains(name), "{message}");
        jetstream.delete_stream("ORDERS").await.unwrap();
    }
}

#[tokio::test]
async fn a_stream_may_limit_its_consumers() {
    needs_nats!();
    let server = NatsServer::start();
    let jetstream = server.jetstream().await;
    let limits = stream::ConsumerLimits { inactive_threshold: Duration::from_secs(5), max_ack_pending: 10 };
    let config = stream::Config {
        name: "ORDERS".to_owned(),
        subjects: vec!["orders.>".to_owned()],
        consumer_limits: Some(limits),
        ..Default::default()
    };
    create(&jetstream, config).await;
    publish_many(&jetstream, 20).await;
    let mut source = open(&server, &[], Start::default());
    assert_eq!(sequences(&messages(&mut source, 20).await), (1..=20).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_missing_stream_is_waited_for() {
    needs_nats!();
    let server = NatsServer::start();
    let jetstream = server.jetstream().await;
    let mut source = open(&server, &[], Start::default());
    let message = disconnected(&mut source).await;
    assert_eq!(message, "stream `ORDERS` does not exist; create it or fix `jetstream.stream`");
    create_orders(&jetstream).await;
    publish(&jetstream, &[PLACED]).await;
    assert_eq!(sequences(&messages(&mut source, 1).await), [1]);
}

#[tokio::test]
async fn an_unreachable_server_is_waited_for() {
    needs_nats!();
    let mut server = NatsServer::stopped();
    let mut source = open(&server, &[], Start::default());
    let message = disconnected(&mut source).await;
    assert!(message.starts_with(&format!("cannot connect to NATS at {}", server.url())), "{message}");
    server.restart();
    let jetstream = server.jetstream().await;
    create_orders(&jetstream).await;
    publish(&jetstream, &[PLACED]).await;
    assert_eq!(sequences(&messages(&mut source, 1).await), [1]);
}

#[tokio::test]
async fn a_message_larger_than_a_batch_arrives() {
    needs_nats!();
    let (server, jetstream) = with_orders().await;
    let large = vec![b'x'; 1_000_000];
    let limits = BatchLimits { max_events: 10, max_bytes: 1_000 };
    for _ in 0..3 {
        jetstream.publish("orders.1", large.clone().into()).await.unwrap().await.unwrap();
    }
    let options = JetStreamOptions {
        name: "orders".to_owned(),
        nats: server.config(),
        stream: "ORDERS".to_owned(),
        filter_subjects: Vec::new(),
        limits,
    };
    let mut source = JetStreamSource::open(options, Start::default());
    assert_eq!(sequences(&messages(&mut source, 3).await), [1, 2, 3]);
}

#[tokio::test]
async fn many_messages_come_once_each_although_the_server_crashes() {
    needs_nats!();
    const COUNT: usize = 100_000;
    let (mut server, jetstream) = with_orders().await;
    publish_many(&jetstream, COUNT).await;
    let mut source = open(&server, &[], Start::default());
    let mut taken = messages(&mut source, 1).await;
    // Most is still to come, or under way.
    server.restart();
    while taken.len() < COUNT {
        taken.extend(messages(&mut source, 1).await);
    }
    assert_eq!(sequences(&taken), (1..=COUNT as u64).collect::<Vec<_>>());
    assert!(taken.iter().all(|message| message.payload == message.seq.to_string()));
}

#[tokio::test]
async fn a_busy_stream_is_read_with_one_consumer() {
    const COUNT: usize = 50_000;
    let (server, jetstream) = with_orders().await;
    publish_many(&jetstream, COUNT).await;
    let mut source = open(&server, &[], Start::default());
    assert!(matches!(next(&mut source).await, Input::Opened { .. }));
    let mut expected = 1;
    while expected <= COUNT as u64 {
        match next(&mut source).await {
            Input::Fetched { messages, covered, .. } => {
                assert_eq!(sequences(&messages), (expected..=covered).collect::<Vec<_>>());
                expected = covered + 1;
            }
            Input::Heartbeat { .. } | Input::Retains { .. } => {}
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn an_idle_stream_hands_over_at_once() {
    needs_nats!();
    let (server, jetstream) = with_orders().await;
    let mut source = open(&server, &["orders.>"], Start::default());
    until(&mut source, |input| matches!(input, Input::Heartbeat { .. })).await;
    let mut fastest = Duration::MAX;
    for _ in 0..20 {
        publish(&jetstream, &[OTHER, PLACED]).await;
        let began = Instant::now();
        messages(&mut source, 1).await;
        fastest = fastest.min(began.elapsed());
    }
    // The machine may be loaded, so one of twenty is enough: a timer on the way would slow all of them.
    assert!(fastest < Duration::from_millis(5), "{fastest:?}");
}
