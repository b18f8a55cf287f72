//! The outcome of a trial as a person reads it.

use std::collections::HashMap;
use std::io::{self, Write};

use crate::cli::query::{Cell, ClientError, cells_of, count, printable, write_table};
use crate::trial::{Change, Outcome, ParkedEvent, THIS_SQL};

/// Parked events that are shown one by one.
const PARKED_SHOWN: usize = 20;

/// Changes or rows, what was parked, and what would be kept.
///
/// # Errors
/// If the output cannot be written.
pub(super) fn show(outcome: &Outcome, out: &mut dyn Write) -> Result<(), ClientError> {
    let names: Vec<String> = outcome.columns.iter().map(|column| column.name.clone()).collect();
    if let Some(changes) = &outcome.changes {
        show_changes(changes, &names, out)?;
        let events: u64 = outcome.events.values().sum();
        writeln!(out, "{} of {} changed rows\n", changes.len(), count(events as usize, "event"))?;
    }
    let rows = outcome.rows.iter().map(|row| cells_of(row.get(), &names)).collect::<Result<Vec<_>, _>>()?;
    write_table(out, &names, &rows)?;
    let events: Vec<String> = outcome
        .events
        .iter()
        .map(|(source, events)| format!("{} of {source}", count(*events as usize, "event")))
        .collect();
    writeln!(out, "{} from {}", count(rows.len(), "row"), events.join(" and "))?;
    for (source, dropped) in &outcome.dropped_late {
        writeln!(out, "left out because they came late: {} of {source}", count(*dropped as usize, "event"))?;
    }
    for (source, why) in &outcome.halted {
        writeln!(out, "\nsource {source} would halt: {}", printable(why))?;
    }
    if let Some(error) = &outcome.error {
        writeln!(out, "\nthe projection would be in error: {}", printable(error))?;
        for wrong in &outcome.row_errors {
            writeln!(out, "  {}: {}: {}", wrong.operator, printable(&wrong.row), printable(&wrong.message))?;
        }
    }
    show_parked(&outcome.parked, out)?;
    writeln!(out)?;
    show_key(outcome, out)?;
    show_state(outcome, out)?;
    Ok(())
}

/// A line a row that came or went.
fn show_changes(changes: &[Change], names: &[String], out: &mut dyn Write) -> Result<(), ClientError> {
    let mut lines: Vec<Vec<Cell>> = Vec::new();
    for Change { source, sequence, added, removed } in changes {
        let signed = removed.iter().map(|row| ("-", row)).chain(added.iter().map(|row| ("+", row)));
        for (place, (sign, row)) in signed.enumerate() {
            // What is of the same event is told once.
            let of_event = match place {
                0 => [(source.to_string(), false), (sequence.to_string(), true)],
                _ => [(String::new(), false), (String::new(), true)],
            };
            let mut line: Vec<Cell> = of_event.into_iter().chain([(sign.to_owned(), false)]).collect();
            line.extend(cells_of(row.get(), names)?);
            lines.push(line);
        }
    }
    let head = ["source", "sequence", ""].map(str::to_owned);
    write_table(out, &head.into_iter().chain(names.iter().cloned()).collect::<Vec<_>>(), &lines)?;
    Ok(())
}

fn show_parked(parked: &[ParkedEvent], out: &mut dyn Write) -> io::Result<()> {
    if parked.is_empty() {
        return Ok(());
    }
    if parked.len() > PARKED_SHOWN {
        return show_parked_by_reason(parked, out);
    }
    let line = |one: &ParkedEvent| -> Vec<Cell> {
        let text = |text: Option<&str>| (text.map(printable).unwrap_or_default(), false);
        vec![
            text(Some(&one.source)),
            (one.sequence.to_string(), true),
            text(one.event_type.as_deref()),
            text(one.projection.as_deref()),
            text(Some(one.reason)),
            text(one.pointer.as_deref()),
            text(Some(&one.detail)),
        ]
    };
    writeln!(out)?;
    let names = ["source", "sequence", "type", "projection", "reason", "pointer", "detail"].map(str::to_owned);
    write_table(out, &names, &parked.iter().map(line).collect::<Vec<_>>())?;
    writeln!(out, "{} parked", count(parked.len(), "event"))
}

/// Thousands are parked for few reasons: each is told once, with the first event of it.
fn show_parked_by_reason(parked: &[ParkedEvent], out: &mut dyn Write) -> io::Result<()> {
    let mut alike: Vec<(&ParkedEvent, usize)> = Vec::new();
    let mut places = HashMap::new();
    for one in parked {
        let ParkedEvent { source, event_type, projection, reason, pointer, .. } = one;
        let place = *places.entry((source, event_type, projection, reason, pointer)).or_insert(alike.len());
        match alike.get_mut(place) {
            Some((_, events)) => *events += 1,
            None => alike.push((one, 1)),
        }
    }
    let line = |(first, events): &(&ParkedEvent, usize)| -> Vec<Cell> {
        let text = |text: Option<&str>| (text.map(printable).unwrap_or_default(), false);
        vec![
            (events.to_string(), true),
            text(Some(&first.source)),
            text(first.event_type.as_deref()),
            text(first.projection.as_deref()),
            text(Some(first.reason)),
            text(first.pointer.as_deref()),
            (first.sequence.to_string(), true),
            text(Some(&first.detail)),
        ]
    };
    writeln!(out)?;
    let names =
        ["events", "source", "type", "projection", "reason", "pointer", "first", "its detail"].map(str::to_owned);
    write_table(out, &names, &alike.iter().map(line).collect::<Vec<_>>())?;
    writeln!(out, "{} parked; --json has each", count(parked.len(), "event"))
}

fn show_key(outcome: &Outcome, out: &mut dyn Write) -> io::Result<()> {
    if outcome.rows_may_repeat {
        return writeln!(
            out,
            "no key: nothing proves that its rows differ; a table needs `key: […]`, or `duplicates: {{count: copies}}` where \
             equal rows are meant"
        );
    }
    let key = outcome.key.join(", ");
    match (outcome.key_proven, outcome.key.is_empty()) {
        (true, true) => writeln!(out, "there is one row at the most, whatever the events"),
        (true, false) => writeln!(out, "key: [{key}], which no two rows can share"),
        (false, _) => writeln!(out, "key: [{key}], of which it is not proven that no two rows share it"),
    }
}

fn show_state(outcome: &Outcome, out: &mut dyn Write) -> io::Result<()> {
    let state = &outcome.state;
    writeln!(out, "state: {} for {} and the operators", bytes(state.bytes), count(state.rows as usize, "row"))?;
    for operator in &state.operators {
        let Some(grows_with) = operator.grows_with else { continue };
        let kept = format!("{} in {}", bytes(operator.bytes), count(operator.rows as usize, "row"));
        let shared = match operator.shared_with.as_slice() {
            [] => String::new(),
            others => format!(", shared with `{}`", others.join("`, `")),
        };
        writeln!(out, "  {} keeps {kept}, which grow with {grows_with}{shared}", operator.name)?;
    }
    if !outcome.reads.is_empty() {
        writeln!(out, "computed beside {THIS_SQL}, because it is read: {}", outcome.reads.join(", "))?;
    }
    Ok(())
}

fn bytes(bytes: u64) -> String {
    match bytes {
        0..1_024 => format!("{bytes} B"),
        1_024..1_048_576 => format!("{} KiB", bytes >> 10),
        _ => format!("{} MiB", bytes >> 20),
    }
}
