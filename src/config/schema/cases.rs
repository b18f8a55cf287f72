//! Documents of files that end in `.test.yaml`: the cases that `readside test` runs.

use serde_json::{Value, json};

use super::shape::{anything, mapping, may, names, need, text, with};

pub(super) fn case() -> Value {
    mapping([
        need("case", text(), "What holds, in words: `a cancelled order brings nothing`."),
        may("clock", time(), "Now, and when events were published that do not say it: `2026-12-31T23:59:59Z`."),
        need("given", list(event()), "The events. Each way in which they can come has to give the same."),
        need("then", then(), "What is there in the end. `readside test --accept` writes it down."),
    ])
}

fn event() -> Value {
    let event = mapping([
        need("source", text(), "The source that it comes from."),
        may("subject", anything(), "The subject of its message."),
        may("headers", anything(), "The headers of its message."),
        may("data", anything(), "Its payload."),
        may("data_base64", anything(), "Its payload, where that is no JSON."),
        may("text", scalar(), "Its payload as a text, which need not be JSON: what a line of a file would be."),
        may("published_at", time(), "When it was published: `2026-12-31T23:59:59Z`."),
    ]);
    let both = |one: &str, other: &str| json!({"required": [one, other]});
    let two = [both("data", "data_base64"), both("data", "text"), both("data_base64", "text")];
    with(event, &json!({"not": {"anyOf": two}}))
}

fn then() -> Value {
    let hits = need("hits", rows(), "The hits, in no particular order.");
    let search = mapping([
        may("query", text(), "What is searched for, in the query language."),
        may("text", text(), "What somebody types."),
        hits,
    ]);
    let search = with(search, &json!({"oneOf": [{"required": ["query"]}, {"required": ["text"]}]}));
    let answer = mapping([
        may(
            "params",
            names(&json!({"type": ["string", "number", "boolean"]})),
            "The values of its parameters; one that is not named has its default.",
        ),
        need("rows", rows(), "All rows; in their order, if the query is sorted."),
    ]);
    mapping([
        may("rows", names(&rows()), "All rows of a table or search index; of each the columns that it names."),
        may("parked", rows(), "All parked events; of each the members that it names."),
        may("search", names(&list(search)), "What a search of an index finds."),
        may("queries", names(&list(answer)), "What a declared query answers."),
        may(
            "freshness",
            names(&names(&anything())),
            "Of the freshness that an answer from a table or search index has, the members that matter: `{totals: {incomplete: true}}`.",
        ),
    ])
}

fn scalar() -> Value {
    json!({"type": ["string", "number", "boolean", "null"]})
}

fn rows() -> Value {
    list(names(&anything()))
}

fn list(items: Value) -> Value {
    json!({"type": "array", "items": items})
}

fn time() -> Value {
    json!({"type": "string", "pattern": "^[0-9]{4}-"})
}
