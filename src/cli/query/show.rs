//! Answers as a person reads them: aligned tables, search hits with their marked passages, and the freshness. One item alone is in `item`.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde::Deserialize;
use serde_json::Value;

use super::client::{Answer, ClientError, Row, parse};

/// The items of an answer as a table.
///
/// # Errors
/// If the answer is not of this form, or the output cannot be written.
pub fn show_items(body: &str, out: &mut dyn Write) -> Result<(), ClientError> {
    let answer: Answer<Row> = parse(body)?;
    let mut names: Vec<String> = answer.columns.into_iter().map(|column| column.name).collect();
    if names.is_empty()
        && let Some(Row(first)) = answer.items.first()
    {
        names = first.iter().map(|(name, _)| name.clone()).collect();
    }
    let rows: Vec<Vec<Cell>> = answer.items.iter().map(|row| cells(row, &names)).collect();
    write_table(out, &names, &rows)?;
    writeln!(out, "{}", count(rows.len(), "row"))?;
    write_freshness(out, &answer.freshness)
}

pub(super) fn show_projections(body: &str, out: &mut dyn Write) -> Result<(), ClientError> {
    let answer: Answer<Value> = parse(body)?;
    let row = |item: &Value| {
        let of = |value: &Value| cell(&value.to_string());
        let freshness = &item["freshness"];
        let rows = if item["kind"] == "view" { &Value::Null } else { &item["rows"] };
        vec![
            of(&item["name"]),
            of(&item["kind"]),
            of(&item["state"]),
            of(&item["generation"]),
            (beside(item), false),
            of(rows),
            of(&freshness["lagEvents"]),
            of(&freshness["lagSeconds"]),
            of(&item["owner"]),
            of(&item["error"]),
        ]
    };
    let names =
        ["name", "kind", "state", "generation", "beside", "rows", "lag events", "lag seconds", "owner", "error"];
    write_table(out, &names.map(str::to_owned), &answer.items.iter().map(row).collect::<Vec<_>>())?;
    write_freshness(out, &answer.freshness)
}

/// The generations that are there beside the one that readers see, each with what it does.
fn beside(item: &Value) -> String {
    let of = |what: &Value| match (what["state"].as_str(), what["generation"].as_u64()) {
        (Some(state), None | Some(0)) => Some(state.to_owned()),
        (Some(state), Some(generation)) => Some(format!("{generation} {state}")),
        (None, _) => None,
    };
    let kept = of(&item["kept"]).map(|kept| format!("kept {kept}"));
    of(&item["build"]).into_iter().chain(kept).collect::<Vec<_>>().join(", ")
}

#[derive(Deserialize)]
struct Hits {
    items: Vec<Hit>,
    total: u64,
    #[serde(default)]
    facets: BTreeMap<String, Vec<FacetCount>>,
    freshness: Value,
}

#[derive(Deserialize)]
struct Hit {
    item: Row,
    score: Option<f64>,
    /// Where it stands in each order, if a vector is asked for.
    parts: Option<Value>,
    #[serde(default)]
    highlights: BTreeMap<String, Passage>,
}

#[derive(Deserialize)]
struct Passage {
    text: String,
    /// Ranges in UTF-16 code units.
    marks: Vec<(usize, usize)>,
}

#[derive(Deserialize)]
struct FacetCount {
    value: String,
    count: u64,
}

