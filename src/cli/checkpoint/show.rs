//! Checkpoints as a person and as a program reads them.

use std::io::{self, Write};

use chrono::{DateTime, SecondsFormat};
use serde_json::{Value, json};

use crate::checkpoint::{Found, Inspected, Manifest};
use crate::cli::print;
use crate::cli::query::{Cell, count, write_table};

pub(super) fn show_list(found: &[Found], out: &mut dyn Write) -> io::Result<()> {
    let names = ["checkpoint", "made", "epoch", "size", "cut", "projections"].map(str::to_owned);
    let rows: Vec<Vec<Cell>> = found.iter().map(row).collect();
    write_table(out, &names, &rows)
}

fn row(found: &Found) -> Vec<Cell> {
    let text = |text: String| (text, false);
    let number = |number: u64| (number.to_string(), true);
    let problem = |of: u64, problem: String| {
        vec![
            number(of),
            text(problem),
            text(String::new()),
            text(String::new()),
            text(String::new()),
            text(String::new()),
        ]
    };
    match found {
        Found::Whole(manifest) => vec![
            number(manifest.number),
            text(made_at(manifest)),
            number(manifest.epoch),
            text(amount(bytes(manifest))),
            text(cut(manifest)),
            text(manifest.content.generations.keys().cloned().collect::<Vec<_>>().join(" ")),
        ],
        Found::Damaged(damage) => problem(damage.manifest, format!("damaged: {}", damage.problem)),
        Found::OtherVersion { number, version } => {
            problem(*number, format!("format version {version}, which this build does not read"))
        }
    }
}

/// What a program is told of a checkpoint.
pub(super) fn described(found: &Found) -> Value {
    let manifest = match found {
        Found::Whole(manifest) => manifest,
        Found::Damaged(damage) => {
            return json!({"number": damage.manifest, "state": "damaged", "object": damage.object, "problem": damage.problem});
        }
        Found::OtherVersion { number, version } => {
            return json!({"number": number, "state": "other-version", "version": version});
        }
    };
    let sources = manifest.content.sources.iter();
    let positions: serde_json::Map<String, Value> =
        sources.map(|(name, source)| (name.to_string(), json!(source.covered))).collect();
    let generations =
        manifest.content.generations.iter().flat_map(|(name, entries)| entries.iter().map(move |one| (name, one)));
    let disk = manifest.disk_bytes();
    let projections: Vec<Value> = generations
        .map(|(name, one)| {
            let (generation, state) = (one.generation, one.state.label());
            json!({"name": name, "generation": generation, "state": state, "kind": one.kind, "bytes": disk.of(name, generation)})
        })
        .collect();
    let size = manifest.bytes();
    json!({
        "number": manifest.number,
        "state": "readable",
        "madeAt": made_at(manifest),
        "writer": manifest.writer,
        "epoch": manifest.epoch,
        "revision": manifest.content.revision,
        "positions": positions,
        "bytes": {"stores": size.stores, "indexes": size.indexes},
        "projections": projections,
    })
}

pub(super) fn show_inspected(inspected: &Inspected) {
    let Inspected { number, objects, bytes, damage } = inspected;
    if damage.is_empty() {
        let objects = count(usize::try_from(*objects).unwrap_or(usize::MAX), "object");
        print::line(format_args!("checkpoint {number} is whole: {objects}, {}", amount(*bytes)));
    }
    damage.iter().for_each(print::line);
}

pub(super) fn to_json(inspected: &Inspected) -> Value {
    let damage = inspected.damage.iter().map(|one| json!({"object": one.object, "problem": one.problem}));
    json!({
        "number": inspected.number,
        "objects": inspected.objects,
        "bytes": inspected.bytes,
        "damage": damage.collect::<Vec<_>>(),
    })
}

/// As people read an amount.
pub(super) fn amount(bytes: u64) -> String {
    if bytes < 1 << 20 {
        return format!("{} KiB", bytes.div_ceil(1 << 10));
    }
    let tenths = (bytes * 10).div_ceil(1 << 20);
    format!("{}.{} MiB", tenths / 10, tenths % 10)
}

fn bytes(manifest: &Manifest) -> u64 {
    let bytes = manifest.bytes();
    bytes.stores + bytes.indexes
}

fn made_at(manifest: &Manifest) -> String {
    let at = DateTime::from_timestamp_micros(manifest.content.created_at_us).unwrap_or_default();
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

fn cut(manifest: &Manifest) -> String {
    let sources = manifest.content.sources.iter();
    sources.map(|(name, source)| format!("{name}:{}", source.covered)).collect::<Vec<_>>().join(" ")
}
