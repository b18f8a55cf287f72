//! The schemas against the readers, the files that are shipped, and the golden mistakes. A validator of its own judges what they say.
#![allow(clippy::unwrap_used)]

mod examples;
mod judge;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use expect_test::expect_file;
use serde_json::{Map, Value, json};

use self::examples::EXAMPLES;
use self::judge::Judge;
use super::{DocumentKind, schema};
use crate::config::case::cases;
use crate::config::code::Code;
use crate::config::diagnostic::{Diagnostic, Report, Severity};
use crate::config::projection::projection;
use crate::config::query::{policy, query};
use crate::config::reader::NodeReader;
use crate::config::settings::settings;
use crate::config::source::source;
use crate::config::substitute::Values;
use crate::config::yaml::{Data, File, Yaml, parse};

#[test]
fn the_shipped_schema_is_what_the_program_says() {
    let text = serde_json::to_string_pretty(&schema(None)).unwrap();
    expect_file!["../../../schemas/readside.json"].assert_eq(&format!("{text}\n"));
}

#[test]
fn what_is_shipped_is_valid() {
    let folders = ["config", "projections", "tests/nexmark", "tests/checkpoints", "tests/statements/fixture"];
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files: Vec<PathBuf> = folders.iter().flat_map(|folder| files_of(&root.join(folder), "yaml")).collect();
    assert!(files.len() > 30, "{files:?}");
    let texts = files.iter().map(|path| (path.display().to_string(), std::fs::read_to_string(path).unwrap()));
    let examples = EXAMPLES.iter().map(|(kind, text)| (kind.name().to_owned(), (*text).to_owned()));
    let documents: Vec<(String, Value)> = texts
        .chain(examples)
        .flat_map(|(name, text)| documents(&text).into_iter().map(move |document| (name.clone(), document)))
        .collect();
    let Some(judge) = Judge::found() else { return };
    let valid = judge.judge(&schema(None), documents.iter().map(|(_, document)| document));
    let refused = documents.iter().zip(valid).filter(|(_, is_valid)| !is_valid);
    let refused: Vec<String> = refused.map(|((name, document), _)| format!("{name}: {document}")).collect();
    assert!(refused.is_empty(), "{}", refused.join("\n"));
}

/// Whether it is a mistake that a schema sees: of the keys and the kinds of values.
fn is_of_shape(code: Code) -> bool {
    (Code::UnknownKey..=Code::NotAChoice).contains(&code)
}

#[test]
fn golden_mistakes_of_shape_are_seen() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/config");
    let mut mistakes: Vec<(String, Vec<Value>)> = Vec::new();
    for path in files_of(&root, "case") {
        let text = std::fs::read_to_string(&path).unwrap();
        let (input, expected) = text.split_once("\n== expect\n").unwrap();
        let of_shape =
            ["RS0101", "RS0102", "RS0103", "RS0104", "RS0105", "RS0106", "RS0107", "RS0108", "RS0109", "RS0110"];
        let mut errors = expected.lines().filter_map(|line| line.strip_prefix("error["));
        // What a variable holds no schema sees.
        if !errors.any(|error| of_shape.iter().any(|code| error.starts_with(code))) || input.contains("\n== env") {
            continue;
        }
        let files = input.split("\n== ").skip(1).map(|section| section.split_once('\n').unwrap_or_default().1);
        mistakes.push((path.display().to_string(), files.flat_map(documents).collect()));
    }
    assert!(mistakes.len() > 20, "only {}", mistakes.len());
    let Some(judge) = Judge::found() else { return };
    let mut valid = judge.judge(&schema(None), mistakes.iter().flat_map(|(_, documents)| documents)).into_iter();
    let mut missed = Vec::new();
    for (name, documents) in &mistakes {
        let verdicts: Vec<bool> = valid.by_ref().take(documents.len()).collect();
        if verdicts.iter().all(|is_valid| *is_valid) {
            missed.push(name);
        }
    }
    assert!(missed.is_empty(), "{missed:#?}");
}

/// An unknown key is answered with all known ones, so the readers themselves say which keys there are.
#[test]
fn the_keys_are_those_of_the_readers() {
    const UNKNOWN: &str = "qqqqqqqqqqqqqqqqqqqqqqqq";
    for kind in DocumentKind::ALL {
        let mut read: BTreeSet<BTreeSet<String>> = BTreeSet::new();
        for document in examples_of(kind) {
            for pointer in pointers(&document) {
                let mut document = document.clone();
                let Some(node) = document.pointer_mut(&pointer).and_then(Value::as_object_mut) else { continue };
                node.insert(UNKNOWN.to_owned(), json!(1));
                let unknown = format!("unknown key `{UNKNOWN}`");
                let found = problems(kind, &document).into_iter().find(|one| one.message.starts_with(&unknown));
                read.extend(found.map(|found| quoted(found.hint.as_deref().unwrap().split(" takes ").last().unwrap())));
            }
        }
        let mut written = BTreeSet::new();
        key_sets(&schema(Some(kind)), &mut written);
        assert_eq!(written, read, "{}", kind.name());
    }
}

