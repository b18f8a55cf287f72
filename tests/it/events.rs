//! `readside events` against a real server.

use std::path::Path;

use async_nats::jetstream::Context;
use readside::cli::events::{AppendArgs, Appended, Error, ReplayArgs, StreamArgs, append, replay, stream};
use tempfile::TempDir;

use crate::support::nats::{NatsServer, create_orders, needs_nats, publish};

async fn with_orders() -> (NatsServer, Context) {
    let server = NatsServer::start();
    let jetstream = server.jetstream().await;
    create_orders(&jetstream).await;
    (server, jetstream)
}

fn event(subject: &str) -> AppendArgs {
    AppendArgs {
        subject: subject.to_owned(),
        data: "{\"total\": 1.50}".to_owned(),
        headers: vec!["Event-Type: OrderPlaced".to_owned()],
        expected_version: None,
        id: None,
    }
}

fn file_args(path: &Path) -> ReplayArgs {
    ReplayArgs { file: path.to_owned(), stream: None, create: false, subjects: Vec::new(), in_flight: 10 }
}

fn whole(name: &str) -> StreamArgs {
    StreamArgs { stream: name.to_owned(), from: 1, filter_subjects: Vec::new(), limit: None, follow: false }
}

async fn printed(server: &NatsServer, args: &StreamArgs) -> String {
    let mut output = Vec::new();
    stream(args, &server.config(), &mut output).await.unwrap();
    String::from_utf8(output).unwrap()
}

/// The sequences of what is printed.
async fn sequences(server: &NatsServer, args: &StreamArgs) -> Vec<u64> {
    let value = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()["seq"].as_u64().unwrap();
    printed(server, args).await.lines().map(value).collect()
}

#[tokio::test]
async fn an_append_answers_with_its_place() {
    needs_nats!();
    let (server, _) = with_orders().await;
    let appended = append(&event("orders.1"), &server.config()).await.unwrap();
    assert_eq!(appended, Appended { stream: "ORDERS".to_owned(), sequence: 1, is_duplicate: false });
    assert_eq!(appended.token(), "ORDERS:1");
    let line: serde_json::Value = serde_json::from_str(&printed(&server, &whole("ORDERS")).await).unwrap();
    assert_eq!(line["headers"], serde_json::json!({"Event-Type": "OrderPlaced"}));
    assert_eq!((line["subject"].as_str(), line["data"]["total"].as_f64()), (Some("orders.1"), Some(1.5)));
}

#[tokio::test]
async fn an_append_at_another_version_is_a_conflict() {
    needs_nats!();
    let (server, _) = with_orders().await;
    let at = |version| AppendArgs { expected_version: Some(version), ..event("orders.1") };
    assert_eq!(append(&at(0), &server.config()).await.unwrap().sequence, 1);
    append(&event("orders.2"), &server.config()).await.unwrap();
    assert_eq!(append(&at(1), &server.config()).await.unwrap().sequence, 3, "other subjects do not count");
    let conflict = append(&at(1), &server.config()).await;
    assert!(matches!(conflict, Err(Error::Conflict { expected: 1, .. })), "{conflict:?}");
    assert_eq!(sequences(&server, &whole("ORDERS")).await, [1, 2, 3]);
}

#[tokio::test]
async fn an_append_with_an_id_is_stored_once() {
    needs_nats!();
    let (server, _) = with_orders().await;
    let args = AppendArgs { id: Some("one".to_owned()), ..event("orders.1") };
    append(&args, &server.config()).await.unwrap();
    let again = append(&args, &server.config()).await.unwrap();
    assert_eq!(again, Appended { stream: "ORDERS".to_owned(), sequence: 1, is_duplicate: true });
    assert_eq!(sequences(&server, &whole("ORDERS")).await, [1]);
}

#[tokio::test]
async fn a_subject_without_a_stream_is_named() {
    needs_nats!();
    let (server, _) = with_orders().await;
    let refused = append(&event("payments.1"), &server.config()).await;
    assert!(matches!(&refused, Err(Error::NoStream { subject }) if subject == "payments.1"), "{refused:?}");
}

#[tokio::test]
async fn a_stream_is_printed_from_to_and_through_a_filter() {
    needs_nats!();
    let (server, jetstream) = with_orders().await;
    publish(&jetstream, &["orders.1", "other.1", "orders.2", "orders.1", "other.2"]).await;
    assert_eq!(sequences(&server, &whole("ORDERS")).await, [1, 2, 3, 4, 5]);
    assert_eq!(sequences(&server, &StreamArgs { from: 4, ..whole("ORDERS") }).await, [4, 5]);
    assert_eq!(sequences(&server, &StreamArgs { from: 6, ..whole("ORDERS") }).await, [0; 0]);
    assert_eq!(sequences(&server, &StreamArgs { limit: Some(2), ..whole("ORDERS") }).await, [1, 2]);
    let orders = StreamArgs { filter_subjects: vec!["orders.>".to_owned()], ..whole("ORDERS") };
    assert_eq!(sequences(&server, &orders).await, [1, 3, 4]);
    let missing = stream(&whole("MISSING"), &server.config(), &mut Vec::new()).await;
    assert!(matches!(&missing, Err(Error::Source(message)) if message.contains("does not exist")), "{missing:?}");
}

#[tokio::test]
async fn a_file_is_replayed_into_a_new_stream_once() {
    needs_nats!();
    let server = NatsServer::start();
    server.jetstream().await;
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("events.ndjson");
    let line = |number| {
        format!(
            "{{\"subject\":\"orders.{}\",\"headers\":{{\"Nats-Msg-Id\":\"{number}\"}},\"data\":{{\"n\":{number}}}}}\n",
            number % 7
        )
    };
    std::fs::write(&path, (1..=500).map(line).collect::<String>()).unwrap();
    let args = ReplayArgs { stream: Some("ORDERS".to_owned()), create: true, ..file_args(&path) };
    let first = replay(&args, &server.config()).await.unwrap();
    assert_eq!((first.published, first.duplicates, first.last.unwrap().token()), (500, 0, "ORDERS:500".to_owned()));
    let again = replay(&args, &server.config()).await.unwrap();
    assert_eq!((again.published, again.duplicates), (500, 500));

    let text = printed(&server, &whole("ORDERS")).await;
    let numbers =
        text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["data"]["n"].as_u64());
    assert_eq!(numbers.collect::<Vec<_>>(), (1..=500).map(Some).collect::<Vec<_>>(), "in the file's order");
}

#[tokio::test]
async fn a_line_that_is_no_event_is_named() {
    needs_nats!();
    let (server, _) = with_orders().await;
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("events.ndjson");
    std::fs::write(&path, "{\"subject\":\"orders.1\",\"data\":1}\nbroken\n").unwrap();
    let refused = replay(&file_args(&path), &server.config()).await;
    assert!(matches!(refused, Err(Error::Line { line: 2, .. })), "{refused:?}");
    let missing = replay(&file_args(&folder.path().join("missing")), &server.config()).await;
    assert!(matches!(&missing, Err(Error::Source(message)) if message.contains("missing")), "{missing:?}");
}
