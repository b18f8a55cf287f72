//! The streams of a simulation: everything ever published, in memory. They are the truth that tables are compared with.

use std::collections::{BTreeMap, BTreeSet};

use fastrand::Rng;
use readside::event::{Headers, Message};
use readside::progress::SourceName;

use super::definitions::LATER;

const ORDERS: &str = "orders";
const PAYMENTS: &str = "payments";
const BEGIN_US: i64 = 1_767_225_600_000_000;

/// Two streams. Their sequences have gaps, as a filtered stream has.
#[derive(Debug, Default)]
pub(crate) struct Log {
    messages: BTreeMap<SourceName, Vec<Message>>,
    /// The last sequence of each stream, which may lie behind its last message.
    last: BTreeMap<SourceName, u64>,
    /// Placed orders whose rate is no number.
    pub(crate) bad_rates: BTreeSet<u64>,
}

impl Log {
    pub(crate) fn new() -> Self {
        let names = || [ORDERS, PAYMENTS].map(SourceName::from).into_iter();
        Self {
            messages: names().map(|name| (name, Vec::new())).collect(),
            last: names().map(|name| (name, 0)).collect(),
            bad_rates: BTreeSet::new(),
        }
    }

    pub(crate) fn sources(&self) -> impl Iterator<Item = &SourceName> {
        self.messages.keys()
    }

    pub(crate) fn last_sequence(&self, source: &str) -> u64 {
        self.last[source]
    }

    /// Messages after one sequence, through another.
    pub(crate) fn between(&self, source: &str, after: u64, through: u64) -> &[Message] {
        let all = &self.messages[source];
        let from = all.partition_point(|message| message.seq <= after);
        let to = all.partition_point(|message| message.seq <= through);
        &all[from..to.max(from)]
    }

    /// Publishes some events to one of the streams.
    pub(crate) fn publish(&mut self, random: &mut Rng, count: usize) {
        let source = if random.u8(0..3) > 0 { ORDERS } else { PAYMENTS };
        for _ in 0..count {
            let last = self.last.get_mut(source).unwrap();
            *last += if random.u8(0..8) == 0 { random.u64(2..5) } else { 1 };
            let seq = *last;
            let message = if source == ORDERS { self.order(random, seq) } else { payment(random, seq) };
            self.messages.get_mut(source).unwrap().push(message);
        }
        // Messages that no filter lets through.
        if random.u8(0..6) == 0 {
            *self.last.get_mut(source).unwrap() += random.u64(1..4);
        }
    }

    fn order(&mut self, random: &mut Rng, seq: u64) -> Message {
        let order = format!("o{}", random.u8(0..40));
        let at = time(random, seq);
        let kind = random.u8(0..100);
        let (event_type, version, body) = match kind {
            0..60 => {
                let rate = match random.u8(0..12) {
                    0 => {
                        self.bad_rates.insert(seq);
                        r#""many""#.to_owned()
                    }
                    1..4 => "null".to_owned(),
                    rate => format!(r#""{rate}""#),
                };
                let cents = random.u32(1..5000);
                let old = random.bool();
                let total = if old {
                    format!(r#""cents":{cents}"#)
                } else {
                    format!(r#""total":"{}.{:02}""#, cents / 100, cents % 100)
                };
                let lines = (0..random.u8(0..4))
                    .map(|_| format!(r#"{{"sku":"s{}","qty":{}}}"#, random.u8(0..9), random.u8(1..5)));
                let lines = lines.collect::<Vec<_>>().join(",");
                let words =
                    (0..random.u8(0..4)).map(|_| WORDS[random.usize(0..WORDS.len())]).collect::<Vec<_>>().join(" ");
                let note = if random.u8(0..5) == 0 { "null".to_owned() } else { format!(r#""{words}""#) };
                let customer = random.u8(0..12);
                let body = format!(
                    r#"{{"at":"{at}","customer":"c{customer}",{total},"note":{note},"rate":{rate},"lines":[{lines}]}}"#
                );
                ("Placed", if old { "1" } else { "2" }, body)
            }
            60..90 => {
                // Mostly an order of its own, so that shipping twice is rare.
                let order = if random.u8(0..12) == 0 { order.clone() } else { format!("n{seq}") };
                let carrier = ["null", r#""rail""#, r#""road""#, r#""sea""#][random.usize(0..4)];
                ("Shipped", "1", format!(r#"{{"at":"{at}","order_id":"{order}","carrier":{carrier}}}"#))
            }
            90..94 => (LATER, "1", format!(r#"{{"at":"{at}","reason":"broken"}}"#)),
            94 => ("Placed", "2", r#"{"customer":"#.to_owned()),
            95 => ("Placed", "2", r#"{"customer":"c1","total":"1.234"}"#.to_owned()),
            96 => ("Placed", "9", "{}".to_owned()),
            97 => ("Shipped", "1", r#"{"carrier":"sea"}"#.to_owned()),
            98 => ("Lost", "1", "{}".to_owned()),
            _ => ("Placed", "1", r#"{"customer":"c1","cents":"x"}"#.to_owned()),
        };
        let headers = [("type", event_type), ("version", version)];
        message(seq, format!("shop.{order}"), &headers, body)
    }
}

pub(crate) const WORDS: [&str; 6] = ["red", "green", "blue", "heavy", "fragile", "late"];

fn payment(random: &mut Rng, seq: u64) -> Message {
    let at = time(random, seq);
    let factor = match random.u8(0..6) {
        0 => "null".to_owned(),
        1 => "1e16".to_owned(),
        2 => "-1e16".to_owned(),
        _ => format!("{}", f64::from(random.u32(0..1000)) / 10.0),
    };
    let body = match random.u8(0..20) {
        0 => r#"{"customer":7}"#.to_owned(),
        _ => format!(
            r#"{{"at":"{at}","customer":"c{}","amount":{}.5,"factor":{factor}}}"#,
            random.u8(0..12),
            random.u8(0..90)
        ),
    };
    message(seq, "pay".to_owned(), &[("type", "Paid")], body)
}

/// About a second a message, some of them late.
fn time(random: &mut Rng, seq: u64) -> String {
    let back = if random.u8(0..7) == 0 { random.u64(0..20).min(seq) } else { 0 };
    let seconds = seq - back;
    format!("2026-01-01T{:02}:{:02}:{:02}Z", seconds / 3600 % 24, seconds / 60 % 60, seconds % 60)
}

fn message(seq: u64, subject: String, headers: &[(&str, &str)], body: String) -> Message {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Message {
        seq,
        subject,
        headers: Headers(headers.collect()),
        payload: body.into_bytes().into(),
        published_at_us: BEGIN_US + seq as i64 * 1_000_000,
        unreadable: None,
    }
}
