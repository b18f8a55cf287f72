//! The files under `deploy/`: what the shipped configuration gives, as it is written now. `UPDATE_EXPECT=1` writes them.

use std::path::Path;
use std::process::Command;

use expect_test::expect_file;

use crate::crash::daemon::binary;

fn written(what: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let output = Command::new(binary())
        .args(["generate", what, "--config"])
        .arg(root.join("config/readside.yaml"))
        .args(["--runbook", "deploy/runbook.md"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_shipped_files_are_what_the_shipped_configuration_gives() {
    expect_file!["../../../deploy/prometheus/rules.yaml"].assert_eq(&written("rules"));
    expect_file!["../../../deploy/grafana/readside.json"].assert_eq(&written("dashboard"));
    expect_file!["../../../deploy/runbook.md"].assert_eq(&written("runbook"));
}

#[test]
fn every_alert_has_the_section_that_it_links_to() {
    let runbook = written("runbook");
    let headings: Vec<String> =
        runbook.lines().filter_map(|line| line.strip_prefix("### ")).map(str::to_lowercase).collect();
    let rules = written("rules");
    let linked: Vec<&str> = rules.lines().filter_map(|line| line.trim().strip_prefix("runbook_url: ")).collect();
    assert!(linked.len() > 15, "{linked:?}");
    for link in linked {
        let anchor = link.strip_prefix("deploy/runbook.md#").expect("a link into the runbook");
        assert!(headings.iter().any(|heading| heading == anchor), "{link}");
    }
}
