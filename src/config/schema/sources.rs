//! Documents that begin with `source`.

use serde_json::{Value, json};

use super::shape::{
    any_of, choice, data_type, described, duration, flag, identifier, integer, mapping, may, names, need, pattern,
    text, texts, with,
};
use crate::config::LineFormat;
use crate::event::TimestampFormat;

pub(super) fn source() -> Value {
    let source = mapping([
        need("source", identifier(), "The name of the source, and of its schema in SQL: `orders.order_placed`."),
        may("jetstream", jetstream(), "Reads a stream of JetStream."),
        may("file", file(), "Reads a file with a line an event."),
        need("envelope", envelope(), "Where each fact of an event is: its type, version, id, key, time and payload."),
        may(
            "naming",
            choice(["as_written", "camelCase"]),
            "`as_written` (the default): a column reads the member of its name. `camelCase`: the column `customer_id` reads the member `customerId`.",
        ),
        may(
            "event_time",
            event_time(),
            "How far the times of events may be behind or ahead, and what becomes of those that are.",
        ),
        may(
            "unknown_events",
            choice(["park", "ignore", "halt"]),
            "What becomes of events whose type is not declared: they are parked (the default), ignored, or halt the source.",
        ),
        may(
            "newer_version",
            choice(["park", "read_as_latest"]),
            "What becomes of events of a version above the declared one: they are parked (the default), or read as the latest one.",
        ),
        may("types", names(&names(&field())), "Named types for fields: `Line: {sku: string!, qty: int64!}`."),
        need(
            "events",
            with(names(&event()), &json!({"minProperties": 1})),
            "The event types. Each is a relation in SQL, and `events` is that of all.",
        ),
    ]);
    with(source, &json!({"oneOf": [{"required": ["jetstream"]}, {"required": ["file"]}]}))
}

fn jetstream() -> Value {
    mapping([
        need("stream", text(), "The name of the stream. Work-queue and interest retention are refused."),
        may(
            "filter_subjects",
            texts(),
            "The subjects that are read, all by default. No two may let the same subject through: `[\"orders.>\"]`.",
        ),
    ])
}

fn file() -> Value {
    mapping([
        need("path", text(), "The file, from the folder of the root file."),
        may("follow", flag(), "Wait for more lines at the end (`false` by default)."),
        may(
            "lines",
            choice(LineFormat::ALL.map(|(name, _)| name)),
            "What a line is: a `message` with `subject`, `headers`, `data` and `published_at`, a `payload`, or a CloudEvent in structured mode (`cloudevents`). `auto` (the default): a message if it has no other members, else a payload.",
        ),
    ])
}

fn envelope() -> Value {
    let matched = || {
        mapping([
            need("at", place_without_stream(), "The place."),
            need(
                "match",
                text(),
                "A regular expression with the group `(?<type>…)` or `(?<version>…)`. One pattern may give both.",
            ),
        ])
    };
    let timed = mapping([
        need("at", place(), "The place."),
        need(
            "format",
            any_of([json!({"enum": TimestampFormat::ALL.map(|(name, _)| name)}), pattern("%")]),
            "How the time is written: a named format, or a pattern such as `%d.%m.%Y %H:%M %z`.",
        ),
        may("zone", text(), "The zone, where the format says none: `UTC`, `Europe/Berlin` or `+01:00`."),
    ]);
    let facts = mapping([
        may("type", one_or_more(any_of([place_without_stream(), matched()])), "Where the type of an event is."),
        may(
            "version",
            one_or_more(any_of([place_without_stream(), matched()])),
            "Where its version is; 1 if there is none.",
        ),
        may("id", one_or_more(place()), "Where its id is; `stream` for the sequence."),
        may("key", one_or_more(place()), "Where the key is that events of one thing share; `stream` for the subject."),
        may(
            "time",
            one_or_more(any_of([place(), timed])),
            "When it happened; the publish time if there is none. Without a format RFC 3339, or milliseconds since 1970.",
        ),
        may("data", pattern("^body$|^body:"), "Where the payload is: `body` (the default), or `body:/pointer`."),
    ]);
    // The pattern of a version may give the type too.
    let with_type = json!({
        "type": "object",
        "properties": {"match": {"pattern": r"\(\?P?<type>|\$\{"}},
        "required": ["match"],
    });
    let of_version = any_of([with_type.clone(), json!({"type": "array", "contains": with_type})]);
    let both = json!({"properties": {"version": of_version}, "required": ["version"]});
    with(facts, &json!({"anyOf": [{"required": ["type"]}, both]}))
}