/// The same of choices: a text that is none of them is answered with all.
#[test]
fn the_choices_are_those_of_the_readers() {
    for kind in DocumentKind::ALL {
        let mut read: BTreeSet<BTreeSet<String>> = BTreeSet::new();
        for document in examples_of(kind) {
            for pointer in pointers(&document) {
                let mut document = document.clone();
                *document.pointer_mut(&pointer).unwrap() = json!("qqqqqqqqqqqqqqqqqqqqqqqq");
                for found in problems(kind, &document) {
                    read.extend(found.hint.iter().filter_map(|hint| hint.strip_prefix("it is one of ")).map(quoted));
                }
            }
        }
        let mut written = BTreeSet::new();
        enumerations(&schema(Some(kind)), &mut written);
        // Types and formats are offered, but a text need not be one of them.
        written.retain(|choices| !choices.contains("string"));
        let of_time: BTreeSet<String> =
            read.iter().find(|choices| choices.contains("epoch_s")).cloned().into_iter().flatten().collect();
        written.retain(|choices| of_time.is_empty() || *choices == of_time || !choices.contains("epoch_s"));
        assert_eq!(written, read, "{}", kind.name());
    }
}

/// A variable of the environment.
const UNKNOWN_VALUE: &str = "${NAME}";

/// Each node of the examples is replaced, left out or given a key more: what the schema refuses the readers refuse, and what the
/// readers refuse for its shape the schema refuses.
#[test]
fn schemas_and_readers_agree_on_changed_examples() {
    let Some(judge) = Judge::found() else { return };
    for kind in DocumentKind::ALL {
        let changed: Vec<Value> = examples_of(kind).iter().flat_map(changes).collect();
        let valid = judge.judge(&schema(Some(kind)), &changed);
        let (mut too_strict, mut too_lax, mut refused) = (Vec::new(), Vec::new(), 0);
        for (document, is_valid) in changed.iter().zip(valid) {
            let errors = problems(kind, document);
            refused += usize::from(!is_valid);
            // By the key of its kind a document is known for one of it, so it is not missed later.
            let is_of_kind = kind == DocumentKind::Root || document.get(kind.name()).is_some();
            if !is_valid && is_of_kind && errors.is_empty() {
                too_strict.push(document.to_string());
            }
            // What stands in place of a variable no schema knows.
            let is_known = !document.to_string().contains(UNKNOWN_VALUE);
            if let Some(error) = errors.iter().find(|error| is_known && is_of_shape(error.code)).filter(|_| is_valid) {
                too_lax.push(format!("{}: {document}", error.message));
            }
        }
        assert!(refused > 30, "{}: only {refused} of {} are refused", kind.name(), changed.len());
        let shown = |list: &[String]| list.iter().take(10).cloned().collect::<Vec<_>>().join("\n");
        assert!(too_strict.is_empty(), "{} refuses what is taken:\n{}", kind.name(), shown(&too_strict));
        assert!(too_lax.is_empty(), "{} takes what is refused:\n{}", kind.name(), shown(&too_lax));
    }
}

