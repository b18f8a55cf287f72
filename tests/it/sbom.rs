//! The software bill of materials: what Cargo.lock pins of what the program is linked with.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Whether the tool is there already. To build it takes minutes, which only CI spends.
fn is_there() -> bool {
    let cache = std::env::var_os("READSIDE_CACHE").map(PathBuf::from);
    let home = std::env::var_os("HOME").map(|home| Path::new(&home).join(".cache/readside"));
    let built = cache.or(home).is_some_and(|cache| cache.join("cargo-cyclonedx-0.5.9/bin/cargo-cyclonedx").exists());
    built || Command::new("cargo-cyclonedx").arg("--version").output().is_ok()
}

#[test]
fn a_bill_of_materials_has_what_the_program_is_linked_with() {
    if !is_there() && std::env::var("CI").as_deref() != Ok("true") {
        eprintln!("skipped: no cargo-cyclonedx; `scripts/sbom FILE` builds it");
        return;
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("sbom.json");
    let output = Command::new(root.join("scripts/sbom")).arg(&file).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = std::fs::read_to_string(file).unwrap();
    assert!(!text.contains(&root.display().to_string()), "it has the folder of this machine");
    let bill: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&bill["bomFormat"], &bill["specVersion"]), (&"CycloneDX".into(), &"1.5".into()));
    assert_eq!(bill["metadata"]["component"]["name"], "readside");
    let components = bill["components"].as_array().unwrap();
    let named: BTreeSet<(&str, &str)> =
        components.iter().map(|one| (one["name"].as_str().unwrap(), one["version"].as_str().unwrap())).collect();
    let lock = std::fs::read_to_string(root.join("Cargo.lock")).unwrap();
    let pinned: BTreeSet<(&str, &str)> = lock.split("[[package]]").filter_map(pin).collect();
    let unpinned: Vec<_> = named.difference(&pinned).collect();
    assert!(unpinned.is_empty(), "{unpinned:?}");
    for crate_name in ["datafusion", "tantivy", "async-nats", "ring", "opentelemetry_sdk"] {
        let found = components.iter().find(|one| one["name"] == crate_name).expect(crate_name);
        assert!(found["licenses"][0].is_object() && found["hashes"][0]["alg"] == "SHA-256", "{found}");
    }
    // Only tests are linked with these.
    assert!(!components.iter().any(|one| ["nexmark", "expect-test", "cap"].contains(&one["name"].as_str().unwrap())));
}

/// Name and version of a package in Cargo.lock.
fn pin(package: &str) -> Option<(&str, &str)> {
    let field = |name: &str| package.lines().find_map(|line| line.strip_prefix(name)?.strip_suffix('"'));
    Some((field("name = \"")?, field("version = \"")?))
}