/// The hits of a search as a table. A highlighted text shows its passage, with the words that matched in brackets.
///
/// # Errors
/// If the answer is not of this form, or the output cannot be written.
pub fn show_hits(body: &str, out: &mut dyn Write) -> Result<(), ClientError> {
    let Hits { items, total, facets, freshness } = parse(body)?;
    let mut names: Vec<String> =
        items.first().iter().flat_map(|hit| hit.item.0.iter().map(|(name, _)| name.clone())).collect();
    let mut rows = Vec::with_capacity(items.len());
    let scored = items.iter().any(|hit| hit.score.is_some());
    for hit in &items {
        let mut row = cells(&hit.item, &names);
        for (name, passage) in &hit.highlights {
            if let Some(place) = names.iter().position(|known| known == name) {
                row[place] = (printable(&passage.marked()), false);
            }
        }
        if scored {
            // Sums of ranks are small numbers, of which two digits would be all the same.
            let shown = |score: f64| if hit.parts.is_some() { format!("{score:.4}") } else { format!("{score:.2}") };
            row.push((hit.score.map(shown).unwrap_or_default(), true));
        }
        rows.push(row);
    }
    if scored {
        names.push("score".to_owned());
    }
    write_table(out, &names, &rows)?;
    writeln!(out, "{} of {}", rows.len(), count(usize::try_from(total).unwrap_or(usize::MAX), "hit"))?;
    for (name, values) in &facets {
        let values: Vec<String> =
            values.iter().map(|facet| format!("{} {}", printable(&facet.value), facet.count)).collect();
        writeln!(out, "{name}: {}", values.join(", "))?;
    }
    write_freshness(out, &freshness)
}

impl Passage {
    fn marked(&self) -> String {
        let mut marked = String::with_capacity(self.text.len());
        let mut units = 0;
        for letter in self.text.chars() {
            // The end of one mark comes before the start of the next.
            marked.extend(self.marks.iter().filter(|(_, end)| *end == units).map(|_| ']'));
            marked.extend(self.marks.iter().filter(|(start, _)| *start == units).map(|_| '['));
            marked.push(letter);
            units += letter.len_utf16();
        }
        marked.extend(self.marks.iter().filter(|(_, end)| *end == units).map(|_| ']'));
        marked
    }
}

/// Its text and whether it is a number.
pub(in crate::cli) type Cell = (String, bool);

/// The values of these columns in an object.
///
/// # Errors
/// If it is none.
pub(in crate::cli) fn cells_of(object: &str, names: &[String]) -> Result<Vec<Cell>, ClientError> {
    Ok(cells(&parse(object)?, names))
}

fn cells(Row(members): &Row, names: &[String]) -> Vec<Cell> {
    let value = |name: &String| members.iter().find(|(member, _)| member == name).map(|(_, value)| value.get());
    names.iter().map(|name| cell(value(name).unwrap_or("null"))).collect()
}

/// JSON as a person reads it.
pub(in crate::cli) fn cell(json: &str) -> Cell {
    let (text, number) = match serde_json::from_str(json) {
        Ok(Value::Null) => (String::new(), true),
        // Decimals travel as strings.
        Ok(Value::String(text)) => {
            let number = is_decimal(&text);
            (text, number)
        }
        Ok(Value::Number(_)) => (json.to_owned(), true),
        _ => (json.to_owned(), false),
    };
    (printable(&text), number)
}

fn is_decimal(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let digit = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    digits.split_once('.').is_some_and(|(whole, fraction)| digit(whole) && digit(fraction))
}

/// Control characters are escaped: data must not steer a terminal.
pub(in crate::cli) fn printable(text: &str) -> String {
    let mut printable = String::with_capacity(text.len());
    for char in text.chars() {
        if char.is_control() { printable.extend(char.escape_default()) } else { printable.push(char) }
    }
    printable
}

pub(in crate::cli) fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

pub(in crate::cli) fn write_table(out: &mut dyn Write, names: &[String], rows: &[Vec<Cell>]) -> io::Result<()> {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].0.chars().count());
        cells.chain([names[column].chars().count()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..names.len()).map(width).collect();
    let numbers: Vec<bool> = (0..names.len()).map(|column| rows.iter().all(|row| row[column].1)).collect();
    if names.iter().any(|name| !name.is_empty()) {
        write_line(out, names.iter().map(String::as_str), &widths, &numbers)?;
        let lines: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
        write_line(out, lines.iter().map(String::as_str), &widths, &numbers)?;
    }
    for row in rows {
        write_line(out, row.iter().map(|cell| cell.0.as_str()), &widths, &numbers)?;
    }
    Ok(())
}

