//! The log: a line for a thing, and each of its fields once.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

use crate::reload::{SIZES, TOTALS, World};

#[test]
fn the_log_has_a_line_for_a_thing_and_a_field_once_in_it() {
    let mut world = World::start(&[TOTALS, SIZES]);
    world.publish_others("Unheard", 3);
    world.daemon().says("\"unknown_type\"");
    // What is built reads the same events once more.
    world.declare(&[&TOTALS.replace("sum(cents)", "max(cents)"), SIZES]);
    assert!(!world.reloaded().is_empty());
    assert_eq!(world.daemon().all_logged("an event is parked").len(), 1);
    std::fs::rename(world.path("events.ndjson"), world.path("away")).unwrap();
    world.daemon().says("\"source disconnected\"");
    for line in world.daemon().all_logged("") {
        assert_eq!(line.matches("\"message\":").count(), 1, "{line}");
        let line: Value = serde_json::from_str(&line).unwrap();
        let parts: BTreeSet<&str> = line.as_object().unwrap().keys().map(String::as_str).collect();
        assert!(parts.is_superset(&["timestamp", "level", "fields"].into()), "{line}");
        assert!(parts.is_subset(&["timestamp", "level", "fields", "span", "spans"].into()), "{line}");
    }
}

/// Those of every line that the program may write, but for `DEBUG`, against the table of the page.
#[test]
fn every_field_of_the_log_is_documented_and_there_is_no_other() {
    let written = written(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    assert!(written.len() > 30, "{written:?}");
    let table = include_str!("../../../docs/logs.md").split("## Fields").nth(1).unwrap();
    let cells = table.lines().filter_map(|line| line.strip_prefix("| `")?.split(" |").next());
    let documented: BTreeSet<String> =
        cells.flat_map(|cell| cell.split(", ").map(|name| name.trim_matches('`').to_owned())).collect();
    assert_eq!(written, documented);
}

static QUOTED: LazyLock<Regex> = LazyLock::new(|| Regex::new(r#"(?s)"(\\.|[^"\\])*""#).unwrap());
static CALL: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"tracing::(?:error|warn|info|info_span)!\(").unwrap());

/// The fields of all lines in the files below a folder.
fn written(folder: &Path) -> BTreeSet<String> {
    let mut fields = BTreeSet::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            fields.extend(written(&path));
        } else {
            let text = std::fs::read_to_string(&path).unwrap();
            // A text may have commas and parentheses, and names no field.
            let text = QUOTED.replace_all(&text, "~").into_owned();
            for call in CALL.find_iter(&text) {
                fields.extend(arguments(&text[call.end()..]).iter().filter_map(|argument| field(argument)));
            }
        }
    }
    fields
}

/// What stands between the commas up to the parenthesis that ends a call.
fn arguments(text: &str) -> Vec<String> {
    let (mut arguments, mut depth) = (vec![String::new()], 0);
    for character in text.chars() {
        match character {
            '(' | '[' | '{' => depth += 1,
            ')' if depth == 0 => break,
            ')' | ']' | '}' => depth -= 1,
            ',' if depth == 0 => arguments.push(String::new()),
            _ => {}
        }
        arguments.last_mut().unwrap().push(character);
    }
    arguments
}

/// The name of a field: `name`, `name = value`, `%name` or `?name`; none of the message.
fn field(argument: &str) -> Option<String> {
    let named = argument.trim_matches([',', ' ', '\n']).trim_start_matches(['%', '?']);
    let name = named.split('=').next()?.trim();
    let is_name = !name.is_empty() && name.chars().all(|character| character.is_ascii_lowercase() || character == '_');
    is_name.then(|| name.to_owned())
}

/// A value that is in every event here.
const SECRET: &str = "hunter2";

#[test]
fn no_line_of_the_log_has_anything_of_an_event() {
    // What cannot be decoded, what a projection cannot take, a group that cannot be computed, two rows of one key, and too many of them.
    let source = "source: orders
file: {path: events.ndjson, follow: true}
envelope: {type: const:Placed, data: body}
events: {Placed: {fields: {customer: string!, at: timestamp, n: int64}}}
";
    let projections = [
        "projection: parks\nkey: [seq]\nsql: SELECT _seq AS seq, CAST(customer AS bigint) AS c FROM orders.placed\n",
        "projection: errs\nkey: [customer]\nsql: SELECT customer, CAST(max(customer) AS bigint) AS c FROM orders.placed GROUP BY customer\n",
        "projection: clashes\nkey: [one]\nsql: SELECT 1 AS one, customer FROM orders.placed\n",
    ];
    let settings = "promotion: auto\nkeep: 0s\nparked: {max_events: 4}\n";
    let world = World::start_empty(&projections, settings, source);
    let good = format!("{{\"customer\":\"{SECRET}\"}}\n").repeat(3);
    let wrong = format!(
        "{{\"customer\":\"{SECRET}\",\"at\":\"{SECRET}\"}}\n{{\"customer\":\"{SECRET}\",\"n\":\"{SECRET}\"}}\n"
    )
    .repeat(3);
    std::fs::write(world.path("events.ndjson"), good.clone() + &good + &wrong).unwrap();
    let daemon = world.daemon();
    for line in ["an event is parked", "\"projection failed\"", "\"source halted\""] {
        daemon.says(line);
    }
    for name in ["errs", "clashes"] {
        daemon.wait(name, crate::support::DEADLINE, |daemon| {
            let told = daemon.all_logged("projection is in error");
            told.iter().any(|line| line.contains(&format!("\"projection\":\"{name}\""))).then_some(())
        });
    }
    // There it is, for those who may see it; the line may be written before the status says it.
    daemon.wait("the status with the value", crate::support::DEADLINE, |daemon| {
        daemon.get("/v1/projections/errs").1.to_string().contains(SECRET).then_some(())
    });
    for line in daemon.all_logged("") {
        assert!(!line.contains(SECRET), "{line}");
    }
}
