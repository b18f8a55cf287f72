//! One item as a person reads it: a line a member, and what a member has within it below its name, indented.

use std::io::Write;

use serde_json::value::RawValue;

use super::client::{Answer, ClientError, Row, parse};
use super::show::{cell, printable, write_freshness, write_table};

/// Most characters of what has members and is all the same written in one line.
const LINE_MAX: usize = 100;

/// One item, a line a member.
///
/// # Errors
/// If the answer is not of this form, or the output cannot be written.
pub fn show_item(body: &str, out: &mut dyn Write) -> Result<(), ClientError> {
    let answer: Answer<Row> = parse(body)?;
    let Some(Row(members)) = answer.item else { return Err(ClientError::Answer("it has no item".to_owned())) };
    let mut rows = Vec::new();
    for (name, value) in members {
        for (place, line) in lines(&value).into_iter().enumerate() {
            let name = if place == 0 { printable(&name) } else { String::new() };
            rows.push(vec![(name, false), (line, false)]);
        }
    }
    write_table(out, &[String::new(), String::new()], &rows)?;
    write_freshness(out, &answer.freshness)
}

/// A value in as many lines as it takes: a list has one an item at the least, a text those that it was written in. What has nothing
/// in it has one all the same.
fn lines(value: &RawValue) -> Vec<String> {
    let json = value.get();
    if let Ok(items) = serde_json::from_str::<Vec<Box<RawValue>>>(json) {
        if items.is_empty() {
            return vec![String::new()];
        }
        return of_items(&items.iter().map(|item| lines(item)).collect::<Vec<_>>());
    }
    if let Some(line) = in_line(value) {
        return vec![line];
    }
    if let Ok(Row(members)) = serde_json::from_str(json) {
        return of_members(&members);
    }
    match serde_json::from_str::<String>(json) {
        Ok(text) => text.lines().map(printable).collect(),
        Err(_) => vec![cell(json).0],
    }
}

/// Where items take several lines each, a dash says where one begins.
fn of_items(items: &[Vec<String>]) -> Vec<String> {
    if items.iter().all(|lines| lines.len() == 1) {
        return items.concat();
    }
    let marked = |(place, line): (usize, &String)| format!("{} {line}", if place == 0 { "-" } else { " " });
    items.iter().flat_map(|lines| lines.iter().enumerate().map(marked)).collect()
}

fn of_members(members: &[(String, Box<RawValue>)]) -> Vec<String> {
    let short: Vec<Option<String>> = members.iter().map(|(_, value)| in_line(value)).collect();
    let widths = members.iter().zip(&short).filter(|(_, short)| short.is_some());
    let width = widths.map(|((name, _), _)| printable(name).chars().count()).max().unwrap_or(0);
    let mut written = Vec::new();
    for ((name, value), short) in members.iter().zip(short) {
        let name = printable(name);
        match short {
            Some(line) => written.push(format!("{name:<width$}  {line}").trim_end().to_owned()),
            None => {
                written.push(name);
                written.extend(lines(value).iter().map(|line| format!("  {line}")));
            }
        }
    }
    written
}

/// A value in one line, if nothing within it has members of its own, and it is not too long to be found through.
fn in_line(value: &RawValue) -> Option<String> {
    let json = value.get();
    let line = if let Ok(items) = serde_json::from_str::<Vec<Box<RawValue>>>(json) {
        // Among others nothing would not be seen.
        let texts = items.iter().map(|item| if item.get() == "null" { Some("NULL".to_owned()) } else { alone(item) });
        texts.collect::<Option<Vec<_>>>()?.join(", ")
    } else if let Ok(Row(members)) = serde_json::from_str(json) {
        let member = |(name, value): &(String, Box<RawValue>)| {
            Some(format!("{} {}", printable(name), alone(value)?).trim_end().to_owned())
        };
        members.iter().map(member).collect::<Option<Vec<_>>>()?.join(", ")
    } else {
        return alone(value);
    };
    (line.chars().count() <= LINE_MAX).then_some(line)
}

/// A value without members; none of a text of several lines.
fn alone(value: &RawValue) -> Option<String> {
    let json = value.get();
    let (has_members, is_text) = (json.starts_with(['{', '[']), json.starts_with('"'));
    let is_empty = has_members && json[1..json.len() - 1].trim().is_empty();
    match (has_members, is_text) {
        (true, _) => is_empty.then(String::new),
        (false, true) if serde_json::from_str::<String>(json).is_ok_and(|text| text.trim_end().contains('\n')) => None,
        (false, _) if json == "null" => Some("-".to_owned()),
        (false, _) => Some(cell(json).0),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use expect_test::{Expect, expect};

    use super::*;

    fn check(item: &str, expect: Expect) {
        let freshness = r#"{"state":"live","lagEvents":0,"lagSeconds":0.0,"positions":{"orders":7}}"#;
        let mut out = Vec::new();
        show_item(&format!(r#"{{"item":{item},"freshness":{freshness}}}"#), &mut out).unwrap();
        expect.assert_eq(&String::from_utf8(out).unwrap());
    }

    #[test]
    fn an_item_has_a_line_a_member_and_one_for_each_of_several_values() {
        check(
            r#"{"name":"customers","rows":12,"columns":[{"name":"id","nullable":true},{"name":"n","nullable":false}],
            "key":["id"],"error":null,"operators":[],"positions":{"orders":7}}"#,
            expect![[r"
                name       customers
                rows       12
                columns    name id, nullable true
                           name n, nullable false
                key        id
                error      -
                operators
                positions  orders 7
                live, 0 events behind (0.0 s); orders at 7
            "]],
        );
    }

    #[test]
    fn what_is_nested_is_below_its_name_and_texts_keep_their_lines() {
        check(
            r#"{"sql":"SELECT a\nFROM orders.placed","build":{"generation":2,"state":"shadowing",
            "sources":{"orders":{"position":7,"target":9},"bills":{"position":1,"target":1}},
            "comparison":{"equal":false,"notCompared":["a","b"],"differences":[
                {"key":"1\u001b[2J","difference":"otherwise","columns":{"total":["1.50",null]}},
                {"key":"2","difference":"gone"}]}}}"#,
            expect![[r"
                sql    SELECT a
                       FROM orders.placed
                build  generation  2
                       state       shadowing
                       sources
                         orders  position 7, target 9
                         bills   position 1, target 1
                       comparison
                         equal        false
                         notCompared  a, b
                         differences
                           - key         1\u{1b}[2J
                             difference  otherwise
                             columns
                               total  1.50, NULL
                           - key 2, difference gone
                live, 0 events behind (0.0 s); orders at 7
            "]],
        );
    }

    #[test]
    fn what_would_be_a_long_line_has_a_line_a_member() {
        let long = "x".repeat(LINE_MAX);
        check(
            &format!(r#"{{"build":{{"state":"failed","message":"{long}"}}}}"#),
            expect![[r"
                build  state    failed
                       message  xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
                live, 0 events behind (0.0 s); orders at 7
            "]],
        );
    }
}
