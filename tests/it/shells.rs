//! What a shell completes the verbs with, and their manual pages.

use std::process::Command;

use crate::crash::daemon::binary;

#[test]
fn bash_completes_verbs_and_flags() {
    let script = r#"
source <("$READSIDE" completions bash)
COMP_WORDS=(readside projection ver) COMP_CWORD=2
_readside readside ver projection
echo "${COMPREPLY[@]}"
COMP_WORDS=(readside print-config --con) COMP_CWORD=2
_readside readside --con print-config
echo "${COMPREPLY[@]}"
"#;
    let output = Command::new("bash").args(["-c", script]).env("READSIDE", binary()).output().unwrap();
    let (out, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(out.lines().collect::<Vec<_>>(), ["verify", "--config"], "{errors}");
}

#[test]
fn each_verb_has_a_manual_page() {
    let home = tempfile::tempdir().unwrap();
    let pages = home.path().join("man1");
    let output = Command::new(binary()).args(["man", "--out"]).arg(&pages).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let verify = std::fs::read_to_string(pages.join("readside-projection-verify.1")).unwrap();
    assert!(verify.contains("Recompute one in batch"), "{verify}");
    assert!(pages.join("readside.1").is_file());
}
