//! Payloads of one event version into columns: strict, typed, in one pass over the text. No envelope, no upcasting.
//!
//! A member whose key occurs twice is read twice and the last one wins, as in serde_json; if the first one is of the
//! wrong type, the event is rejected all the same.

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::error::ArrowError;

use super::Reason;
use super::column::ColumnBuilder;
use super::json::{Fault, Read};
use super::shape::ObjectLayout;
use super::tree::Sink;

/// Rows of one layout under construction. A row is in it whole or not at all.
#[derive(Debug)]
pub(super) struct RowsBuilder {
    layout: Arc<ObjectLayout>,
    columns: Vec<ColumnBuilder>,
    rows: usize,
}

impl RowsBuilder {
    pub(super) fn new(layout: &Arc<ObjectLayout>) -> Self {
        let columns = layout.columns.iter().map(|member| ColumnBuilder::new(&member.shape)).collect();
        Self { layout: layout.clone(), columns, rows: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.rows
    }

    pub(super) fn has_columns(&self) -> bool {
        !self.columns.is_empty()
    }

    /// Appends a row from a whole document, whose syntax is checked on the way. `undeclared` counts the members that
    /// no column reads; it does not move if the row fails. `facts` takes those of the envelope that the layout has slots for.
    pub(super) fn push_document<'a>(
        &mut self,
        text: &'a str,
        facts: &mut [Option<&'a str>],
        undeclared: &mut u64,
    ) -> Read {
        self.append(facts, undeclared, |layout, filling| layout.tree.walk_document(text, filling))
    }

    /// The same from a value that is known to be JSON.
    pub(super) fn push(&mut self, raw: &str, undeclared: &mut u64) -> Read {
        self.append(&mut [], undeclared, |layout, filling| layout.tree.walk(raw, filling))
    }

    pub(super) fn push_null(&mut self) {
        self.columns.iter_mut().for_each(ColumnBuilder::push_null);
        self.rows += 1;
    }

    pub(super) fn truncate(&mut self, rows: usize) {
        self.columns.iter_mut().for_each(|column| column.truncate(rows));
        self.rows = rows;
    }

    /// The columns, in the order of the layout.
    pub(super) fn finish(self) -> Result<Vec<ArrayRef>, ArrowError> {
        self.columns.into_iter().map(ColumnBuilder::finish).collect()
    }

    #[inline]
    fn append<'a>(
        &mut self,
        facts: &mut [Option<&'a str>],
        undeclared: &mut u64,
        walk: impl FnOnce(&ObjectLayout, &mut Filling<'_, 'a>) -> Read,
    ) -> Read {
        let mut filling = Filling { columns: &mut self.columns, facts, row: self.rows, undeclared: 0 };
        let outcome = walk(&self.layout, &mut filling).and_then(|()| filling.complete(&self.layout));
        *undeclared += if outcome.is_ok() { filling.undeclared } else { 0 };
        match outcome {
            Ok(()) => self.rows += 1,
            Err(_) => self.truncate(self.rows),
        }
        outcome
    }
}

/// A row being filled: a column that has it is one longer than `row`.
struct Filling<'r, 'a> {
    columns: &'r mut [ColumnBuilder],
    /// By the envelope's slot; empty where no column asks.
    facts: &'r mut [Option<&'a str>],
    row: usize,
    undeclared: u64,
}

impl Filling<'_, '_> {
    /// Columns that found nothing.
    fn complete(&mut self, layout: &ObjectLayout) -> Read {
        for (column, member) in self.columns.iter_mut().zip(&layout.columns) {
            if column.len() > self.row {
                continue;
            }
            if column.required() {
                return Err(Fault::at(Reason::MissingField, member.pointer.clone(), "is required but missing"));
            }
            column.push_null();
        }
        Ok(())
    }
}