/// Every key says what it means.
#[test]
fn every_key_is_described() {
    fn undescribed(schema: &Value, at: &str, found: &mut Vec<String>) {
        let is_mapping = schema.get("additionalProperties") == Some(&json!(false));
        let keys = schema.get("properties").and_then(Value::as_object).filter(|_| is_mapping);
        let undescribed_keys = keys.into_iter().flatten().filter(|(_, below)| below.get("description").is_none());
        found.extend(undescribed_keys.map(|(name, _)| format!("{at}/{name}")));
        match schema {
            Value::Object(members) => {
                members.iter().for_each(|(name, below)| undescribed(below, &format!("{at}/{name}"), found))
            }
            Value::Array(items) => items.iter().for_each(|below| undescribed(below, at, found)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    undescribed(&schema(None), "", &mut found);
    assert_eq!(found, [""; 0]);
}

/// All documents of a kind among the examples.
fn examples_of(kind: DocumentKind) -> Vec<Value> {
    let texts = EXAMPLES.iter().filter(|(of, _)| *of == kind).map(|(_, text)| *text);
    let all: Vec<Value> = texts.flat_map(documents).collect();
    for document in &all {
        let found = problems(kind, document);
        assert!(found.is_empty(), "{}: {document}", found[0]);
    }
    all
}

/// What its reader says of a document that is written as JSON, which is YAML. Warnings are no problems.
fn problems(kind: DocumentKind, document: &Value) -> Vec<Diagnostic> {
    let text = document.to_string();
    if kind == DocumentKind::Case {
        return cases("x.test.yaml", &text).err().unwrap_or_default();
    }
    let report = Report::default();
    let file = parsed(&text, &report);
    // Where the context of an example is.
    let values = Values { env: &|_| Some("home".to_owned()), read: &|_| Ok("{}".to_owned()), folder: "" };
    let reader = NodeReader { file: &file, report: &report };
    for yaml in &file.documents {
        match kind {
            DocumentKind::Root => drop(settings(reader, yaml, &values)),
            DocumentKind::Source => drop(source(reader, yaml, 0, "")),
            DocumentKind::Projection => drop(projection(reader, yaml, 0, None)),
            DocumentKind::Query => drop(query(reader, yaml, 0)),
            DocumentKind::Policy => drop(policy(reader, yaml, 0)),
            DocumentKind::Case => {}
        }
    }
    report.into_sorted(&[]).into_iter().filter(|found| found.severity == Severity::Error).collect()
}

/// A variable stands for itself, as an editor sees it.
fn parsed(text: &str, report: &Report) -> File {
    let env = |name: &str| Some(format!("${{{name}}}"));
    parse("x.yaml", text.to_owned(), &Values { env: &env, ..Values::NONE }, report)
}

/// The documents of a file as an editor sees them, as far as they are YAML.
fn documents(text: &str) -> Vec<Value> {
    parsed(text, &Report::default()).documents.iter().map(value).collect()
}

fn value(yaml: &Yaml) -> Value {
    match &yaml.data {
        _ if yaml.is_null() => Value::Null,
        Data::Scalar(scalar) if scalar.style == saphyr_parser::ScalarStyle::Plain => {
            let literal = serde_json::from_str(&scalar.text).ok();
            literal
                .filter(|value: &Value| value.is_number() || value.is_boolean())
                .unwrap_or_else(|| json!(scalar.text))
        }
        Data::Scalar(scalar) => json!(scalar.text),
        Data::List(items) => items.iter().map(value).collect(),
        Data::Mapping(entries) => {
            Value::Object(entries.iter().map(|entry| (entry.name.clone(), value(&entry.value))).collect::<Map<_, _>>())
        }
    }
}

/// The JSON pointers of all nodes but those that are the user's own.
fn pointers(value: &Value) -> Vec<String> {
    let below: Vec<(String, &Value)> = match value {
        Value::Object(members) => {
            let own = members.iter().filter(|(name, _)| !name.starts_with("x-"));
            own.map(|(name, below)| (name.replace('~', "~0").replace('/', "~1"), below)).collect()
        }
        Value::Array(items) => items.iter().enumerate().map(|(index, below)| (index.to_string(), below)).collect(),
        _ => Vec::new(),
    };
    let below = below
        .into_iter()
        .flat_map(|(name, below)| pointers(below).into_iter().map(move |pointer| format!("/{name}{pointer}")));
    std::iter::once(String::new()).chain(below).collect()
}

fn changes(document: &Value) -> Vec<Value> {
    let instead = [
        json!(null),
        json!(true),
        json!(0),
        json!(1.5),
        json!("some words"),
        json!(""),
        json!("10s"),
        json!("0s"),
        json!(UNKNOWN_VALUE),
        json!([]),
        json!(["word"]),
        json!({}),
        json!({"word": "word"}),
    ];
    let mut changed = Vec::new();
    for pointer in pointers(document) {
        for value in &instead {
            let mut document = document.clone();
            *document.pointer_mut(&pointer).unwrap() = value.clone();
            changed.push(document);
        }
        let mut more = document.clone();
        if let Some(node) = more.pointer_mut(&pointer).and_then(Value::as_object_mut) {
            node.insert("word".to_owned(), json!("word"));
            changed.push(more);
        }
        let mut less = document.clone();
        let (above, name) = pointer.rsplit_once('/').unwrap_or_default();
        let name = name.replace("~1", "/").replace("~0", "~");
        if let Some(node) = less.pointer_mut(above).and_then(Value::as_object_mut)
            && node.remove(&name).is_some()
        {
            changed.push(less);
        }
    }
    changed
}

/// The names in "`a`, `b` and `c`".
fn quoted(text: &str) -> BTreeSet<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The keys of each mapping that takes no others.
fn key_sets(schema: &Value, found: &mut BTreeSet<BTreeSet<String>>) {
    if schema.get("additionalProperties") == Some(&json!(false)) {
        found.extend(schema["properties"].as_object().map(|keys| keys.keys().cloned().collect()));
    }
    each(schema, &mut |below| key_sets(below, found));
}

fn enumerations(schema: &Value, found: &mut BTreeSet<BTreeSet<String>>) {
    let texts = |values: &Vec<Value>| values.iter().filter_map(Value::as_str).map(str::to_owned).collect();
    found.extend(schema.get("enum").and_then(Value::as_array).map(texts));
    each(schema, &mut |below| enumerations(below, found));
}

fn each(value: &Value, visit: &mut dyn FnMut(&Value)) {
    match value {
        Value::Object(members) => members.values().for_each(visit),
        Value::Array(items) => items.iter().for_each(visit),
        _ => {}
    }
}

/// The files of a folder at any depth.
fn files_of(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        match entry.path() {
            path if path.is_dir() => found.extend(files_of(&path, ending)),
            path if path.extension().is_some_and(|end| end == ending) => found.push(path),
            _ => {}
        }
    }
    found.sort();
    found
}
