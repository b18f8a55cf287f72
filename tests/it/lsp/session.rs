//! How a session begins and ends, and that nothing that is written ends it earlier.

use serde_json::{Value, json};

use super::editor::{Editor, plain, shop};

#[test]
fn exit_codes_say_whether_the_editor_ended_in_order() {
    assert_eq!(Editor::of_shop(&plain()).end(), Some(0));
    let mut abrupt = Editor::of_shop(&plain());
    abrupt.tell("exit", Value::Null);
    assert_eq!(abrupt.code(), Some(1));
    let mut gone = Editor::of_shop(&plain());
    gone.hang_up();
    assert_eq!(gone.code(), Some(1));
    let mut silent = Editor::spawn(&[]);
    silent.hang_up();
    assert_eq!(silent.code(), Some(1));
}

#[test]
fn nothing_but_exit_follows_shutdown() {
    let mut editor = Editor::of_shop(&plain());
    let mut ungreeted = Editor::spawn(&[]);
    let early = ungreeted.request("textDocument/hover", json!({}));
    assert_eq!(ungreeted.answer(early)["error"]["code"], -32002);
    let id = editor.request("workspace/nothing", json!({}));
    assert_eq!(editor.answer(id)["error"]["code"], -32601);
    let id = editor.request("textDocument/hover", json!({"nonsense": true}));
    assert_eq!(editor.answer(id)["error"]["code"], -32602);
    editor.ask("shutdown", Value::Null);
    let id = editor.request("textDocument/hover", json!({}));
    assert_eq!(editor.answer(id)["error"]["code"], -32600);
    editor.tell("exit", Value::Null);
    assert_eq!(editor.code(), Some(0));
}

/// A projection whose plan takes long: each table of a join is tried with each other.
fn slow() -> String {
    let joins: String =
        (1..150).map(|n| format!(" JOIN orders.order_placed t{n} ON t{n}.order_id = t0.order_id")).collect();
    format!("projection: slow\nkey: [order_id]\nsql: SELECT t0.order_id FROM orders.order_placed t0{joins}\n")
}

#[test]
fn a_slow_look_delays_neither_cancelling_nor_the_end() {
    let mut files = shop();
    files.push(("projections/slow.yaml".to_owned(), slow()));
    let mut editor = Editor::start(&files, &plain());
    editor.open("projections/slow.yaml", &slow());
    let at =
        json!({"textDocument": {"uri": editor.uri("projections/slow.yaml")}, "position": {"line": 0, "character": 3}});
    // Nothing is known yet, so these wait.
    let (first, second) = (editor.request("textDocument/hover", at.clone()), editor.request("textDocument/hover", at));
    editor.tell("$/cancelRequest", json!({"id": first}));
    assert_eq!(editor.answer(first)["error"]["code"], -32800);
    editor.ask("shutdown", Value::Null);
    assert_eq!(editor.answer(second)["error"]["code"], -32800);
    editor.tell("exit", Value::Null);
    assert_eq!(editor.code(), Some(0));
    let has_looked = editor.has_said(|message| message["method"] == "textDocument/publishDiagnostics");
    assert!(!has_looked, "the look was no slow one");
}

#[test]
fn a_workspace_without_a_configuration_is_left_alone() {
    let mut editor = Editor::start(&[("chart.yaml".to_owned(), "name: x\n".to_owned())], &plain());
    let said = editor.wait_for("word", |message| message["method"] == "window/logMessage");
    let said = said["params"]["message"].as_str().unwrap();
    assert!(said.starts_with("there is no config/readside.yaml and no readside.yaml in "), "{said}");
    assert_eq!(editor.hover("chart.yaml", "na¦me: x\n"), "");
    assert_eq!(editor.offered("chart.yaml", "¦"), [""; 0]);
    // It may begin here.
    let root = "readside.yaml";
    editor.open(root, "sources: nowhere.yaml\n");
    let shown = editor.shown(root);
    assert!(shown.iter().any(|problem| problem.starts_with("RS0001 0:")), "{shown:?}");
}

#[test]
fn a_file_that_changes_on_the_disk_is_read_again() {
    let watching = json!({"workspace": {"didChangeWatchedFiles": {"dynamicRegistration": true}}});
    let mut editor = Editor::of_shop(&watching);
    let asked = editor.wait_for("registration", |message| message["method"] == "client/registerCapability");
    assert_eq!(asked["params"]["registrations"][0]["registerOptions"]["watchers"][0]["globPattern"], "**/*.yaml");
    let name = "projections/sales.yaml";
    assert_eq!(editor.shown(name), [""; 0]);
    std::fs::write(editor.path(name), "projection: p\nky: [a]\nsql: SELECT 1\n").unwrap();
    editor.tell("workspace/didChangeWatchedFiles", json!({"changes": [{"uri": editor.uri(name), "type": 2}]}));
    assert_eq!(editor.shown(name), ["RS0101 1:0-1:2 unknown key `ky` in the projection"]);
    // The text of the editor counts for more, until it is closed.
    editor.open(name, "# Nothing is declared here\n");
    assert!(editor.shown(name)[0].starts_with("RS0006 "));
    editor.close(name);
    assert_eq!(editor.shown(name), ["RS0101 1:0-1:2 unknown key `ky` in the projection"]);
}

#[test]
fn whatever_is_written_the_server_goes_on() {
    let files = shop();
    let mut editor = Editor::of_shop(&plain());
    let mut random = fastrand::Rng::with_seed(11);
    let pieces = [
        "'", "\"", "(", ")", "{", "[", "\n", "  ", "\t", ": ", "😀", "ü", "SELECT ", "FROM ", "o.", "|", "&a ", "*a",
        "---\n", "\u{0}", "\u{feff}", "\r",
    ];
    for round in 0..150 {
        let (name, text) = random.choice(&files).unwrap();
        let mut characters: Vec<char> = text.chars().collect();
        for _ in 0..random.usize(1..4) {
            let place = random.usize(0..=characters.len());
            if random.bool() {
                let end = (place + random.usize(0..30)).min(characters.len());
                characters.drain(place..end);
            } else {
                characters.splice(place..place, random.choice(pieces).unwrap().chars());
            }
        }
        let place = random.usize(0..=characters.len());
        let (before, after): (String, String) =
            (characters[..place].iter().collect(), characters[place..].iter().collect());
        let text = format!("{}¦{}", before.replace('¦', ""), after.replace('¦', ""));
        for method in ["completion", "hover", "definition"] {
            // An answer with an error would be a panic in it.
            let _ = editor.ask_at(method, name, &text);
        }
        if round % 30 == 0 {
            // Of a file it is told while the root file names it, which may have been changed too.
            let (root, text) = files.iter().find(|(name, _)| name.ends_with("readside.yaml")).unwrap();
            editor.write(root, text);
            let _ = editor.problems(name);
        }
    }
    files.iter().for_each(|(name, text)| editor.write(name, text));
    // The last file is told last.
    let (last, _) = files.last().unwrap();
    assert_eq!(editor.shown(last), [""; 0]);
    for (name, _) in &files[..files.len() - 1] {
        assert_eq!(editor.told(name), json!([]), "{name}");
    }
    assert_eq!(editor.end(), Some(0));
}
