//! Documents that begin with `projection`, `query` or `policy`.

use serde_json::{Value, json};

use super::shape::{
    any_of, bytes, choice, count, data_type, described, duration, flag, identifier, integer, interval, mapping, may,
    names, need, pattern, promotion, text, texts, with,
};
use crate::config::search_fields::{
    DIMENSIONS_MAX, DISTANCES, GROUP_MAX, STOP_WORDS, STOP_WORDS_MAX, TOKENIZERS, WEIGHT_MAX,
};

pub(super) fn projection() -> Value {
    let projection = mapping([
        need("projection", identifier(), "The name of the projection, and of its table in SQL."),
        may(
            "kind",
            choice(["table", "search", "view"]),
            "`table` (the default) and `search` are kept with every commit; a `view` is computed for each query over other projections.",
        ),
        may("owner", text(), "Who answers for it; shown in status."),
        need(
            "sql",
            text(),
            "One SELECT over the relations of sources and over other projections. Best as a block: `sql: |`.",
        ),
        may(
            "key",
            texts(),
            "The columns that tell its rows apart; `[]` for a table of one row. What the SQL does not prove is checked with every commit. Without it the SQL has to prove one.",
        ),
        may(
            "duplicates",
            duplicates(),
            "Tables without a key only: what becomes of rows that are equal in all columns.",
        ),
        may(
            "indexes",
            indexes(),
            "Tables only: lists of columns for filters and sorting: `[[tenant_id, revenue], [email]]`.",
        ),
        may("columns", names(&data_type()), "The contract: these columns have to come out with exactly this type."),
        may(
            "freshness",
            freshness(),
            "What is promised of its freshness, and what becomes of answers from a source that is catching up, disconnected or halted.",
        ),
        may(
            "fields",
            with(names(&search_field()), &json!({"minProperties": 1})),
            "Search only: how columns are indexed. Those that are not named are only stored.",
        ),
        may(
            "synonyms",
            synonyms(),
            "Search only: words or phrases that mean the same in free text: `[[parcel, package]]`.",
        ),
        may(
            "stop_words",
            stop_words(),
            "Search only: words that need not be found in free text: a language, or a list.",
        ),
        may(
            "access",
            access(),
            "Who sees what of its rows; `public`: everybody sees all of them, whatever `auth.require` says.",
        ),
        may(
            "state_limit",
            bytes(),
            "The most bytes of its state in memory (`4GiB` by default); beyond it this projection fails, and nothing else.",
        ),
        may(
            "promotion",
            promotion(),
            "When what was built of it takes the place of what serves: `auto`, `when-equal` (if the rows are the same) or `manual`.",
        ),
        may(
            "keep",
            duration(),
            "For how long the generation that was replaced goes on beside, for an instant rollback; `0s` keeps nothing.",
        ),
    ]);
    with(projection, &json!({"allOf": kinds(), "not": {"required": ["key", "duplicates"]}}))
}

/// Which keys a kind needs, and which mean nothing to it.
fn kinds() -> Vec<Value> {
    let without = |keys: &[&str]| {
        let any: Vec<Value> = keys.iter().map(|key| json!({"required": [key]})).collect();
        json!({"not": {"anyOf": any}})
    };
    let is = |kind: &str| json!({"properties": {"kind": {"const": kind}}, "required": ["kind"]});
    let is_table = json!({"properties": {"kind": {"const": "table"}}});
    let of_view =
        ["key", "duplicates", "indexes", "fields", "synonyms", "stop_words", "state_limit", "promotion", "keep"];
    let search = with(without(&["indexes", "duplicates"]), &json!({"required": ["fields"]}));
    vec![
        json!({"if": is_table, "then": without(&["fields", "synonyms", "stop_words"])}),
        json!({"if": is("search"), "then": search}),
        json!({"if": is("view"), "then": without(&of_view)}),
    ]
}

fn duplicates() -> Value {
    let one = mapping([
        may("count", text(), "One of them stays, and a column of this name says how many there are."),
        may("number", text(), "All of them stay, and a column of this name numbers them from 1."),
    ]);
    with(one, &json!({"minProperties": 1, "maxProperties": 1}))
}

fn indexes() -> Value {
    let columns = json!({"type": "array", "items": text(), "minItems": 1});
    json!({"type": "array", "items": any_of([text(), columns])})
}