const PLACES: &str =
    "`header:NAME`, `subject:N` (from 1), `body:/pointer`, `stream` (JetStream's own) or `const:VALUE`.";

fn place() -> Value {
    described(pattern("^(header|subject|body|const):|^(body|stream)$"), PLACES)
}

/// The stream knows neither type nor version.
fn place_without_stream() -> Value {
    described(
        pattern("^(header|subject|body|const):|^body$"),
        "`header:NAME`, `subject:N` (from 1), `body:/pointer` or `const:VALUE`.",
    )
}

/// Of several places the first present one counts.
fn one_or_more(place: Value) -> Value {
    any_of([place.clone(), json!({"type": "array", "items": place, "minItems": 1})])
}

fn event_time() -> Value {
    mapping([
        may(
            "lateness",
            duration(),
            "The watermark is the greatest event time minus this. Events behind it have `_late`.",
        ),
        may(
            "late",
            choice(["correct", "drop"]),
            "What becomes of events behind the watermark: they `correct` results (the default), or `drop`: they are counted and left out, so that windows of event time can close.",
        ),
        may(
            "max_ahead",
            duration(),
            "An event time further beyond the publish time is parked (`1h` by default): one wrong clock would move the watermark past all other events.",
        ),
        may(
            "unreadable",
            choice(["park", "use_publish_time"]),
            "What becomes of an event whose time cannot be read: it is parked (the default), or has its publish time.",
        ),
    ])
}

fn event() -> Value {
    let version = integer(1, Some(u64::from(u32::MAX) - 1));
    mapping([
        may("version", version, "The current version (1 by default). It is raised when the payload changes."),
        need("fields", names(&field()), "The columns of the current version: `name: type`."),
        may(
            "sensitive",
            texts(),
            "The columns of the current version, or paths into their structs, that are sensitive: `[email, address.street]`. Wherever they come out of a projection, a mask or a policy has to hide them.",
        ),
        may(
            "history",
            with(names(&past_version()), &json!({"propertyNames": {"pattern": r"^\+?0*[1-9][0-9]*$"}})),
            "Past versions, each by its difference to the next one, without a gap.",
        ),
        may("table", text(), "The name of its relation in SQL; from the name of the type by default."),
    ])
}

fn past_version() -> Value {
    let step = names(&any_of([text(), json!({"const": null})]));
    mapping([
        may(
            "fields",
            names(&field()),
            "Only what differs from the next version: the columns that were of another type, and `none` for those that did not exist yet.",
        ),
        may(
            "to_next",
            mapping([may(
                "set",
                step,
                "Columns of the next version as SQL over those of this one: `total: cents / 100.0`.",
            )]),
            "How an event is brought to the next version. Columns of equal name and type carry over.",
        ),
    ])
}

/// A field of an event or of a named type.
fn field() -> Value {
    let long = mapping([
        need("type", data_type(), "The type; `!` behind it means required."),
        may(
            "from",
            text(),
            "A JSON pointer from the payload's root, where the column does not read the member of its name.",
        ),
        may(
            "format",
            choice(TimestampFormat::ALL.map(|(name, _)| name)),
            "How a timestamp is written (`rfc3339` by default).",
        ),
    ]);
    let about = "`string`, `bool`, `int32`, `int64`, `float32`, `float64`, `date`, `timestamp`, `json`, `\"decimal(18,2)\"`, `list<T>`, `\"map<string,T>\"`, `\"struct<name: T, …>\"` or a named type; `!` behind it means required.";
    described(any_of([data_type(), long]), about)
}
