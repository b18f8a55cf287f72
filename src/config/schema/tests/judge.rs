//! A validator of JSON Schemas: Python's.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

/// Reads a schema and then documents, each in a line, and says of each document whether it is valid.
const PROGRAM: &str = "
import json, sys
from jsonschema import Draft7Validator
schema = json.loads(sys.stdin.readline())
Draft7Validator.check_schema(schema)
validator = Draft7Validator(schema)
for line in sys.stdin:
    print('valid' if validator.is_valid(json.loads(line)) else 'invalid')
";

pub(super) struct Judge {
    python: PathBuf,
}

impl Judge {
    /// None where there is no such Python and none can be had; CI does not allow that.
    pub(super) fn found() -> Option<Self> {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/json-schema");
        let named = std::env::var("JSON_SCHEMA_PYTHON").ok();
        let python = named.or_else(|| {
            let output = Command::new(script).output().ok().filter(|output| output.status.success())?;
            Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
        });
        let python = python.filter(|python| python != "none");
        if python.is_none() {
            assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "scripts/json-schema finds no validator");
            eprintln!("skipped: scripts/json-schema finds no validator");
        }
        python.map(|python| Judge { python: python.into() })
    }

    /// Whether each document is valid.
    pub(super) fn judge<'a>(&self, schema: &Value, documents: impl IntoIterator<Item = &'a Value>) -> Vec<bool> {
        let documents: Vec<&Value> = documents.into_iter().collect();
        let mut child = Command::new(&self.python)
            .args(["-c", PROGRAM])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let lines: Vec<String> =
            std::iter::once(schema).chain(documents.iter().copied()).map(Value::to_string).collect();
        let writer = std::thread::spawn(move || lines.iter().try_for_each(|line| writeln!(stdin, "{line}")));
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap().unwrap();
        assert!(output.status.success(), "the validator fails");
        let said = String::from_utf8(output.stdout).unwrap();
        let valid: Vec<bool> = said.lines().map(|line| line == "valid").collect();
        assert_eq!(valid.len(), documents.len());
        valid
    }
}

#[test]
fn the_judge_tells_valid_from_invalid() {
    let Some(judge) = Judge::found() else { return };
    let schema = json!({"type": "object", "required": ["a"]});
    assert_eq!(judge.judge(&schema, [&json!({"a": 1}), &json!({}), &json!([])]), [true, false, false]);
}