fn freshness() -> Value {
    let freshness = mapping([
        may(
            "slo",
            interval(),
            "The longest that something which is stored may be missing: `3s`. Alerts and metrics are measured against it.",
        ),
        may(
            "objective",
            pattern(r"^([1-9][0-9]?(\.[0-9]+)?|0\.[0-9]*[1-9][0-9]*)\s*%$"),
            "In how much of the time `slo` is to be kept (`99%` by default).",
        ),
        may(
            "on_stale",
            choice(["mark", "refuse"]),
            "`mark` (the default): stale answers say so. `refuse`: whoever asks gets an error in their place, and in that of answers older than `slo`.",
        ),
    ]);
    with(freshness, &json!({"dependencies": {"objective": ["slo"]}}))
}

fn search_field() -> Value {
    let types = || choice(["text", "keyword", "stored", "vector"]);
    let long = mapping([
        may(
            "type",
            types(),
            "`text` (split into words), `keyword` (whole values), `vector` (found by nearness), or `stored` (the default).",
        ),
        may(
            "tokenizer",
            choice(TOKENIZERS),
            "`text` only: how it is split into words, and in which language they are stemmed.",
        ),
        may(
            "weight",
            integer(1, Some(WEIGHT_MAX)),
            "Not for `stored` and `vector`: how much a word counts in this column, from 1 (the default) to 100.",
        ),
        may("facet", flag(), "`keyword` only: counted by value (`false` by default)."),
        may("sort", flag(), "Not for `text` and `vector`: can be sorted by (`false` by default)."),
        may("dimensions", integer(1, Some(DIMENSIONS_MAX)), "`vector` only: how many numbers each vector has."),
        may(
            "distance",
            choice(DISTANCES.map(|(name, _)| name)),
            "`vector` only: how far apart two vectors are (`cosine` by default).",
        ),
    ]);
    let is_vector = json!({"properties": {"type": {"const": "vector"}}, "required": ["type"]});
    let long = with(long, &json!({"if": is_vector, "then": {"required": ["dimensions"]}}));
    // A vector has to say its dimensions.
    let short = with(types(), &json!({"not": {"const": "vector"}}));
    described(any_of([short, long]), "How a column is indexed.")
}

fn synonyms() -> Value {
    let group = json!({"type": "array", "items": text(), "minItems": 2, "maxItems": GROUP_MAX});
    json!({"type": "array", "items": group})
}

fn stop_words() -> Value {
    any_of([choice(STOP_WORDS), json!({"type": "array", "items": text(), "maxItems": STOP_WORDS_MAX})])
}

fn access() -> Value {
    let restricted = mapping([
        may(
            "policies",
            texts(),
            "The policies that decide which rows a reader sees: those for which all of them hold.",
        ),
        may(
            "mask",
            names(&text()),
            "Columns with the SQL that is seen in their place, over the row and the reader's claims.",
        ),
    ]);
    any_of([json!({"const": "public"}), json!({"type": "string", "pattern": r"\$\{"}), restricted])
}

pub(super) fn query() -> Value {
    let parameter = mapping([
        need("type", data_type(), "The type of a single value; `!` behind it means required."),
        may("default", text(), "The value of requests that do not say it."),
    ]);
    let parameters = with(
        names(&described(
            any_of([data_type(), parameter]),
            "The type of a single value; `!` behind it means required.",
        )),
        &json!({"propertyNames": {"pattern": "^[a-z_][a-z0-9_]*$"}}),
    );
    mapping([
        need("query", identifier(), "The name of the query: `GET /v1/queries/NAME`."),
        may("params", parameters, "Its parameters: `name: type`, or `{type, default}`."),
        need("sql", text(), "One SELECT over projections and views, with `$name` for a parameter."),
        may("sort", texts(), "The order of its rows: columns, with `-` before one that descends."),
        may(
            "page",
            mapping([
                may("default", count(), "The rows of a page (50 by default)."),
                may("max", count(), "The most rows of a page that a request may ask for (200 by default)."),
            ]),
            "How many rows an answer has.",
        ),
    ])
}

pub(super) fn policy() -> Value {
    mapping([
        need("policy", identifier(), "The name of the policy, for `access.policies` and `auth.require`."),
        need(
            "row_filter",
            text(),
            "The condition in SQL of the rows that a reader sees, over the row and the reader's claims: `tenant_id = claim('tenant')`.",
        ),
    ])
}