fn write_line<'a>(
    out: &mut dyn Write,
    cells: impl Iterator<Item = &'a str>,
    widths: &[usize],
    numbers: &[bool],
) -> io::Result<()> {
    let cells = cells
        .zip(widths)
        .zip(numbers)
        .map(|((text, width), number)| if *number { format!("{text:>width$}") } else { format!("{text:<width$}") });
    writeln!(out, "{}", cells.collect::<Vec<_>>().join("  ").trim_end())
}

/// `live, 0 events behind (0 s), orders at 802711`.
pub(super) fn write_freshness(out: &mut dyn Write, freshness: &Value) -> Result<(), ClientError> {
    let state = freshness["state"].as_str().unwrap_or("unknown");
    let lag = match freshness["lagSeconds"].as_f64() {
        Some(seconds) => format!("{seconds:.1} s"),
        None => "nobody knows how long".to_owned(),
    };
    let positions = freshness["positions"].as_object().into_iter().flatten();
    let positions: Vec<String> = positions.map(|(source, position)| format!("{source} at {position}")).collect();
    let incomplete = if freshness["incomplete"] == true { ", incomplete: events are parked or lost" } else { "" };
    let events = &freshness["lagEvents"];
    let stays = match freshness["phase"].as_str() {
        Some(phase) if phase != "serving" => ", so that the rows stay as they were",
        _ => "",
    };
    writeln!(out, "{state}{stays}, {events} events behind ({lag}){incomplete}; {}", positions.join(", "))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use expect_test::{Expect, expect};

    use super::*;

    const FRESHNESS: &str =
        r#"{"state":"live","lagEvents":0,"lagSeconds":0.0,"positions":{"orders":7},"incomplete":true}"#;

    fn check(show: fn(&str, &mut dyn Write) -> Result<(), ClientError>, body: &str, expect: Expect) {
        let mut out = Vec::new();
        show(&body.replace("FRESHNESS", FRESHNESS), &mut out).unwrap();
        expect.assert_eq(&String::from_utf8(out).unwrap());
    }

    #[test]
    fn items_become_an_aligned_table_in_the_order_of_their_columns() {
        check(
            show_items,
            r#"{"columns":[{"name":"id","type":"int64"},{"name":"a note","type":"string"},{"name":"total","type":"decimal(18,2)"}],
            "items":[{"id":9007199254740993,"a note":"x\u001b[2J","total":"1.50"},{"id":null,"a note":null,"total":"-10.00"}],
            "freshness":FRESHNESS}"#,
            expect![[r"
                              id  a note       total
                ----------------  ----------  ------
                9007199254740993  x\u{1b}[2J    1.50
                                              -10.00
                2 rows
                live, 0 events behind (0.0 s), incomplete: events are parked or lost; orders at 7
            "]],
        );
    }

    #[test]
    fn rows_that_stay_as_they_were_say_so() {
        check(
            show_items,
            r#"{"columns":[],"items":[],"freshness":{"state":"failed","phase":"failed","lagEvents":0,"lagSeconds":0.0,"positions":{"orders":7}}}"#,
            expect![[r#"
                0 rows
                failed, so that the rows stay as they were, 0 events behind (0.0 s); orders at 7
            "#]],
        );
    }

    #[test]
    fn hits_show_the_words_that_matched() {
        check(
            show_hits,
            r#"{"items":[
                {"item":{"id":1,"notes":"a long text"},"score":1.234,"highlights":{"notes":{"text":"über den Zaun","marks":[[0,4],[9,13]]}}},
                {"item":{"id":2,"notes":"other"},"score":0.5}],
            "total":3,"facets":{"status":[{"value":"open","count":2},{"value":"shut","count":1}]},"page":{"nextPageToken":"2"},
            "freshness":FRESHNESS}"#,
            expect![[r"
                id  notes              score
                --  -----------------  -----
                 1  [über] den [Zaun]   1.23
                 2  other               0.50
                2 of 3 hits
                status: open 2, shut 1
                live, 0 events behind (0.0 s), incomplete: events are parked or lost; orders at 7
            "]],
        );
    }
}
