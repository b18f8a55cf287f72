//! The ways of reading over HTTP that are measured, and what is aimed at.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use crate::documents::{Chance, typed};
use crate::events::Events;
use crate::http::{Connection, get, post};
use crate::load::Requests;
use crate::options::{Options, Part};

/// Pages of a listing that are asked for, at random.
const PAGES: usize = 100;
const PAGE_ROWS: usize = 50;
/// Whoever asks so often beside others finds the daemon busy, and never full.
const PACE: u64 = 5_000;

pub(crate) struct Reading {
    pub(crate) name: &'static str,
    pub(crate) part: Part,
    pub(crate) connections: usize,
    /// Requests a second; without it, as many as are answered.
    pub(crate) pace: Option<u64>,
    pub(crate) requests: Arc<Requests>,
    /// What is in every answer.
    pub(crate) expected: String,
    pub(crate) goal: Goal,
}

#[derive(Clone, Copy, Default)]
pub(crate) struct Goal {
    /// Milliseconds, at most.
    pub(crate) p99: Option<f64>,
    /// Answers a second of a core, at least.
    pub(crate) of_a_core: Option<f64>,
}

/// All readings of the chosen parts.
///
/// # Errors
/// Where the pages of a listing cannot be had.
pub(crate) fn readings(options: &Options, events: &Arc<Events>, http: SocketAddr) -> io::Result<Vec<Reading>> {
    let mut readings = Vec::new();
    if options.has(Part::Points) {
        readings.extend(points(options.rows));
    }
    if options.has(Part::Pages) {
        for (name, sort) in [("page of 50 rows, by key", ""), ("page of 50 rows, by an index", "&sort=-total")] {
            let (requests, goal) = (pages(http, sort)?, Goal { p99: Some(5.0), of_a_core: None });
            readings.extend(each(name, Part::Pages, &[(1, None), (4, None)], requests, "\"nextPageToken\"", goal));
        }
    }
    if options.has(Part::Sql) {
        readings.extend(sql(options.rows));
    }
    if options.has(Part::Search) {
        let (requests, goal) = (searches(events.clone()), Goal { p99: Some(20.0), of_a_core: None });
        let name = "search, the best 10 at each key that is pressed";
        readings.extend(each(name, Part::Search, &[(1, None), (4, None)], requests, "\"items\":[", goal));
    }
    Ok(readings)
}

fn each(
    name: &'static str,
    part: Part,
    connections: &[(usize, Option<u64>)],
    requests: Arc<Requests>,
    expected: &str,
    goal: Goal,
) -> Vec<Reading> {
    let reading = |&(connections, pace): &(usize, Option<u64>)| Reading {
        name,
        part,
        connections,
        pace,
        requests: requests.clone(),
        expected: expected.to_owned(),
        goal,
    };
    connections.iter().map(reading).collect()
}

fn points(rows: u64) -> Vec<Reading> {
    let requests = Arc::new(move |number: u64, request: &mut Vec<u8>| {
        let account = Chance::of(number).below(rows as usize);
        request.extend(get(&format!("/v1/tables/accounts/account-{account:07}")));
    });
    let goal = Goal { p99: Some(1.0), of_a_core: Some(20_000.0) };
    let connections = [(1, None), (16, None), (64, None), (64, Some(PACE))];
    each("row by key", Part::Points, &connections, requests, "{\"item\":{\"account\":\"account-", goal)
}

/// The pages of a listing from its beginning, of which each request asks for one.
fn pages(http: SocketAddr, sort: &str) -> io::Result<Arc<Requests>> {
    let mut connection = Connection::open(http)?;
    let mut requests = vec![get(&format!("/v1/tables/accounts?pageSize={PAGE_ROWS}{sort}"))];
    let mut token = String::new();
    while requests.len() < PAGES {
        // Longer pages lead further with as many requests; a token is good for any size.
        let page = connection.ask_well(&get(&format!("/v1/tables/accounts?pageSize=500{sort}{token}")))?;
        let page = String::from_utf8_lossy(page);
        let next = page.split_once("\"nextPageToken\":\"").and_then(|(_, rest)| rest.split_once('"'));
        let Some((next, _)) = next else { break };
        token = format!("&pageToken={next}");
        requests.push(get(&format!("/v1/tables/accounts?pageSize={PAGE_ROWS}{sort}{token}")));
    }
    Ok(Arc::new(move |number, request| {
        request.extend_from_slice(&requests[Chance::of(number).below(requests.len())]);
    }))
}

/// Aggregates over all rows. The condition, which every row meets, has another number in each statement, so that no answer is one
/// that was kept; that of the statement which is repeated has the same.
fn sql(rows: u64) -> Vec<Reading> {
    let asked = |statement: fn(u64) -> String| -> Arc<Requests> {
        Arc::new(move |number, request| {
            request.extend(post("/v1/sql", &format!("{{\"sql\": \"{}\"}}", statement(number))));
        })
    };
    let (counted, callers) = (format!("[{{\"n\":{rows}}}]"), [(1, None), (4, None)]);
    let cases = [
        ("SQL, count of all rows", asked(count), counted.as_str()),
        ("SQL, sum by group", asked(groups), "\"region\":\"region-00\""),
        ("SQL, top 10 without an index", asked(top), "\"payments\":"),
        ("SQL, sum by group, repeated", asked(|_| groups(1)), "\"region\":\"region-00\""),
    ];
    let readings =
        cases.map(|(name, requests, expected)| each(name, Part::Sql, &callers, requests, expected, Goal::default()));
    readings.into_iter().flatten().collect()
}

fn count(number: u64) -> String {
    format!("SELECT count(*) AS n FROM accounts WHERE total > -{number}")
}

fn groups(number: u64) -> String {
    format!(
        "SELECT region, count(*) AS n, sum(total) AS total FROM accounts WHERE payments > -{number} GROUP BY region"
    )
}

fn top(number: u64) -> String {
    format!(
        "SELECT account, payments, last FROM accounts WHERE payments > -{number} ORDER BY last DESC, account LIMIT 10"
    )
}

/// The beginning of some words of a title, as long as somebody has got who types them.
fn searches(events: Arc<Events>) -> Arc<Requests> {
    Arc::new(move |number, request| {
        let mut chance = Chance::of(number);
        let title = events.vocabulary.title(chance.below(events.accounts as usize) as u64);
        let (text, _) = typed(&title, &mut chance);
        let text = &text[..1 + chance.below(text.len())];
        let text = text.replace(' ', "%20");
        request.extend(get(&format!("/v1/search/documents?text={text}&pageSize=10&highlight=title")));
    })
}
