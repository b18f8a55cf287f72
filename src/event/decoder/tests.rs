#![allow(clippy::unwrap_used)]
use arrow::compute::concat_batches;
use expect_test::{Expect, expect};
use regex::Regex;

use super::super::fixture::{self, event_type, message};
use super::super::{EnvelopeSpec, Locator, Locators};
use super::*;

fn placed() -> EventType {
    event_type(
        "Placed",
        &[
            "id: string!, cents: int64!, tags: map<string,int64>, lines: list<struct<sku: string!>>",
            "id: string!, total: decimal(9,2)!, tags: map<string,int64>, lines: list<struct<sku: string!>>",
        ],
        &[(1, &[("total", "cents / 100.0")])],
    )
}

pub(super) fn orders() -> SourceSchema {
    fixture::schema(vec![placed(), event_type("Paid", &["amount: int32!"], &[]), event_type("Closed", &[""], &[])])
}

pub(super) fn decode(schema: SourceSchema, messages: &[Message]) -> Decoded {
    let mut watermark = Watermark::new(schema.lateness_us, None);
    Decoder::new(Arc::new(schema)).unwrap().decode(messages, &mut watermark).unwrap()
}

fn picture(decoded: &Decoded) -> String {
    let mut text = String::new();
    for rejected in &decoded.rejected {
        text += &reject_line(rejected);
    }
    text += &fixture::rows(&decoded.batch.metadata);
    for (index, rows) in decoded.batch.types.iter().enumerate().filter(|(_, rows)| !rows.rows.is_empty()) {
        text += &format!("type {index} at {:?}\n{}", rows.rows.values(), fixture::rows(&rows.fields));
    }
    text += &format!("ignored={} undeclared={}\n", decoded.ignored, decoded.undeclared_fields);
    decoded.halted.iter().for_each(|halted| text += &format!("halted: {}", reject_line(halted)));
    text
}

pub(super) fn reject_line(rejected: &Rejected) -> String {
    let Rejected { message, reason, pointer, detail, .. } = rejected;
    let (pointer, event_type) = (pointer.as_deref().unwrap_or("-"), rejected.type_name().unwrap_or("-"));
    format!("#{} {} {event_type} {pointer}: {detail}\n", message.seq, reason.label())
}

fn check(schema: SourceSchema, messages: &[Message], expected: Expect) {
    expected.assert_eq(&picture(&decode(schema, messages)));
}

