//! Connections that nobody means to use: idle ones, requests that are half sent, and answers that nobody reads.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use serde_json::json;

use super::load::Load;
use super::{BESIDE, MEBIBYTE, ROWS, UNDISTURBED, folder, growth, setting, wait_for_rows};
use crate::crash::daemon::Daemon;

const IDLE: usize = 1_100;
const HALF_SENT: usize = 300;
const UNREAD: usize = 50;
/// What answers may hold together by default.
const ANSWERS: usize = 256 * MEBIBYTE;

#[test]
fn connections_that_do_nothing_are_not_noticed() {
    let (folder, config) = folder();
    let daemon = Daemon::start(&config);
    wait_for_rows(&daemon);
    let load = Load::start(daemon.url(), folder.path().join("events.ndjson"), ROWS);
    // A short run only sees that everything goes on.
    let watched = if setting("HOSTILE_SELECTS").is_some() { UNDISTURBED } else { Duration::from_secs(1) };
    thread::sleep(watched);
    load.seen().print("undisturbed");
    let connect = |sent: &str| {
        let mut connection = TcpStream::connect(daemon.address()).unwrap();
        // The daemon may have closed it to make room.
        let _ = connection.write_all(sent.as_bytes());
        connection
    };
    let mut held = Vec::new();
    let mut several = |what: &str, count: usize, sent: &dyn Fn(usize) -> String| {
        let grown = growth(daemon.process(), || {
            held.extend((0..count).map(|n| connect(&sent(n))));
            thread::sleep(watched);
        });
        load.seen().print(what);
        println!("{what:>14}: {} MB more", grown / MEBIBYTE);
        assert!(grown < ANSWERS + BESIDE, "{what}: {} MB more", grown / MEBIBYTE);
    };
    several("idle", IDLE, &|_| String::new());
    several("half sent", HALF_SENT, &|n| {
        let halves =
            ["GET /v1/tables/seqs/7 HT", "POST /v1/sql HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99\r\n\r\n{"];
        halves[n % 2].to_owned()
    });
    let body = json!({ "sql": "SELECT rpad(id, 3000) AS long FROM seqs" }).to_string();
    several("unread", UNREAD, &|_| {
        let head = "POST /v1/sql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length:";
        format!("{head} {}\r\n\r\n{body}", body.len())
    });
    // Those that wait to be read are answered, or told that there is too much.
    let first = &mut held[IDLE + HALF_SENT];
    let mut answer = [0; 16];
    first.read_exact(&mut answer).unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 "), "{answer:?}");
}
