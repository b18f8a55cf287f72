//! What one connection may hold, and all of them.
#![allow(clippy::unwrap_used)]

use std::io::Read;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn listening(change: impl FnOnce(&mut ConnectionLimits)) -> Daemon {
    let mut http = http();
    change(&mut http.connections);
    Daemon::listening(limits(), http)
}

impl Daemon {
    fn connect(&self) -> TcpStream {
        let connection = TcpStream::connect(self.url.trim_start_matches("http://")).unwrap();
        connection.set_read_timeout(Some(20 * SECOND)).unwrap();
        connection
    }

    /// A connection that has sent this.
    fn sent(&self, text: &str) -> TcpStream {
        let mut connection = self.connect();
        connection.write_all(text.as_bytes()).unwrap();
        connection
    }

    /// A connection whose system takes little on behalf of its reader.
    fn slow(&self) -> TcpStream {
        let _guard = self.runtime.enter();
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        let address = self.url.trim_start_matches("http://").parse().unwrap();
        let connection = self.runtime.block_on(socket.connect(address)).unwrap().into_std().unwrap();
        connection.set_nonblocking(false).unwrap();
        connection.set_read_timeout(Some(20 * SECOND)).unwrap();
        connection
    }

    fn busy(&self) -> TcpStream {
        self.sent("GET /v1/tables/orders?minPosition=orders:9999&wait=60s HTTP/1.1\r\nHost: localhost\r\n\r\n")
    }

    #[track_caller]
    fn until(&self, holds: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + 20 * SECOND;
        while !holds(self) {
            assert!(Instant::now() < deadline, "it does not come");
            std::thread::yield_now();
        }
    }
}

/// All that comes until the connection ends.
#[track_caller]
fn rest(connection: &mut TcpStream) -> String {
    let mut text = Vec::new();
    match connection.read_to_end(&mut text) {
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => panic!("the connection goes on"),
        _ => String::from_utf8_lossy(&text).into_owned(),
    }
}

#[test]
fn a_connection_that_sends_no_whole_request_ends() {
    let daemon = listening(|limits| {
        (limits.header_timeout, limits.body_timeout, limits.idle_timeout) = (SECOND / 4, SECOND / 4, SECOND / 4);
    });
    for half in ["", "GET", "GET /livez HTTP/1.1\r\nHost: localhost\r\nX: "] {
        assert_eq!(rest(&mut daemon.sent(half)), "");
    }
    let body =
        "POST /v1/sql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{";
    let answer = rest(&mut daemon.sent(body));
    assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("unreadable-body"), "{answer}");
    // Between requests too, after the answer to the first.
    let answer = rest(&mut daemon.sent("GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"));
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[test]
fn a_wait_for_a_position_outlasts_the_time_outs_of_requests() {
    let daemon = listening(|limits| {
        (limits.header_timeout, limits.idle_timeout, limits.write_timeout) = (SECOND / 20, SECOND / 20, SECOND / 20);
    });
    let path = "/v1/tables/orders?minPosition=orders:9999&wait=300ms";
    let answer = rest(&mut daemon.sent(&format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")));
    assert!(answer.starts_with("HTTP/1.1 409 "), "{answer}");
}

#[test]
fn connections_that_wait_make_room_for_one_that_asks() {
    let daemon = listening(|limits| limits.max = 3);
    let body =
        "POST /v1/sql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{";
    let waiting = ["", "GET /livez HT", body];
    let mut waiting: Vec<TcpStream> = (0..51).map(|n| daemon.sent(waiting[n % 3])).collect();
    assert_eq!(daemon.get("/v1/tables/orders/1").status, 200);
    waiting[..48].iter_mut().for_each(|connection| assert_eq!(rest(connection), ""));
}

#[test]
fn while_all_connections_are_busy_health_answers_and_the_rest_is_told() {
    let daemon = listening(|limits| limits.max = 3);
    let busy: Vec<TcpStream> = (0..3).map(|_| daemon.busy()).collect();
    daemon.until(|daemon| daemon.api.service().admission().waiting() == 3);
    let refused = daemon.get("/v1/tables/orders/1");
    refused.problem(503, "overloaded");
    assert_eq!(refused.header("retry-after"), "1");
    // Nor do connections that send nothing keep health from answering.
    let _idle: Vec<TcpStream> = (0..200).map(|_| daemon.connect()).collect();
    assert_eq!(daemon.get("/livez").status, 200);
    drop(busy);
    daemon.until(|daemon| daemon.get("/v1/tables/orders/1").status == 200);
}

#[test]
fn answers_that_nobody_takes_are_bounded_and_end() {
    let mut http = http();
    http.answer_bytes = 6 << 20;
    (http.connections.write_timeout, http.connections.idle_timeout) = (2 * SECOND, 2 * SECOND);
    let daemon = Daemon::listening(limits(), http);
    let sql = "SELECT rpad('x', 9000) AS a FROM orders a, (SELECT 1 FROM orders LIMIT 2)";
    let body = json!({ "sql": sql }).to_string();
    let head = "POST /v1/sql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json";
    let request = format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let taken = |daemon: &Daemon| daemon.api.answers.budget.taken();
    let mut readers: Vec<TcpStream> = (0..12).map(|_| daemon.slow()).collect();
    readers.iter_mut().for_each(|reader| reader.write_all(request.as_bytes()).unwrap());
    daemon.until(|daemon| daemon.sql(sql).status == 503);
    // A row by its key is answered all the same.
    assert_eq!(daemon.get("/v1/tables/orders/1").status, 200);
    // Who does not take what he asked for is cut off.
    daemon.until(|daemon| taken(daemon) == 0);
    let answers: Vec<String> = readers.iter_mut().map(rest).collect();
    assert!(answers.iter().any(|answer| answer.starts_with("HTTP/1.1 200 ") && !answer.ends_with('}')));
    assert_eq!(daemon.sql(sql).status, 200);
}

#[test]
fn a_name_that_a_stranger_points_here_is_refused() {
    let daemon = Daemon::usual();
    let ask = |host: &str| {
        let request = format!("GET /v1/tables/orders/1 HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        rest(&mut daemon.sent(&request))
    };
    assert!(ask("rebound.example:8080").starts_with("HTTP/1.1 421 "));
    assert!(ask("localhost:8080").starts_with("HTTP/1.1 200 "));
}