#[test]
fn every_reason_parks_its_event_and_no_other() {
    let messages = [
        message(1, "type=Placed version=1 id=m1", r#"{"id":"a","cents":150,"at":"1970-01-01T00:00:00.000100Z"}"#),
        message(2, "", "{}"),
        message(3, "type=Shipped", "{}"),
        message(4, "type=Placed version=3", "{}"),
        message(5, "type=Placed version=0", "{}"),
        message(6, "type=Placed version=two", "{}"),
        message(7, "type=Placed version=2", "{"),
        message(8, "type=Placed version=2", b"{\"id\":\"\xff\"}".as_slice()),
        message(9, "type=Placed version=2", r#"{"id":"a"}"#),
        message(10, "type=Placed version=2", r#"{"id":1}"#),
        message(11, "type=Paid", r#"{"amount":1e10}"#),
        message(12, "type=Placed version=1", r#"{"id":"a","cents":99999999999}"#),
        message(13, "type=Paid version=", r#"{"amount":1}"#),
        message(14, "type=Paid", ""),
        message(15, "type=Closed", ""),
        message(16, "type=Paid version=1", r#"{"amount":7,"more":[1],"at":"soon"}"#),
        message(17, "type=Placed version=2", r#"{"id":"b","total":2,"lines":[{"sku":"p"}]}"#),
        message(18, "Nats-Marker-Reason=MaxAge Nats-TTL=1s", ""),
        message(19, "Nats-Marker-Reason=MaxAge type=Closed", ""),
        message(20, "Nats-Marker-Reason=MaxAge Nats-Msg-Id=m20", ""),
    ];
    check(
        orders(),
        &messages,
        expect![[r#"
            #2 missing_type - -: no place of the envelope gives a type
            #3 unknown_type Shipped -: type `Shipped` is not declared
            #4 newer_version Placed -: version 3 is later than the declared version 2
            #5 unknown_version Placed -: version 0 is not in the declared history
            #6 unknown_version Placed -: version `two` is not a number of a version
            #7 malformed Placed -: the payload is not JSON: EOF while parsing an object at line 1 column 1
            #8 malformed Placed -: the payload is not JSON: invalid utf-8 sequence of 1 bytes from index 7
            #9 missing_field Placed /total: is required but missing
            #10 wrong_type Placed /id: expected string, found a number
            #11 out_of_range Paid /amount: 1e10 does not fit int32
            #12 upcast Placed -: step from version 1 to 2, column `total`: 999999999.9900 does not become decimal(9,2) without loss
            #13 unknown_version Paid -: version `` is not a number of a version
            #14 malformed Paid -: the payload is empty
            #16 wrong_type Paid /at: the event time `soon` is neither RFC 3339 with an offset nor a number of milliseconds; declare how it is written: `time: {at: …, format: …}`
            #20 missing_type - -: no place of the envelope gives a type
            _seq=1 _ord=0 _type=Placed _version=1 _id=m1 _key=k1 _time=1970-01-01T00:00:00.000100Z _published_at=1970-01-01T00:00:00.000001Z _subject=orders.k1 _late=false
            _seq=15 _ord=0 _type=Closed _version=1 _id=- _key=k15 _time=1970-01-01T00:00:00.000015Z _published_at=1970-01-01T00:00:00.000015Z _subject=orders.k15 _late=true
            _seq=17 _ord=0 _type=Placed _version=2 _id=- _key=k17 _time=1970-01-01T00:00:00.000017Z _published_at=1970-01-01T00:00:00.000017Z _subject=orders.k17 _late=true
            _seq=19 _ord=0 _type=Closed _version=1 _id=- _key=k19 _time=1970-01-01T00:00:00.000019Z _published_at=1970-01-01T00:00:00.000019Z _subject=orders.k19 _late=true
            type 0 at ScalarBuffer([0, 2])
            id=a total=1.50 tags=- lines=-
            id=b total=2.00 tags=- lines=[{sku: p}]
            type 2 at ScalarBuffer([1, 3])


            ignored=1 undeclared=0
        "#]],
    );
}

#[test]
fn unknown_events_may_be_ignored_or_halt() {
    let messages =
        [message(1, "type=Paid", r#"{"amount":1}"#), message(2, "type=Odd", "{"), message(3, "type=Closed", "{}")];
    let with = |unknown_events| SourceSchema { unknown_events, ..orders() };
    check(
        with(UnknownEvents::Ignore),
        &messages,
        expect![[r#"
        _seq=1 _ord=0 _type=Paid _version=1 _id=- _key=k1 _time=1970-01-01T00:00:00.000001Z _published_at=1970-01-01T00:00:00.000001Z _subject=orders.k1 _late=false
        _seq=3 _ord=0 _type=Closed _version=1 _id=- _key=k3 _time=1970-01-01T00:00:00.000003Z _published_at=1970-01-01T00:00:00.000003Z _subject=orders.k3 _late=false
        type 1 at ScalarBuffer([0])
        amount=1
        type 2 at ScalarBuffer([1])

        ignored=1 undeclared=0
    "#]],
    );
    check(
        with(UnknownEvents::Halt),
        &messages,
        expect![[r#"
        _seq=1 _ord=0 _type=Paid _version=1 _id=- _key=k1 _time=1970-01-01T00:00:00.000001Z _published_at=1970-01-01T00:00:00.000001Z _subject=orders.k1 _late=false
        type 1 at ScalarBuffer([0])
        amount=1
        ignored=0 undeclared=0
        halted: #2 unknown_type Odd -: type `Odd` is not declared
    "#]],
    );
}

#[test]
fn newer_versions_may_be_read_as_the_latest() {
    let schema = SourceSchema { newer_version: NewerVersion::ReadAsLatest, ..orders() };
    let messages = [
        message(1, "type=Placed version=7", r#"{"id":"a","total":"1.5","new":1}"#),
        message(2, "type=Placed version=99999999999", "{}"),
    ];
    check(
        schema,
        &messages,
        expect![[r#"
            #2 unknown_version Placed -: version `99999999999` is not a number of a version
            _seq=1 _ord=0 _type=Placed _version=7 _id=- _key=k1 _time=1970-01-01T00:00:00.000001Z _published_at=1970-01-01T00:00:00.000001Z _subject=orders.k1 _late=false
            type 0 at ScalarBuffer([0])
            id=a total=1.50 tags=- lines=-
            ignored=0 undeclared=1
        "#]],
    );
}

#[test]
fn a_wrong_time_parks_its_event_and_costs_no_other() {
    let at = |seq, time: &str| message(seq, "type=Paid", format!(r#"{{"amount":1,"at":{time}}}"#));
    let messages = [
        at(1, r#""1970-01-01T00:00:01Z""#),
        at(2, r#""1970-01-01T00:59:00Z""#),
        at(3, r#""1970-01-01T01:01:00Z""#),
        at(4, r#""9999-12-31T00:00:00Z""#),
        at(5, r#""yesterday""#),
        at(6, "[1]"),
        at(7, "true"),
        at(8, "1767225600"),
        at(9, "null"),
        at(10, r#""1970-01-01T00:59:00Z""#),
    ];
    let dropping = SourceSchema { late_events: LateEvents::Drop, lateness_us: 3_600_000_000, ..orders() };
    check(
        dropping.clone(),
        &messages,
        expect![[r#"
            #3 out_of_range Paid -: the event time is 3659 s beyond the publish time, and `event_time.max_ahead` is 3600 s; is it written in another unit?
            #4 out_of_range Paid -: the event time is 253402214399 s beyond the publish time, and `event_time.max_ahead` is 3600 s; is it written in another unit?
            #5 wrong_type Paid /at: the event time `yesterday` is neither RFC 3339 with an offset nor a number of milliseconds; declare how it is written: `time: {at: …, format: …}`
            #6 wrong_type Paid /at: the event time `[1]` is neither RFC 3339 with an offset nor a number of milliseconds; declare how it is written: `time: {at: …, format: …}`
            #7 wrong_type Paid /at: the event time `true` is neither RFC 3339 with an offset nor a number of milliseconds; declare how it is written: `time: {at: …, format: …}`
            #8 wrong_type Paid /at: the event time `1767225600` is no plausible number of milliseconds; declare its unit: `time: {at: …, format: epoch_s}`
            _seq=1 _ord=0 _type=Paid _version=1 _id=- _key=k1 _time=1970-01-01T00:00:01Z _published_at=1970-01-01T00:00:00.000001Z _subject=orders.k1 _late=false
            _seq=2 _ord=0 _type=Paid _version=1 _id=- _key=k2 _time=1970-01-01T00:59:00Z _published_at=1970-01-01T00:00:00.000002Z _subject=orders.k2 _late=false
            _seq=9 _ord=0 _type=Paid _version=1 _id=- _key=k9 _time=1970-01-01T00:00:00.000009Z _published_at=1970-01-01T00:00:00.000009Z _subject=orders.k9 _late=false
            _seq=10 _ord=0 _type=Paid _version=1 _id=- _key=k10 _time=1970-01-01T00:59:00Z _published_at=1970-01-01T00:00:00.000010Z _subject=orders.k10 _late=false
            type 1 at ScalarBuffer([0, 1, 2, 3])
            amount=1
            amount=1
            amount=1
            amount=1
            ignored=0 undeclared=0
        "#]],
    );
    let lenient = SourceSchema { unreadable_time: UnreadableTime::UsePublishTime, max_ahead_us: i64::MAX, ..dropping };
    check(
        lenient,
        &messages,
        expect![[r#"
        _seq=1 _ord=0 _type=Paid _version=1 _id=- _key=k1 _time=1970-01-01T00:00:01Z _published_at=1970-01-01T00:00:00.000001Z _subject=orders.k1 _late=false
        _seq=2 _ord=0 _type=Paid _version=1 _id=- _key=k2 _time=1970-01-01T00:59:00Z _published_at=1970-01-01T00:00:00.000002Z _subject=orders.k2 _late=false
        _seq=3 _ord=0 _type=Paid _version=1 _id=- _key=k3 _time=1970-01-01T01:01:00Z _published_at=1970-01-01T00:00:00.000003Z _subject=orders.k3 _late=false
        _seq=4 _ord=0 _type=Paid _version=1 _id=- _key=k4 _time=9999-12-31T00:00:00Z _published_at=1970-01-01T00:00:00.000004Z _subject=orders.k4 _late=false
        type 1 at ScalarBuffer([0, 1, 2, 3])
        amount=1
        amount=1
        amount=1
        amount=1
        ignored=0 undeclared=0
    "#]],
    );
}

#[test]
fn an_event_with_a_wrong_time_leaves_nothing_in_the_rows() {
    let paid = |seq, amount: i32, time: &str| {
        message(seq, "type=Paid", format!(r#"{{"amount":{amount},"x":0,"at":"{time}"}}"#))
    };
    let (right, wrong) = ("1970-01-01T00:00:00Z", "soon");
    check(
        orders(),
        &[paid(1, 1, wrong), paid(2, 2, right), paid(3, 3, wrong), paid(4, 4, right)],
        expect![[r#"
            #1 wrong_type Paid /at: the event time `soon` is neither RFC 3339 with an offset nor a number of milliseconds; declare how it is written: `time: {at: …, format: …}`
            #3 wrong_type Paid /at: the event time `soon` is neither RFC 3339 with an offset nor a number of milliseconds; declare how it is written: `time: {at: …, format: …}`
            _seq=2 _ord=0 _type=Paid _version=1 _id=- _key=k2 _time=1970-01-01T00:00:00Z _published_at=1970-01-01T00:00:00.000002Z _subject=orders.k2 _late=false
            _seq=4 _ord=0 _type=Paid _version=1 _id=- _key=k4 _time=1970-01-01T00:00:00Z _published_at=1970-01-01T00:00:00.000004Z _subject=orders.k4 _late=false
            type 1 at ScalarBuffer([0, 1])
            amount=2
            amount=4
            ignored=0 undeclared=2
        "#]],
    );
}

#[test]
fn lateness_counts_parked_events_and_not_ignored_ones() {
    let at = |seq, name: &str, us: u32| {
        message(seq, &format!("type={name}"), format!(r#"{{"amount":1,"at":"1970-01-01T00:00:00.{us:06}Z"}}"#))
    };
    let messages = [at(1, "Paid", 100), at(2, "Odd", 200), at(3, "Paid", 150), at(4, "Paid", 195)];
    check(
        orders(),
        &messages,
        expect![[r#"
        #2 unknown_type Odd -: type `Odd` is not declared
        _seq=1 _ord=0 _type=Paid _version=1 _id=- _key=k1 _time=1970-01-01T00:00:00.000100Z _published_at=1970-01-01T00:00:00.000001Z _subject=orders.k1 _late=false
        _seq=3 _ord=0 _type=Paid _version=1 _id=- _key=k3 _time=1970-01-01T00:00:00.000150Z _published_at=1970-01-01T00:00:00.000003Z _subject=orders.k3 _late=true
        _seq=4 _ord=0 _type=Paid _version=1 _id=- _key=k4 _time=1970-01-01T00:00:00.000195Z _published_at=1970-01-01T00:00:00.000004Z _subject=orders.k4 _late=false
        type 1 at ScalarBuffer([0, 1, 2])
        amount=1
        amount=1
        amount=1
        ignored=0 undeclared=0
    "#]],
    );
    check(
        SourceSchema { unknown_events: UnknownEvents::Ignore, ..orders() },
        &messages,
        expect![[r#"
        _seq=1 _ord=0 _type=Paid _version=1 _id=- _key=k1 _time=1970-01-01T00:00:00.000100Z _published_at=1970-01-01T00:00:00.000001Z _subject=orders.k1 _late=false
        _seq=3 _ord=0 _type=Paid _version=1 _id=- _key=k3 _time=1970-01-01T00:00:00.000150Z _published_at=1970-01-01T00:00:00.000003Z _subject=orders.k3 _late=false
        _seq=4 _ord=0 _type=Paid _version=1 _id=- _key=k4 _time=1970-01-01T00:00:00.000195Z _published_at=1970-01-01T00:00:00.000004Z _subject=orders.k4 _late=false
        type 1 at ScalarBuffer([0, 1, 2])
        amount=1
        amount=1
        amount=1
        ignored=1 undeclared=0
    "#]],
    );
}

fn structured(pattern: &str) -> SourceSchema {
    let body = |pointer: &str| Locator::Body(pointer.into());
    let ce_type = Locator::Match { at: Box::new(body("/type")), pattern: Regex::new(pattern).unwrap() };
    SourceSchema {
        envelope: EnvelopeSpec {
            event_type: Locators(vec![ce_type.clone(), body("/kind"), Locator::Subject(3)]),
            version: Locators(vec![ce_type, body("/v")]),
            id: Locators(vec![body("/id"), Locator::Stream]),
            key: Locators(vec![body("/data/account"), Locator::Stream]),
            time: Locators(vec![body("/at"), body("/time")]),
            data: "/data".into(),
        },
        ..orders()
    }
}

#[test]
fn facts_and_payload_from_the_body() {
    let pattern = r"(?<type>\w+)\.v(?<version>\d+)$";
    let messages = [
        message(
            1,
            "",
            r#"{"type":"com.Placed.v2","id":"m\u0031","time":"1970-01-01T00:00:01Z","data":{"id":"a","total":1,"account":7,"x":0}}"#,
        ),
        message(
            2,
            "",
            r#"{"data":{"amount":5},"kind":"Paid","v":1,"at":"1970-01-01T00:00:02Z","time":"1970-01-01T00:00:01Z"}"#,
        ),
        message(3, "", r#"{"type":"com.Placed.v1","data":{"id":"a","cents":true}}"#),
        message(4, "", r#"{"type":"com.Placed.v1","data":null}"#),
        message(5, "", r#"{"type":"com.Placed.v1"}"#),
        message(6, "", r#"{"type":"com.Placed.v1","data":{"id":"a"}"#),
        message(7, "", r#"{"kind":"Closed"}"#),
        message(8, "", r#"{"kind":"Closed","data":[1]}"#),
        message(9, "", r#"{"kind":null}"#),
        message(10, "", "[1]"),
        Message { subject: "a.b.Closed".into(), ..message(11, "", "") },
    ];
    check(
        structured(pattern),
        &messages,
        expect![[r#"
            #3 wrong_type Placed /data/cents: expected int64, found a boolean
            #4 missing_field Placed /data/id: is required but missing
            #5 missing_field Placed /data: the payload's root is missing
            #6 malformed - -: the payload is not JSON: EOF while parsing an object at line 1 column 41
            #8 wrong_type Closed /data: expected an object, found an array
            #9 missing_type - -: no place of the envelope gives a type
            #10 missing_type - -: no place of the envelope gives a type
            _seq=1 _ord=0 _type=Placed _version=2 _id=m1 _key=7 _time=1970-01-01T00:00:01Z _published_at=1970-01-01T00:00:00.000001Z _subject=orders.k1 _late=false
            _seq=2 _ord=0 _type=Paid _version=1 _id=2 _key=orders.k2 _time=1970-01-01T00:00:02Z _published_at=1970-01-01T00:00:00.000002Z _subject=orders.k2 _late=false
            _seq=7 _ord=0 _type=Closed _version=1 _id=7 _key=orders.k7 _time=1970-01-01T00:00:00.000007Z _published_at=1970-01-01T00:00:00.000007Z _subject=orders.k7 _late=true
            _seq=11 _ord=0 _type=Closed _version=1 _id=11 _key=a.b.Closed _time=1970-01-01T00:00:00.000011Z _published_at=1970-01-01T00:00:00.000011Z _subject=a.b.Closed _late=true
            type 0 at ScalarBuffer([0])
            id=a total=1.00 tags=- lines=-
            type 1 at ScalarBuffer([1])
            amount=5
            type 2 at ScalarBuffer([2, 3])


            ignored=0 undeclared=1
        "#]],
    );
}

/// A run of messages of every fate.
fn random_messages(random: &mut fastrand::Rng, count: u64) -> Vec<Message> {
    (1..=count)
        .map(|seq| {
            let time = format!("\"at\":\"1970-01-01T00:00:00.{:06}Z\"", seq * 5 + random.u64(..40));
            let (headers, payload) = match random.u8(..9) {
                0 => ("type=Odd", "{}".to_owned()),
                1 => ("type=Paid", format!("{{\"amount\":{},{time}}}", random.i64(-4_000_000_000..4_000_000_000))),
                2 => ("type=Closed id=m", format!("{{{time}}}")),
                3 => {
                    let nested = r#""tags":{"b":1,"a":null},"lines":[{"sku":"p"},{"sku":"q","n":1}]"#;
                    let total = random.u32(..10);
                    ("type=Placed version=2", format!("{{\"id\":\"k{seq}\",{nested},\"total\":{total}}}"))
                }
                4 => ("type=Placed version=2", format!("{{\"total\":{},{time}}}", random.u32(..10))),
                5 => ("Nats-Marker-Reason=Purge", String::new()),
                6 => ("type=Placed", "{\"id\":".to_owned()),
                _ => {
                    let cents = random.i64(..2_000_000_000);
                    ("type=Placed version=1", format!("{{\"cents\":{cents},\"u\":1,{time},\"id\":\"é{seq}\"}}"))
                }
            };
            message(seq, headers, payload)
        })
        .collect()
}

#[test]
fn any_batching_gives_the_same_rows() {
    for seed in 0..30 {
        let mut random = fastrand::Rng::with_seed(seed);
        let unknown_events = if random.bool() { UnknownEvents::Park } else { UnknownEvents::Ignore };
        let schema = Arc::new(SourceSchema { unknown_events, ..orders() });
        let decoder = Decoder::new(schema.clone()).unwrap();
        let messages = random_messages(&mut random, 200);
        let mut watermark = Watermark::new(schema.lateness_us, None);
        let whole = decoder.decode(&messages, &mut watermark).unwrap();
        assert_eq!(whole.batch.len() + whole.rejected.len() + whole.ignored as usize, messages.len());

        let mut parts = Vec::new();
        let (mut rest, mut moved) = (messages.as_slice(), Watermark::new(schema.lateness_us, None));
        while !rest.is_empty() {
            let (run, later) = rest.split_at(random.usize(0..=rest.len().min(40)));
            parts.push(decoder.decode(run, &mut moved).unwrap());
            rest = later;
        }
        assert_eq!(joined(&parts), joined(&[whole]), "seed {seed}");
        assert_eq!(moved, watermark, "seed {seed}");
    }
}

/// Everything that several runs gave, as one text.
fn joined(parts: &[Decoded]) -> String {
    let (mut metadata, mut before, mut start) = (Vec::new(), parts[0].batch.types.clone(), 0);
    let mut indices: Vec<Vec<u32>> = before.iter().map(|_| Vec::new()).collect();
    for part in parts {
        metadata.push(part.batch.metadata.clone());
        for (index, rows) in part.batch.types.iter().enumerate() {
            assert_eq!(rows.rows.len(), rows.fields.num_rows());
            indices[index].extend(rows.rows.values().iter().map(|row| row + start));
        }
        start += part.batch.len() as u32;
    }
    for (index, rows) in before.iter_mut().enumerate() {
        let fields: Vec<_> = parts.iter().map(|part| part.batch.types[index].fields.clone()).collect();
        rows.fields = concat_batches(&fields[0].schema(), &fields).unwrap();
        rows.rows = indices[index].clone().into();
    }
    let all = Decoded {
        batch: EventBatch { metadata: concat_batches(&metadata[0].schema(), &metadata).unwrap(), types: before },
        rejected: parts.iter().flat_map(|part| part.rejected.clone()).collect(),
        ignored: parts.iter().map(|part| part.ignored).sum(),
        dropped_late: parts.iter().map(|part| part.dropped_late).sum(),
        undeclared_fields: parts.iter().map(|part| part.undeclared_fields).sum(),
        halted: None,
    };
    picture(&all)
}
