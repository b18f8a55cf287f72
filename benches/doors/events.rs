//! The events of the run, and what becomes of them: payments, of which each account has a row, and descriptions, of which each
//! document has one. All follow from the numbers of the events.

use std::io::Write;

use crate::documents::{Chance, Vocabulary};
use crate::nats::STREAM;

pub(crate) const REGIONS: u64 = 20;
/// Of what comes in beside readers, one event in so many describes a document.
const DESCRIBED_ONE_IN: usize = 20;

pub(crate) struct Events {
    /// And as many documents.
    pub(crate) accounts: u64,
    pub(crate) vocabulary: Vocabulary,
}

impl Events {
    /// Those that are there from the beginning: each account is paid once, then each document is described.
    pub(crate) fn first(&self) -> u64 {
        2 * self.accounts
    }

    /// Writes the event of that number, counted from 0, and gives its subject.
    pub(crate) fn write(&self, number: u64, body: &mut Vec<u8>) -> &'static str {
        if number < self.accounts {
            return paid(number, number, body);
        }
        if number < self.first() {
            let document = number - self.accounts;
            return self.described(document, document, body);
        }
        let mut chance = Chance::of(number);
        let which = chance.below(self.accounts as usize) as u64;
        match chance.below(DESCRIBED_ONE_IN) {
            0 => self.described(which, number, body),
            _ => paid(which, number, body),
        }
    }

    fn described(&self, document: u64, version: u64, body: &mut Vec<u8>) -> &'static str {
        let (title, text) = (self.vocabulary.title(version), self.vocabulary.body(version));
        into(body, format_args!(r#"{{"id":{document},"title":"{title}","body":"{text}"}}"#));
        "bench.Described"
    }
}

fn paid(account: u64, number: u64, body: &mut Vec<u8>) -> &'static str {
    let (region, cents, seconds) = (account % REGIONS, number * 7_919 % 100_000, number / 1_000_000);
    into(
        body,
        format_args!(
            r#"{{"account":"account-{account:07}","region":"region-{region:02}","amount":"{}.{:02}","at":"2026-11-21T10:{:02}:{:02}.{:06}Z","note":"{number:0>60}"}}"#,
            cents / 100,
            cents % 100,
            seconds / 60,
            seconds % 60,
            number % 1_000_000,
        ),
    );
    "bench.Paid"
}

fn into(body: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    // What is written to memory cannot fail.
    let _ = body.write_fmt(text);
}

pub(crate) fn source() -> String {
    format!(
        "source: bench\njetstream: {{stream: {STREAM}}}\nenvelope: {{type: subject:2, data: body}}\nevents:\n  \
         Paid: {{fields: {{account: string!, region: string!, amount: \"decimal(18,2)!\", at: timestamp!}}}}\n  \
         Described: {{fields: {{id: int64!, title: string!, body: string!}}}}\n"
    )
}

pub(crate) const PROJECTIONS: &str = "\
projection: accounts
key: [account]
indexes: [[total]]
sql: |
  SELECT account, latest(region) AS region, count(*) AS payments, sum(amount) AS total, max(at) AS last
  FROM bench.paid GROUP BY account
---
projection: documents
kind: search
key: [id]
sql: SELECT id, latest(title) AS title, latest(body) AS body FROM bench.described GROUP BY id
fields: {title: {type: text, weight: 3}, body: text}
";

/// The rows of `accounts` before anything comes in beside readers, as PostgreSQL makes them.
pub(crate) fn accounts_in_postgres(accounts: u64) -> String {
    let last = accounts - 1;
    format!(
        "CREATE TABLE accounts AS SELECT 'account-' || lpad(n::text, 7, '0') AS account, \
         'region-' || lpad((n % {REGIONS})::text, 2, '0') AS region, 1::bigint AS payments, \
         ((n::bigint * 7919 % 100000) / 100.0)::numeric(28,2) AS total, \
         timestamptz '2026-11-21 10:00:00+00' + n * interval '1 microsecond' AS last FROM generate_series(0, {last}) AS n"
    )
}
