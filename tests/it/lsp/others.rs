//! A session with a client that others wrote: that of pygls, for Python.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::editor::shop;
use crate::crash::daemon::binary;

/// A Python with pygls. None where there is none and none can be had; CI does not allow that.
fn python() -> Option<String> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/language-client");
    let named = std::env::var("LANGUAGE_CLIENT_PYTHON").ok();
    let python = named.or_else(|| {
        let output = Command::new(script).output().ok().filter(|output| output.status.success())?;
        Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    });
    let python = python.filter(|python| python != "none");
    if python.is_none() {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "scripts/language-client finds no client");
        eprintln!("skipped: scripts/language-client finds no client");
    }
    python
}

#[test]
fn a_client_of_others_understands_the_server() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in shop() {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let session = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/lsp/others.py");
    let mut command = Command::new(python);
    let output = command.arg(session).arg(binary()).arg(folder.path()).env_remove("READSIDE_CONFIG").output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    let said: Value = serde_json::from_str(&said).unwrap();
    let expected = json!({
        "encoding": "utf-16",
        "server": "readside",
        "problem": ["RS0503", "readside", 3, 16, 20],
        "offered": ["customer_id", "lines", "notes", "order_id", "total"],
        "mended": 0,
        "hover": "`total` `decimal(18,2)!`, never NULL",
        "place": ["orders.yaml", 21],
    });
    assert_eq!(said, expected);
}
