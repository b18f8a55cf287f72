//! `readside try` over JetStream: the newest messages of a stream, of which nothing changes.

use async_nats::HeaderMap;
use serde_json::json;

use super::Workshop;
use crate::support::nats::{NatsServer, create_orders, needs_nats};

#[tokio::test]
async fn the_newest_messages_of_a_stream_are_read_and_nothing_is_left_behind() {
    needs_nats!();
    let server = NatsServer::start();
    let jetstream = server.jetstream().await;
    create_orders(&jetstream).await;
    // Most messages of the stream are others'.
    for n in 0..400 {
        let subject = if n % 40 == 0 { "orders.k" } else { "other.k" };
        let mut headers = HeaderMap::new();
        headers.insert("Type", "Placed");
        let body = format!("{{\"n\": {n}}}");
        jetstream.publish_with_headers(subject, headers, body.into()).await.unwrap().await.unwrap();
    }
    let root = format!("nats: {{url: \"{}\"}}\ndata_dir: data\nsources: sources.yaml\nprojections: []\n", server.url());
    let sources = "source: orders\njetstream: {stream: ORDERS, filter_subjects: [\"orders.>\"]}\n\
                   envelope: {type: header:Type, data: body}\nevents: {Placed: {fields: {n: int64!}}}\n";
    let shop = Workshop::new(&[("readside.yaml", &root), ("sources.yaml", sources)]);
    let sql = "SELECT count(*) AS events, min(n) AS least, max(n) AS most FROM orders.placed";
    for (flags, events, least) in [(&["--last", "3"][..], 3, 280), (&["--last", "300"], 10, 0), (&[], 10, 0)] {
        let (code, outcome) = shop.outcome(sql, flags);
        assert_eq!(
            (code, &outcome["rows"]),
            (0, &json!([{"events": events, "least": least, "most": 360}])),
            "{outcome}"
        );
    }
    let mut stream = jetstream.get_stream("ORDERS").await.unwrap();
    assert_eq!(stream.info().await.unwrap().state.messages, 400);
    assert!(!shop.path("data").exists());
    drop(server);
    let said = shop.attempt(sql, &[]);
    assert!(said.code == 1 && said.error.starts_with("error: source `orders`: "), "{said:?}");
}
