//! Facts that a place has, but not in a form that can be used: parked, never taken for others.
#![allow(clippy::unwrap_used)]
use expect_test::{Expect, expect};
use regex::Regex;

use super::super::fixture::{self, event_type, message};
use super::super::{Locator, Locators};
use super::tests::{decode, orders, reject_line};
use super::*;

fn header(name: &str) -> Locator {
    Locator::Header(name.to_owned())
}

fn body(pointer: &str) -> Locator {
    Locator::Body(pointer.to_owned())
}

fn matched(at: Locator, pattern: &str) -> Locator {
    Locator::Match { at: Box::new(at), pattern: Regex::new(pattern).unwrap() }
}

/// The envelope's facts of each admitted event, and why the others were not.
fn check(schema: SourceSchema, messages: &[Message], expected: Expect) {
    let decoded = decode(schema, messages);
    let parked: String = decoded.rejected.iter().map(reject_line).collect();
    let admitted = fixture::rows(&decoded.batch.metadata.project(&[0, 2, 3, 4, 5]).unwrap());
    expected.assert_eq(&(parked + &admitted));
}

/// Two versions with the same fields.
fn versioned(version: Vec<Locator>) -> SourceSchema {
    let mut schema = fixture::schema(vec![event_type("Paid", &["amount: int32!", "amount: int32!"], &[])]);
    schema.envelope.version = Locators(version);
    schema
}

