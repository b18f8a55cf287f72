//! The document as it grows: the fixed routes from the files beside this one, then an operation for each relation and query, and at last
//! the errors of all of them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use serde_json::{Map, Value, json};

use super::problems::{answers, kinds};
use crate::query::Streams;
use crate::serve::auth::Ways;
use crate::serve::formats::Format;

type Members = Map<String, Value>;

const DESCRIPTION: &str = "The read side of an event-driven system: tables, search indexes and views that are kept up to date from event \
streams. Every answer of rows says in `freshness` how fresh it is. `HEAD` goes wherever `GET` does; a parameter that is unknown or given twice \
is a 400.";

/// What any route may answer before it is asked: the status, and where it is described.
const HEAD_TOO_LARGE: (&str, &str) = ("431", "#/components/responses/headTooLarge");

/// The groups that operations are in.
const TAGS: [(&str, &str); 7] = [
    ("rows", "Rows of relations, of declared queries and of SQL"),
    ("search", "Documents of search projections"),
    ("state", "What there is, how it is doing, and what was done to it"),
    ("administration", "What administrators ask a running daemon to do"),
    ("health", "Whether the daemon lives and serves"),
    ("description", "This document"),
    ("console", "A page for people"),
];

/// The files, read once. A test says that they can be read.
static FIXED: LazyLock<Result<Document, String>> = LazyLock::new(|| {
    let read = |text: &str| serde_yaml::from_str(text).map_err(|error| error.to_string());
    Ok(Document { paths: read(include_str!("paths.yaml"))?, components: read(include_str!("components.yaml"))? })
});

/// Paths and components that refer to one another.
#[derive(Debug, Clone)]
pub(super) struct Document {
    /// The operations of each path, by method.
    paths: BTreeMap<String, Members>,
    /// By kind and name.
    components: BTreeMap<String, Members>,
}

impl Document {
    /// The routes that every daemon has.
    ///
    /// # Errors
    /// Where the files are none of a document.
    pub(super) fn of_fixed_routes() -> Result<Self, String> {
        FIXED.clone()
    }

    /// The operation of a fixed route, to be made one of a single relation or query; its own paths come before those of all.
    pub(super) fn operation(&self, path: &str, method: &str) -> Operation {
        let operation = self.paths.get(path).and_then(|operations| operations.get(method)).and_then(Value::as_object);
        Operation(operation.cloned().unwrap_or_default())
    }

    pub(super) fn add(&mut self, path: String, method: &str, operation: Operation) {
        self.paths.entry(path).or_default().insert(method.to_owned(), operation.0.into());
    }

    /// Adds a schema, and gives what refers to it.
    pub(super) fn add_schema(&mut self, name: &str, schema: Value) -> Value {
        self.component("schemas").insert(name.to_owned(), schema);
        json!({"$ref": format!("#/components/schemas/{name}")})
    }

    /// The schema of an answer of any relation, with rows of one at `place` in it, a JSON pointer.
    pub(super) fn schema_with(&self, name: &str, place: &str, row: &Value) -> Value {
        let known = self.components.get("schemas").and_then(|schemas| schemas.get(name));
        let mut schema = known.cloned().unwrap_or_default();
        if let Some(rows) = schema.pointer_mut(place) {
            *rows = row.clone();
        }
        schema
    }

    /// Says which names there are in `minPosition`: those of sources and of their streams.
    pub(super) fn name_positions(&mut self, streams: &Streams) {
        let names = streams.0.iter().flat_map(|(source, stream)| [Some(&**source), stream.as_deref()]).flatten();
        let names: BTreeSet<String> = names.map(literal).collect();
        if names.is_empty() {
            return;
        }
        let one = format!("({}):[0-9]{{1,19}}", names.into_iter().collect::<Vec<_>>().join("|"));
        let positions = json!({"type": "string", "pattern": format!("^{one}(,{one})*$")});
        self.add_schema("Positions", positions);
    }

    fn component(&mut self, kind: &str) -> &mut Members {
        self.components.entry(kind.to_owned()).or_default()
    }

    /// The whole document. `ways`: how callers say who they are.
    ///
    /// # Errors
    /// Where an operation has errors of a group that there is not.
    pub(super) fn finished(mut self, ways: Ways) -> Result<Value, String> {
        let mut paths = std::mem::take(&mut self.paths);
        for (path, operations) in &mut paths {
            for operation in operations.values_mut().filter_map(Value::as_object_mut) {
                self.give_errors(path, operation)?;
            }
        }
        for answer in self.component("responses").values_mut().filter_map(Value::as_object_mut) {
            if let Some(Value::String(schema)) = answer.remove("x-rows") {
                answer.insert("content".to_owned(), rows(&json!({"$ref": format!("#/components/schemas/{schema}")})));
            }
        }
        let security = self.give_security(ways);
        let tags: Vec<Value> = TAGS.iter().map(|(name, text)| json!({"name": name, "description": text})).collect();
        let mut document = json!({
            "openapi": "3.1.0",
            "info": {"title": "Readside", "version": env!("CARGO_PKG_VERSION"), "description": DESCRIPTION},
            "tags": tags,
            "paths": paths,
            "components": self.components,
        });
        if let Some(security) = security {
            document["security"] = security;
        }
        Ok(document)
    }

