#![allow(clippy::unwrap_used)]
use std::sync::Arc;

use expect_test::{Expect, expect};

use super::super::decode::RowsBuilder;
use super::super::fixture;
use super::super::schema::Naming;
use super::super::shape::ObjectLayout;
use super::*;

type Steps<'a> = &'a [(u32, &'a [(&'a str, &'a str)])];

fn decoded(version: &VersionSchema, payloads: &[&str]) -> RecordBatch {
    let mut rows = RowsBuilder::new(&Arc::new(ObjectLayout::new(&version.fields, Naming::AsWritten, &[])));
    payloads.iter().for_each(|payload| rows.push_document(payload, &mut [], &mut 0).unwrap());
    RecordBatch::try_new(version.to_arrow(), rows.finish().unwrap()).unwrap()
}

/// Upcasts payloads of version 1: the rejected ones, then the rows. All at once and one by one must agree.
fn upcast(versions: &[&str], steps: Steps<'_>, payloads: &[&str]) -> String {
    let event_type = fixture::event_type("Placed", versions, steps);
    let first = event_type.versions[&1].clone();
    let upcasters = match Upcasters::compile(&fixture::schema(vec![event_type])) {
        Ok(upcasters) => upcasters,
        Err(problems) => return problems.iter().map(picture).collect(),
    };
    let run = |start: usize, payloads: &[&str]| {
        let upcast = upcasters.upcast(0, 1, decoded(&first, payloads)).unwrap();
        let rejected: String =
            upcast.rejected.iter().map(|(row, detail)| format!("{}: {detail}\n", start + row)).collect();
        let lines = fixture::rows(&upcast.rows);
        let lines = lines.lines().zip(&upcast.kept).map(|(line, row)| format!("{}: {line}\n", start + row));
        (rejected, lines.collect::<String>())
    };
    let (rejected, rows) = run(0, payloads);
    let single: Vec<(String, String)> =
        payloads.iter().enumerate().map(|(row, payload)| run(row, &[*payload])).collect();
    assert_eq!(rejected, single.iter().map(|(rejected, _)| rejected.as_str()).collect::<String>());
    assert_eq!(rows, single.iter().map(|(_, rows)| rows.as_str()).collect::<String>());
    rejected + &rows
}

fn picture(problem: &UpcastProblem) -> String {
    let UpcastProblem { event_type, from_version, column, message, within, hint } = problem;
    let place = within.map(|(line, column)| format!(" at {line}:{column}")).unwrap_or_default();
    let column = column.as_deref().unwrap_or("?");
    let hint = hint.as_deref().map(|hint| format!(" (hint: {hint})")).unwrap_or_default();
    format!("{event_type} v{from_version} {column}{place}: {message}{hint}\n")
}

fn check(versions: &[&str], steps: Steps<'_>, payloads: &[&str], expected: Expect) {
    expected.assert_eq(&upcast(versions, steps, payloads));
}

#[test]
fn null_has_the_type_of_its_place() {
    check(
        &[
            "id: string!, city: string!",
            "id: string!, at: struct<city: string!, since: timestamp, tags: list<string>>, all: list<struct<n: int64, s: string>>",
        ],
        &[(1, &[("at", "{city: city, since: NULL, tags: NULL}"), ("all", "[{n: NULL, s: city}, {n: 1, s: NULL}]")])],
        &[r#"{"id": "a", "city": "Bern"}"#],
        expect![[r#"
            0: id=a at={city: Bern, since: -, tags: -} all=[{n: -, s: Bern}, {n: 1, s: -}]
        "#]],
    );
}

#[test]
fn members_of_a_struct_are_matched_by_name() {
    check(
        &["a: string!, b: string!", "at: struct<x: string, y: string>, all: list<struct<x: string, y: int64>>"],
        &[(1, &[("at", "{y: b, x: a}"), ("all", "[{y: 1, x: b}]")])],
        &[r#"{"a": "Bern", "b": "Chur"}"#],
        expect![[r#"
            0: at={x: Bern, y: Chur} all=[{x: Chur, y: 1}]
        "#]],
    );
}

#[test]
fn a_chain_of_three_versions() {
    check(
        &[
            "order_id: string!, cust: string!, cents: int64!, old: bool",
            "order_id: string!, customer_id: string!, cents: int64!",
            "order_id: string!, customer_id: string!, total: decimal(18,2)!, note: string",
        ],
        &[(1, &[("customer_id", "cust")]), (2, &[("total", "cents / 100.0")])],
        &[
            r#"{"order_id":"a","cust":"c","cents":12345,"old":true}"#,
            r#"{"order_id":"b","cust":"d","cents":-1}"#,
            r#"{"order_id":"c","cust":"e","cents":9223372036854775807}"#,
        ],
        expect![[r#"
            2: step from version 2 to 3, column `total`: 92233720368547758.0700 does not become decimal(18,2) without loss
            0: order_id=a customer_id=c total=123.45 note=-
            1: order_id=b customer_id=d total=-0.01 note=-
        "#]],
    );
}

#[test]
fn a_cast_that_loses_anything_rejects_its_row_alone() {
    check(
        &[
            "n: int64, f: float64, t: string, d: decimal(18,4), at: timestamp",
            "n: int32, f: int64, t: decimal(18,2), d: decimal(6,2), at: date",
        ],
        &[(1, &[("n", "n"), ("f", "f"), ("t", "t"), ("d", "d"), ("at", "at")])],
        &[
            r#"{"n":1,"f":2.0,"t":"3.5","d":"4.5600","at":"2024-01-01T00:00:00Z"}"#,
            r#"{"n":2147483648}"#,
            r#"{"f":2.5}"#,
            r#"{"f":-0.0}"#,
            r#"{"f":1e300}"#,
            r#"{"t":"3.505"}"#,
            r#"{"t":"x"}"#,
            r#"{"d":"4.5601"}"#,
            r#"{"d":"10000"}"#,
            r#"{"at":"2024-01-01T00:00:01Z"}"#,
            "{}",
        ],
        expect![[r#"
            1: step from version 1 to 2, column `n`: 2147483648 does not become int32 without loss
            2: step from version 1 to 2, column `f`: 2.5 does not become int64 without loss
            4: step from version 1 to 2, column `f`: 1e300 does not become int64 without loss
            5: step from version 1 to 2, column `t`: 3.505 does not become decimal(18,2) without loss
            6: step from version 1 to 2, column `t`: x does not become decimal(18,2) without loss
            7: step from version 1 to 2, column `d`: 4.5601 does not become decimal(6,2) without loss
            8: step from version 1 to 2, column `d`: 10000.0000 does not become decimal(6,2) without loss
            9: step from version 1 to 2, column `at`: 2024-01-01T00:00:01Z does not become date without loss
            0: n=1 f=2 t=3.50 d=4.56 at=2024-01-01
            3: n=- f=0 t=- d=- at=-
            10: n=- f=- t=- d=- at=-
        "#]],
    );
}

#[test]
fn divisions_into_a_decimal_come_out() {
    check(
        &["a: int64!, b: int64!", "q: decimal(18,4), whole: decimal(18,2), cut: int64, rounded: decimal(18,2)"],
        &[(1, &[("q", "a / 3.0"), ("whole", "a / 10"), ("cut", "a / 7"), ("rounded", "round(a / 7.0, 2)")])],
        &[r#"{"a":30,"b":1}"#, r#"{"a":10,"b":1}"#, r#"{"a":33,"b":1}"#],
        expect![[r#"
            1: step from version 1 to 2, column `q`: the division leaves a remainder
            2: step from version 1 to 2, column `whole`: the division leaves a remainder
            0: q=10.0000 whole=3.00 cut=4 rounded=4.29
        "#]],
    );
}

#[test]
fn a_failing_kernel_rejects_exactly_the_rows_that_fail() {
    check(
        &["a: int64!, b: int64!, s: string", "q: int64!, n: int64"],
        &[(1, &[("q", "a / b"), ("n", "CASE WHEN s <> 'none' THEN CAST(s AS BIGINT) END")])],
        &[
            r#"{"a":6,"b":3,"s":"1"}"#,
            r#"{"a":6,"b":0,"s":"x"}"#,
            r#"{"a":6,"b":2,"s":"none"}"#,
            r#"{"a":6,"b":1,"s":"x"}"#,
            r#"{"a":6,"b":0}"#,
            r#"{"a":7,"b":1}"#,
        ],
        expect![[r#"
            1: step from version 1 to 2, column `q`: division by zero
            3: step from version 1 to 2, column `n`: Cannot cast string 'x' to value of int64 type
            4: step from version 1 to 2, column `q`: division by zero
            0: q=2 n=1
            2: q=3 n=-
            5: q=7 n=-
        "#]],
    );
}

#[test]
fn required_columns_are_never_null() {
    check(
        &["a: string, b: int64", "a: string!, b: int64!, c: int64!"],
        &[(1, &[("b", "b"), ("c", "coalesce(b, 0)")])],
        &[r#"{"a":"x","b":1}"#, r#"{"b":1}"#, r#"{"a":"x"}"#, "{}"],
        expect![[r#"
            1: step from version 1 to 2, column `a`: is NULL but required
            2: step from version 1 to 2, column `b`: is NULL but required
            3: step from version 1 to 2, column `a`: is NULL but required
            0: a=x b=1 c=1
        "#]],
    );
}

#[test]
fn json_nested_and_text_columns() {
    check(
        &[
            "j: json, s: struct<x: int64!, y: string>, l: list<int64!>, m: map<string,int64>",
            "name: string, x: int64, total: int64, j: json, l: list<decimal(10,1)>, m: map<string,int64>, n: string",
        ],
        &[(
            1,
            &[
                ("name", "json_get_str(j, 'name')"),
                ("x", "s['x']"),
                ("total", "list_sum(l)"),
                ("j", "s['y']"),
                ("l", "list_transform(l, v -> v + 1)"),
                ("n", "s['x']"),
            ],
        )],
        &[r#"{"j":{"name":"n"},"s":{"x":1,"y":"[1]"},"l":[1,2],"m":{"k":1}}"#, r#"{"s":{"x":1,"y":"no json"}}"#, "{}"],
        expect![[r#"
            1: step from version 1 to 2, column `j`: no json is not JSON
            0: name=n x=1 total=3 j=[1] l=[2.0, 3.0] m={k: 1} n=1
            2: name=- x=- total=- j=- l=- m=- n=-
        "#]],
    );
}

#[test]
fn far_times_are_times() {
    check(
        &["at: timestamp!, day: string!", "year: timestamp!, bin: timestamp!, day: timestamp!, late: bool!"],
        &[(
            1,
            &[
                ("year", "date_trunc('year', at)"),
                ("bin", "date_bin(INTERVAL '6 hours', at)"),
                ("day", "CAST(day AS TIMESTAMP)"),
                ("late", "at > TIMESTAMP '9999-01-01'"),
            ],
        )],
        &[
            r#"{"at": "9999-12-31T10:20:30Z", "day": "9999-12-31"}"#,
            r#"{"at": "1500-12-31T10:20:30Z", "day": "0001-01-01"}"#,
        ],
        expect![[r#"
            0: year=9999-01-01T00:00:00Z bin=9999-12-31T06:00:00Z day=9999-12-31T00:00:00Z late=true
            1: year=1500-01-01T00:00:00Z bin=1500-12-31T06:00:00Z day=0001-01-01T00:00:00Z late=false
        "#]],
    );
}

#[test]
fn problems_are_found_before_the_first_event() {
    check(
        &[
            "cents: int64!, cust: string!, at: timestamp",
            "total: decimal(18,2)!, customer: string!, cust: int64, a: int64, b: int64, c: int64, d: int64, e: int64, f: int64, g: int64, t: timestamp, h: int64!, i: int64, k: string, l: int64, m: int64",
        ],
        &[(
            1,
            &[
                ("total", "cent / 100.0"),
                ("a", "cents +"),
                ("b", "sum(cents)"),
                ("c", "(SELECT 1)"),
                ("d", "CAST(random() * 10 AS BIGINT)"),
                ("e", "lenght(cust)"),
                ("f", "row_number() OVER ()"),
                ("g", "at"),
                ("t", "cents"),
                ("h", "NULL"),
                ("i", "cents cust"),
                ("k", "CAST(now() AS VARCHAR)"),
                ("l", "date_part('fortnight', at)"),
                ("m", "cents % 0"),
                ("z", "1"),
            ],
        )],
        &[],
        expect![[r#"
            Placed v1 z: the next version has no such column
            Placed v1 total at 1:1: there is no column `cent` in this version (hint: did you mean `cents`?)
            Placed v1 customer: the column is new and required, and nothing sets it (hint: add `customer` to the step's `set`)
            Placed v1 cust: the column changes from string to int64, and nothing sets it (hint: add `cust` to the step's `set`)
            Placed v1 a: Expected: an expression, found: EOF
            Placed v1 b: `sum` is an aggregate: a step sees one event
            Placed v1 c: a subquery is not allowed: a step sees one event
            Placed v1 d: `random` is volatile: it gives another value on every run, and an event is upcast again
            Placed v1 e at 1:1: there is no function `lenght`; did you mean `length`?
            Placed v1 f: `row_number` is a window function: a step sees one event
            Placed v1 g: a value of type Timestamp(µs, "UTC") does not become int64 by itself (hint: convert it in the expression)
            Placed v1 t: a value of type Int64 does not become timestamp by itself (hint: convert it in the expression)
            Placed v1 h: the column is required, and this is always NULL
            Placed v1 i at 1:7: Expected: end of expression, found: cust
            Placed v1 k: `now` is volatile: it gives another value on every run, and an event is upcast again
            Placed v1 l: the expression cannot be computed of any row: Date part 'fortnight' not supported (hint: give the function or operator arguments that it takes, or cast them)
            Placed v1 m: the expression cannot be computed of any row: division by zero (hint: give the function or operator arguments that it takes, or cast them)
        "#]],
    );
}

#[test]
fn a_struct_that_does_not_fit_names_its_members() {
    check(
        &[
            "city: string!, n: int64!",
            "lacks: struct<city: string!, zip: string, land: string>, many: struct<city: string!>, \
             deep: list<struct<place: struct<city: string!, zip: string>>>, other: struct<place: struct<n: list<int64>>>, \
             fine: struct<city: string!, zip: string>, misnamed: struct<city: string, zip: string>, \
             moved: struct<zip: string, city: string>",
        ],
        &[(
            1,
            &[
                ("lacks", "{city: city}"),
                ("many", "{city: city, zip: NULL}"),
                ("deep", "[{place: {city: city}}]"),
                ("other", "{place: {n: n}}"),
                ("fine", "{city: city, zip: NULL}"),
                ("misnamed", "{city: city, zpi: city}"),
                ("moved", "{city: city, zip: NULL}"),
            ],
        )],
        &[],
        expect![[r#"
            Placed v1 lacks: the declared type has `zip`, `land`, which the value lacks (hint: write every declared member, as NULL where there is no value)
            Placed v1 many: the value has `zip`, which the declared type lacks (hint: leave it out of the expression, or declare it)
            Placed v1 deep: the declared type has `[].place.zip`, which the value lacks (hint: write every declared member, as NULL where there is no value)
            Placed v1 other: `place.n` is of type Int64, which does not become list<int64> by itself (hint: convert it in the expression)
            Placed v1 misnamed: the declared type has `zip`, which the value lacks, and the value has `zpi`, which the declared type lacks (hint: call each member as it is declared)
        "#]],
    );
}

#[test]
fn a_step_must_lead_to_a_known_version() {
    let mut event_type = fixture::event_type("Placed", &["a: int64", "a: int64"], &[(1, &[])]);
    event_type.steps.get_mut(&1).unwrap().to = 4;
    let problems = Upcasters::compile(&fixture::schema(vec![event_type])).unwrap_err();
    expect![[r#"
        Placed v1 ?: the step leads to version 4, which is not a later known one
    "#]]
    .assert_eq(&problems.iter().map(picture).collect::<String>());
}

#[test]
fn random_rows_fare_alike_in_any_batch() {
    let mut random = fastrand::Rng::with_seed(5);
    let payloads: Vec<String> =
        (0..200).map(|_| format!("{{\"a\":{},\"b\":{}}}", random.i64(-50..50), random.i64(0..10))).collect();
    let payloads: Vec<&str> = payloads.iter().map(String::as_str).collect();
    let steps: Steps<'_> = &[
        (1, &[("q", "a / b"), ("half", "a / 2.0"), ("r", "CASE WHEN b > 2 AND a / (b - 5) > 1 THEN a END")]),
        (2, &[("half", "half"), ("r", "10 / r")]),
    ];
    let versions = [
        "a: int64!, b: int64!",
        "q: int64, half: decimal(18,1)!, r: int64",
        "q: int64!, half: int64!, r: decimal(5,1)",
    ];
    let text = upcast(&versions, steps, &payloads);
    let rejected = text.lines().filter(|line| line.contains("step from")).count();
    assert!((20..180).contains(&rejected), "{rejected} of 200 rejected");
}