impl<'a> Sink<'a> for Filling<'_, 'a> {
    #[inline]
    fn take(&mut self, slot: usize, raw: &'a str) -> Read {
        let Some(column) = self.columns.get_mut(slot) else {
            if let Some(fact) = self.facts.get_mut(slot - self.columns.len()) {
                *fact = Some(raw);
            }
            return Ok(());
        };
        if column.len() > self.row {
            column.truncate(self.row);
        }
        column.push(raw, &mut self.undeclared)
    }

    /// Facts are members of the document itself: the object around them is the whole, which does not come again.
    #[inline]
    fn clear(&mut self, slot: usize) {
        if let Some(column) = self.columns.get_mut(slot)
            && column.len() > self.row
        {
            column.truncate(self.row);
        }
    }

    fn mismatch(&mut self, raw: &str) -> Read {
        Err(Fault::wrong_type("an object", raw))
    }

    fn undeclared(&mut self) {
        self.undeclared += 1;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use arrow::array::{Array, RecordBatch};
    use expect_test::{Expect, expect};

    use super::super::VersionSchema;
    use super::super::fixture;
    use super::super::schema::Naming;
    use super::*;

    /// Reads payloads in turn into one set of columns: the faults, then the rows.
    fn read_as(naming: Naming, fields: &str, payloads: &[&str]) -> String {
        let version = VersionSchema { fields: fixture::fields(fields) };
        let mut rows = RowsBuilder::new(&Arc::new(ObjectLayout::new(&version.fields, naming, &[])));
        let (mut text, mut undeclared) = (String::new(), 0);
        for payload in payloads {
            if let Err(fault) = rows.push_document(payload, &mut [], &mut undeclared) {
                text += &format!("{:?} {}: {}\n", fault.reason, fault.pointer.unwrap_or("?".into()), fault.detail);
            }
        }
        let batch = RecordBatch::try_new(version.to_arrow(), rows.finish().unwrap()).unwrap();
        text += &fixture::rows(&batch);
        if undeclared > 0 {
            text += &format!("undeclared: {undeclared}\n");
        }
        text
    }

    fn read(fields: &str, payloads: &[&str]) -> String {
        read_as(Naming::AsWritten, fields, payloads)
    }

    fn check(fields: &str, payloads: &[&str], expected: Expect) {
        expected.assert_eq(&read(fields, payloads));
    }

    #[test]
    fn every_type_has_its_form() {
        check(
            "s: string, b: bool, i: int32, l: int64, r: float32, f: float64, d: decimal(18,2), day: date, t: timestamp, e: epoch_ms, j: json",
            &[
                r#"{"s":"a\n\u00e9","b":true,"i":-5,"l":9007199254740993,"r":0.1,"f":1.5e3,"d":12.3,"day":"2024-02-29","t":"2024-02-29T12:00:00.5+01:00","e":1700000000123,"j":{"a": [1.0, "x y"]}}"#,
                r#" {"d":"-0.07","l":1e3,"r":-0.0,"f":-0.0,"j":"q","t":null} "#,
                "{}",
            ],
            expect![[r#"
                s=a
                é b=true i=-5 l=9007199254740993 r=0.1 f=1500.0 d=12.30 day=2024-02-29 t=2024-02-29T11:00:00.500Z e=2023-11-14T22:13:20.123Z j={"a":[1.0,"x y"]}
                s=- b=- i=- l=1000 r=0.0 f=0.0 d=-0.07 day=- t=- e=- j="q"
                s=- b=- i=- l=- r=- f=- d=- day=- t=- e=- j=-
            "#]],
        );
    }

    #[test]
    fn a_fault_names_its_pointer_and_leaves_no_trace() {
        let fields = "a: string!, n: int32, d: decimal(5,2), lines: list<struct<sku: string!, qty: int64!>!>, tags: map<string,int64!>, at: timestamp, day: date, b: bool, r: float32, f: float64, e: epoch_ms";
        check(
            fields,
            &[
                r#"{"n":1}"#,
                r#"{"a":null}"#,
                r#"{"a":1}"#,
                r#"{"a":"x","n":2147483648}"#,
                r#"{"a":"x","n":1.5}"#,
                r#"{"a":"x","n":"1"}"#,
                r#"{"a":"x","d":1.234}"#,
                r#"{"a":"x","d":1000}"#,
                r#"{"a":"x","d":"1,5"}"#,
                r#"{"a":"x","lines":[{"sku":"p","qty":1},{"sku":"q"}]}"#,
                r#"{"a":"x","lines":[{"sku":"p","qty":1},{"sku":"q","qty":true}]}"#,
                r#"{"a":"x","lines":[null]}"#,
                r#"{"a":"x","lines":{}}"#,
                r#"{"a":"x","lines":[[]]}"#,
                r#"{"a":"x","tags":{"ok":1,"a/b~":null}}"#,
                r#"{"a":"x","tags":[]}"#,
                r#"{"a":"x","at":"2024-01-01T00:00:00"}"#,
                r#"{"a":"x","at":5}"#,
                r#"{"a":"x","day":"2023-02-29"}"#,
                r#"{"a":"x","b":0}"#,
                r#"{"a":"x","r":3.5e38}"#,
                r#"{"a":"x","r":"1"}"#,
                r#"{"a":"x","f":1e400}"#,
                r#"{"a":"x","f":"1"}"#,
                r#"{"a":"x","e":"1700000000123"}"#,
                r#"{"a":"x","e":1e30}"#,
                "[]",
                "",
                r#"{"a":"x""#,
                r#"{"a":"x"} {}"#,
                r#"{"a":"\ud800"}"#,
                r#"{"a":"fine","lines":[{"sku":"p","qty":1}],"tags":{"z":1,"y":2}}"#,
            ],
            expect![[r#"
                MissingField /a: is required but missing
                MissingField /a: is null but required
                WrongType /a: expected string, found a number
                OutOfRange /n: 2147483648 does not fit int32
                OutOfRange /n: 1.5 has more decimal places than int32 keeps
                WrongType /n: expected int32, found a string
                OutOfRange /d: 1.234 has more decimal places than decimal(5,2) keeps
                OutOfRange /d: 1000 does not fit decimal(5,2)
                WrongType /d: "1,5" is not a decimal(5,2) (digits with a point)
                MissingField /lines/1/qty: is required but missing
                WrongType /lines/1/qty: expected int64, found a boolean
                MissingField /lines/0: is null but required
                WrongType /lines: expected list<struct>, found an object
                WrongType /lines/0: expected an object, found an array
                MissingField /tags/a~1b~0: is null but required
                WrongType /tags: expected map<string,int64>, found an array
                WrongType /at: "2024-01-01T00:00:00" is not a timestamp (RFC 3339 with an offset)
                WrongType /at: expected timestamp, found a number
                WrongType /day: "2023-02-29" is not a date (YYYY-MM-DD)
                WrongType /b: expected bool, found a number
                OutOfRange /r: 3.5e38 does not fit float32
                WrongType /r: expected float32, found a string
                OutOfRange /f: 1e400 does not fit float64
                WrongType /f: expected float64, found a string
                WrongType /e: expected timestamp, found a string
                OutOfRange /e: 1e30 does not fit timestamp
                WrongType : expected an object, found an array
                Malformed ?: the payload is not JSON: EOF while parsing a value at line 1 column 0
                Malformed ?: the payload is not JSON: EOF while parsing an object at line 1 column 8
                Malformed ?: the payload is not JSON: trailing characters at line 1 column 11
                Malformed ?: unexpected end of hex escape at line 1 column 8
                a=fine n=- d=- lines=[{sku: p, qty: 1}] tags={y: 2, z: 1} at=- day=- b=- r=- f=- e=-
            "#]],
        );
    }

    #[test]
    fn pointers_reach_into_objects_and_arrays() {
        check(
            "city@/address/city: string!, address: json, first@/lines/0/sku: string, whole@: json",
            &[
                r#"{"address":{"city":"Rome","zip":1},"lines":[{"sku":"p"},{"sku":"q"}]}"#,
                r#"{"address":null}"#,
                r#"{"address":"Rome"}"#,
                r#"{"address":{"city":1}}"#,
            ],
            expect![[r#"
                MissingField /address/city: is required but missing
                WrongType /address: expected an object, found a string
                WrongType /address/city: expected string, found a number
                city=Rome address={"city":"Rome","zip":1} first=p whole={"address":{"city":"Rome","zip":1},"lines":[{"sku":"p"},{"sku":"q"}]}
                undeclared: 1
            "#]],
        );
    }

    #[test]
    fn the_last_of_equal_keys_wins() {
        check(
            "a: int64!, city@/address/city: string, zip@/address/zip: int64, tags: map<string,int64>, s: struct<x: int64>",
            &[
                r#"{"a":1,"a":2,"address":{"city":"Rome","zip":1},"address":{"zip":2},"tags":{"k":1,"k":2},"s":{"x":1},"s":{"x":1,"x":2}}"#,
                r#"{"a":1,"a":null}"#,
            ],
            expect![[r#"
                MissingField /a: is null but required
                a=2 city=- zip=2 tags={k: 2} s={x: 2}
            "#]],
        );
    }

    #[test]
    fn undeclared_members_are_counted_at_every_level() {
        check(
            "s: struct<x: int64>",
            &[r#"{"u":1,"s":{"x":1,"v":{"w":2}},"z":[]}"#],
            expect![[r#"
            s={x: 1}
            undeclared: 3
        "#]],
        );
    }

    #[test]
    fn names_may_be_camel_case() {
        let text = read_as(
            Naming::CamelCase,
            "customer_id: string!, line_total: struct<net_price: int64!>, raw@/raw_name: string",
            &[r#"{"customerId":"c","lineTotal":{"netPrice":5},"raw_name":"r"}"#, r#"{"customer_id":"c"}"#],
        );
        expect![[r#"
            MissingField /customerId: is required but missing
            customer_id=c line_total={net_price: 5} raw=r
        "#]]
        .assert_eq(&text);
    }

    #[test]
    fn the_order_of_members_does_not_matter() {
        let mut random = fastrand::Rng::with_seed(3);
        let members: Vec<String> = ('a'..='h').map(|name| format!("\"{name}\":\"{name}1\"")).collect();
        let fields: Vec<String> = ('a'..='h').map(|name| format!("{name}: string!")).collect();
        let payloads: Vec<String> = (0..50)
            .map(|_| {
                let mut members = members.clone();
                random.shuffle(&mut members);
                format!("{{{}}}", members.join(","))
            })
            .collect();
        let payloads: Vec<&str> = payloads.iter().map(String::as_str).collect();
        let text = read(&fields.join(","), &payloads);
        assert_eq!(text, "a=a1 b=b1 c=c1 d=d1 e=e1 f=f1 g=g1 h=h1\n".repeat(50));
    }

    #[test]
    fn null_structs_have_null_children() {
        let version = VersionSchema { fields: fixture::fields("s: struct<x: int64!, y: struct<z: string!>!>") };
        let mut rows = RowsBuilder::new(&Arc::new(ObjectLayout::new(&version.fields, Naming::AsWritten, &[])));
        rows.push_document("{}", &mut [], &mut 0).unwrap();
        let columns = rows.finish().unwrap();
        let outer = columns[0].as_any().downcast_ref::<arrow::array::StructArray>().unwrap();
        let inner = outer.column(1).as_any().downcast_ref::<arrow::array::StructArray>().unwrap();
        assert!([outer.column(0), outer.column(1), inner.column(0)].iter().all(|column| column.is_null(0)));
    }
}