fn paid(seq: u64, headers: &str) -> Message {
    message(seq, &format!("type=Paid {headers}"), r#"{"amount":1}"#)
}

#[test]
fn a_version_that_does_not_match_its_pattern_is_not_the_first() {
    let messages = [
        paid(1, "schema=paid.v2"),
        paid(2, "schema=paid.vX"),
        paid(3, "schema=paid"),
        paid(4, "schema="),
        paid(5, ""),
        paid(6, "schema=paid.v99999999999"),
    ];
    check(
        versioned(vec![matched(header("schema"), r"\.v(?<version>\d+)$")]),
        &messages,
        expect![[r#"
            #2 unknown_version Paid -: `paid.vX`, from which the version is taken, does not match `\.v(?<version>\d+)$`
            #3 unknown_version Paid -: `paid`, from which the version is taken, does not match `\.v(?<version>\d+)$`
            #4 unknown_version Paid -: ``, from which the version is taken, does not match `\.v(?<version>\d+)$`
            #6 unknown_version Paid -: version `99999999999` is not a number of a version
            _seq=1 _type=Paid _version=2 _id=- _key=k1
            _seq=5 _type=Paid _version=1 _id=- _key=k5
        "#]],
    );
}

#[test]
fn patterns_of_one_place_may_be_alternatives_and_a_part_optional() {
    let messages = [paid(1, "schema=paid.v2"), paid(2, "schema=2-paid"), paid(3, "schema=paid")];
    let either = [r"\.v(?<version>\d+)$", r"^(?<version>\d+)-"].map(|pattern| matched(header("schema"), pattern));
    check(
        versioned(either.to_vec()),
        &messages,
        expect![[r#"
            #3 unknown_version Paid -: `paid`, from which the version is taken, does not match `^(?<version>\d+)-`
            _seq=1 _type=Paid _version=2 _id=- _key=k1
            _seq=2 _type=Paid _version=2 _id=- _key=k2
        "#]],
    );
    check(
        versioned(vec![either[0].clone(), Locator::Const("1".to_owned())]),
        &messages[1..],
        expect![[r#"
            _seq=2 _type=Paid _version=1 _id=- _key=k2
            _seq=3 _type=Paid _version=1 _id=- _key=k3
        "#]],
    );
    check(
        versioned(vec![matched(header("schema"), r"^paid(\.v(?<version>\d+))?$")]),
        &messages,
        expect![[r#"
            #2 unknown_version Paid -: `2-paid`, from which the version is taken, does not match `^paid(\.v(?<version>\d+))?$`
            _seq=1 _type=Paid _version=2 _id=- _key=k1
            _seq=3 _type=Paid _version=1 _id=- _key=k3
        "#]],
    );
}

#[test]
fn a_type_that_does_not_match_its_pattern_says_so() {
    let mut schema = orders();
    let pattern = matched(header("ce-type"), r"(?<type>\w+)\.v(?<version>\d+)$");
    schema.envelope.event_type = Locators(vec![pattern.clone()]);
    schema.envelope.version = Locators(vec![pattern]);
    let event = |seq, ce_type: &str| message(seq, &format!("ce-type={ce_type}"), r#"{"amount":1}"#);
    check(
        schema,
        &[event(1, "com.Paid.v1"), event(2, "com.Paid"), event(3, "com.Refunded.v1"), event(4, "com.Paid%2ev1")],
        expect![[r#"
            #2 missing_type - -: `com.Paid`, from which the type is taken, does not match `(?<type>\w+)\.v(?<version>\d+)$`
            #3 unknown_type Refunded -: type `Refunded` is not declared
            _seq=1 _type=Paid _version=1 _id=- _key=k1
            _seq=4 _type=Paid _version=1 _id=- _key=k4
        "#]],
    );
}

#[test]
fn attributes_of_cloud_events_are_decoded() {
    let mut schema = orders();
    schema.envelope.event_type = Locators(vec![header("ce-type")]);
    schema.envelope.id = Locators(vec![header("ce-id"), header("id")]);
    schema.envelope.key = Locators(vec![header("CE-subject")]);
    schema.envelope.time = Locators(vec![header("ce-time")]);
    let event = |seq, headers: &str| message(seq, headers, r#"{"amount":1}"#);
    check(
        schema,
        &[
            event(1, "ce-type=Paid ce-id=a%20%E2%82%AC ce-subject=100%25 ce-time=1970-01-01T00%3A00%3A01Z"),
            event(2, "ce-type=%50aid id=a%20b ce-subject=\"x\""),
            event(3, "ce-type=Paid%ff"),
            event(4, "ce-type=Paid ce-id=%C0%A0 id=a"),
            event(5, "ce-type=Paid ce-subject=%ff"),
            event(6, "ce-type=Paid ce-time=%ff"),
        ],
        expect![[r#"
            #3 malformed - -: the header `ce-type` is `Paid%ff`, which encodes no UTF-8
            #4 malformed Paid -: the header `ce-id` is `%C0%A0`, which encodes no UTF-8
            #5 malformed Paid -: the header `CE-subject` is `%ff`, which encodes no UTF-8
            #6 malformed Paid -: the header `ce-time` is `%ff`, which encodes no UTF-8
            _seq=1 _type=Paid _version=1 _id=a € _key=100%
            _seq=2 _type=Paid _version=1 _id=a%20b _key=x
        "#]],
    );
}

#[test]
fn facts_in_the_body_are_scalars() {
    let mut schema = orders();
    schema.envelope.version = Locators(vec![body("/v")]);
    schema.envelope.id = Locators(vec![body("/id"), Locator::Stream]);
    schema.envelope.key = Locators(vec![body("/customer/id")]);
    let event = |seq, members: &str| message(seq, "type=Paid", format!(r#"{{"amount":1{members}}}"#));
    check(
        schema,
        &[
            event(1, r#","v":1,"id":7,"customer":{"id":"a"}"#),
            event(2, r#","v":null,"id":null,"customer":{"id":null}"#),
            event(3, r#","v":{"major":1}"#),
            event(4, r#","v":[2]"#),
            event(5, r#","v":"\ud800""#),
            event(6, r#","v":true"#),
            event(7, r#","id":{"a":1}"#),
            event(8, r#","customer":{"id":["a"]}"#),
            event(9, r#","customer":{"id":"\ud800"}"#),
            event(10, r#","customer":[]"#),
        ],
        expect![[r#"
            #3 wrong_type Paid /v: expected the version, found an object
            #4 wrong_type Paid /v: expected the version, found an array
            #5 malformed Paid /v: unexpected end of hex escape at line 1 column 8
            #6 unknown_version Paid -: version `true` is not a number of a version
            #7 wrong_type Paid /id: expected the id, found an object
            #8 wrong_type Paid /customer/id: expected the key, found an array
            #9 malformed Paid /customer/id: unexpected end of hex escape at line 1 column 8
            _seq=1 _type=Paid _version=1 _id=7 _key=a
            _seq=2 _type=Paid _version=1 _id=2 _key=-
            _seq=10 _type=Paid _version=1 _id=10 _key=-
        "#]],
    );
}