    fn give_errors(&mut self, path: &str, operation: &mut Members) -> Result<(), String> {
        let groups = operation.remove("x-problems").unwrap_or_default();
        let groups: Vec<&str> = groups.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let kinds = kinds(path, &groups, !operation.contains_key("security"))?;
        let Some(own) = operation.get_mut("responses").and_then(Value::as_object_mut) else { return Ok(()) };
        own.insert(HEAD_TOO_LARGE.0.to_owned(), json!({"$ref": HEAD_TOO_LARGE.1}));
        for (status, (name, answer)) in answers(kinds) {
            own.entry(status.to_string()).or_insert_with(|| json!({"$ref": format!("#/components/responses/{name}")}));
            self.component("responses").entry(name).or_insert(answer);
        }
        Ok(())
    }

    /// What one of has to be shown, as far as anything has.
    fn give_security(&mut self, ways: Ways) -> Option<Value> {
        let mut asked = Vec::new();
        let schemes = self.component("securitySchemes");
        if ways.tokens {
            let text = "A token of the daemon's own, or a JSON Web Token of an issuer that it trusts";
            schemes.insert("token".to_owned(), json!({"type": "http", "scheme": "bearer", "description": text}));
            asked.push(json!({"token": []}));
        }
        if ways.certificates {
            let text = "A certificate by an authority that the listener trusts";
            schemes.insert("certificate".to_owned(), json!({"type": "mutualTLS", "description": text}));
            asked.push(json!({"certificate": []}));
        }
        if asked.is_empty() {
            self.components.remove("securitySchemes");
            return None;
        }
        if ways.anonymous {
            asked.push(json!({}));
        }
        Some(asked.into())
    }
}

/// A text as a pattern that it alone matches: JSON Schema has the patterns of JavaScript, which takes no other escapes.
fn literal(text: &str) -> String {
    let escaped = |char: char| if r"^$\.*+?()[]{}|/".contains(char) { vec!['\\', char] } else { vec![char] };
    text.chars().flat_map(escaped).collect()
}

/// The content of an answer with rows, by media type: `schema` is its JSON.
pub(super) fn rows(schema: &Value) -> Value {
    let of = |format: Format| match format {
        Format::Json => json!({"schema": schema}),
        Format::Lines | Format::Csv => json!({"schema": {"type": "string"}}),
        // Bytes have no type in JSON Schema, and OpenAPI leaves their schema out.
        Format::Arrow => json!({}),
    };
    Format::ALL.into_iter().map(|format| (format.media_type().to_owned(), of(format))).collect::<Members>().into()
}

/// An operation of a fixed route, as it becomes one of a single relation or query.
#[derive(Debug)]
pub(super) struct Operation(Members);

impl Operation {
    /// The names of its parameters in the query string.
    pub(super) fn query_names(&self, document: &Document) -> Vec<String> {
        let parameters = self.0.get("parameters").and_then(Value::as_array).into_iter().flatten();
        let resolved = parameters.map(|parameter| document.resolved(parameter));
        let of_query = resolved.filter(|parameter| parameter["in"] == "query");
        of_query.filter_map(|parameter| parameter["name"].as_str().map(str::to_owned)).collect()
    }

    /// For `name` alone, which is what an id of its own ends with.
    pub(super) fn named(mut self, name: &str, summary: String) -> Self {
        let id = self.0.get("operationId").and_then(Value::as_str).unwrap_or_default();
        let id = format!("{id}_{name}");
        self.0.insert("operationId".to_owned(), id.into());
        self.0.insert("summary".to_owned(), summary.into());
        self.0.remove("description");
        self
    }

    /// Without these parameters, by the names of their components, and with others in front of what stays.
    pub(super) fn parameters(mut self, without: &[&str], mut others: Vec<Value>) -> Self {
        let known = self.0.remove("parameters");
        let left_out: Vec<Value> =
            without.iter().map(|name| json!({"$ref": format!("#/components/parameters/{name}")})).collect();
        let stay = |parameter: &&Value| !left_out.contains(parameter) && parameter["in"] != "path";
        others.extend(known.iter().filter_map(Value::as_array).flatten().filter(stay).cloned());
        self.0.insert("parameters".to_owned(), others.into());
        self
    }

    /// With this content of what it is for.
    pub(super) fn content(mut self, document: &Document, content: Value) -> Self {
        if let Some(answer) = self.0.get_mut("responses").and_then(|answers| answers.get_mut("200")) {
            *answer = document.resolved(answer).clone();
            if let Some(members) = answer.as_object_mut() {
                members.remove("x-rows");
            }
            answer["content"] = content;
        }
        self
    }
}

impl Document {
    /// What a reference to a component means; itself, if it is none.
    fn resolved<'a>(&'a self, value: &'a Value) -> &'a Value {
        let named = value["$ref"].as_str().and_then(|name| name.strip_prefix("#/components/"));
        let found = named.and_then(|name| name.split_once('/'));
        found.and_then(|(kind, name)| self.components.get(kind)?.get(name)).unwrap_or(value)
    }
}
