//! Answers in the coding that a request takes.
#![allow(clippy::unwrap_used)]

use std::io::Read;

use flate2::read::GzDecoder;

use super::*;

fn decoded(head: &ureq::http::response::Parts, bytes: &[u8]) -> Vec<u8> {
    match head.headers.get("content-encoding").map(|coding| coding.to_str().unwrap()) {
        None => bytes.to_vec(),
        Some("zstd") => zstd::decode_all(bytes).unwrap(),
        Some("gzip") => {
            let mut out = Vec::new();
            GzDecoder::new(bytes).read_to_end(&mut out).unwrap();
            out
        }
        Some(other) => panic!("{other}"),
    }
}

fn coding(head: &ureq::http::response::Parts) -> &str {
    head.headers.get("content-encoding").map_or("", |coding| coding.to_str().unwrap())
}

fn vary(head: &ureq::http::response::Parts) -> Vec<&str> {
    head.headers.get_all("vary").iter().map(|value| value.to_str().unwrap()).collect()
}

#[test]
fn a_large_answer_is_compressed_as_it_is_asked_for_and_is_the_same() {
    let daemon = Daemon::usual();
    let formats = ["application/json", "application/x-ndjson", "text/csv", "application/vnd.apache.arrow.stream"];
    let path = "/v1/tables/orders?pageSize=1000";
    for accept in formats {
        let (plain, bytes) = daemon.ask(path, &[("accept", accept)]);
        assert_eq!((coding(&plain), vary(&plain)), ("", vec!["Accept", "Accept-Encoding"]), "{accept}");
        for (wanted, expected) in [("gzip", "gzip"), ("zstd", "zstd"), ("gzip, deflate, br, zstd", "zstd"), ("br", "")]
        {
            let (head, compressed) = daemon.ask(path, &[("accept", accept), ("accept-encoding", wanted)]);
            assert_eq!(coding(&head), expected, "{accept} {wanted}");
            assert_eq!(vary(&head), ["Accept", "Accept-Encoding"], "{accept} {wanted}");
            let length = head.headers["content-length"].to_str().unwrap();
            assert_eq!(length, compressed.len().to_string(), "{accept} {wanted}");
            assert_eq!(head.headers["etag"], plain.headers["etag"], "{accept} {wanted}");
            assert!(expected.is_empty() || compressed.len() * 2 < bytes.len(), "{accept} {wanted}");
            // An envelope says when it was made.
            if accept != "application/json" {
                assert!(decoded(&head, &compressed) == bytes, "{accept} {wanted}");
            }
        }
    }
    let (head, bytes) = daemon.ask(path, &[("accept-encoding", "gzip")]);
    let json: Value = serde_json::from_slice(&decoded(&head, &bytes)).unwrap();
    assert_eq!(json["items"].as_array().unwrap().len(), ROWS as usize);
    let tag = head.headers["etag"].to_str().unwrap();
    let (same, bytes) = daemon.ask(path, &[("accept-encoding", "zstd"), ("if-none-match", tag)]);
    assert_eq!((same.status.as_u16(), coding(&same), bytes.len()), (304, "", 0));
}

#[test]
fn parts_of_a_large_answer_are_counted_until_they_are_taken() {
    let daemon = Daemon::usual();
    let body = json!({"sql": "SELECT lpad('x', 5000, 'y') AS x, order_id FROM orders"}).to_string();
    for wanted in ["gzip", "zstd"] {
        let request = Daemon::agent().post(format!("{}/v1/sql", daemon.url)).content_type("application/json");
        let response = request.header("accept-encoding", wanted).send(&body).unwrap();
        let (head, mut body) = response.into_parts();
        assert_eq!(coding(&head), wanted);
        let text = decoded(&head, &body.read_to_vec().unwrap());
        let json: Value = serde_json::from_slice(&text).unwrap();
        assert_eq!(json["items"].as_array().unwrap().len(), ROWS as usize);
        let deadline = Instant::now() + Duration::from_secs(20);
        while daemon.api.answer_limits().budget.taken() > 0 {
            assert!(Instant::now() < deadline, "an answer that was taken is still counted");
            std::thread::yield_now();
        }
    }
}

#[test]
fn what_gains_nothing_or_is_asked_for_by_another_site_goes_as_it_is() {
    let daemon = Daemon::usual();
    let gzip = ("accept-encoding", "gzip");
    let (small, _) = daemon.ask("/v1/tables/orders/1", &[gzip]);
    assert_eq!((coding(&small), vary(&small)), ("", vec!["Accept"]));
    for path in ["/livez", "/v1/tables/orders/999999"] {
        assert_eq!(coding(&daemon.ask(path, &[gzip]).0), "", "{path}");
    }
    let large = "/v1/tables/orders?pageSize=100";
    assert_eq!(coding(&daemon.ask(large, &[gzip, ("sec-fetch-site", "cross-site")]).0), "");
    assert_eq!(coding(&daemon.ask(large, &[gzip, ("sec-fetch-site", "same-origin")]).0), "gzip");
    // The files of the console are text.
    let (head, bytes) = daemon.ask("/console/main.js", &[gzip]);
    let (plain, file) = daemon.ask("/console/main.js", &[]);
    assert!(coding(&head) == "gzip" && decoded(&head, &bytes) == file);
    assert_eq!(head.headers["etag"], plain.headers["etag"]);
    let head = Daemon::agent().head(format!("{}{large}", daemon.url)).header(gzip.0, gzip.1).call().unwrap();
    let (head, _) = head.into_parts();
    assert_eq!((head.status.as_u16(), coding(&head)), (200, "gzip"));
}
