//! Problems in an editor: those of `readside validate`, at the same places, over the texts that are open.

use readside::config::Severity;
use serde_json::{Value, json};

use super::editor::{Editor, counting, plain, shop};
use crate::errors;

const CUSTOMERS: &str = "projections/customers.yaml";

fn customers() -> String {
    shop().into_iter().find(|(name, _)| name == CUSTOMERS).unwrap().1
}

#[test]
fn a_mistake_is_shown_where_it_is_and_gone_when_it_is_mended() {
    let mut editor = Editor::of_shop(&plain());
    let text = customers();
    editor.open(CUSTOMERS, &text);
    assert_eq!(editor.shown(CUSTOMERS), [""; 0]);
    editor.change(CUSTOMERS, &text.replace("latest(customer_registered.city)", "latest(customer_registered.town)"));
    let shown = editor.problems(CUSTOMERS);
    let [problem] = shown.as_slice() else { panic!("{shown:?}") };
    assert_eq!((&problem["source"], &problem["severity"]), (&json!("readside"), &json!(1)));
    editor.change(CUSTOMERS, &text.replace("FROM orders.events", "FROM orders.evnts"));
    let shown = editor.shown(CUSTOMERS);
    assert_eq!(shown, ["RS0502 11:7-11:19 table 'orders.evnts' not found"]);
    editor.change(CUSTOMERS, &text);
    assert_eq!(editor.shown(CUSTOMERS), [""; 0]);
    assert_eq!(editor.end(), Some(0));
}

#[test]
fn every_file_of_the_configuration_is_told_and_no_other() {
    let mut editor = Editor::of_shop(&plain());
    for (name, _) in shop() {
        assert_eq!(editor.shown(&name), [""; 0], "{name}");
    }
    editor.open("docker-compose.yaml", "projection: other\nsql: SELECT x FROM nowhere\n");
    editor.open(CUSTOMERS, &customers().replace(" AS revenue", " AS income").replace("[[city, revenue]]", "[[city]]"));
    let shown = editor.shown(CUSTOMERS);
    assert_eq!(shown, ["RS0503 22:66-22:73 No field named revenue."], "of the view");
    let uri = editor.uri("docker-compose.yaml");
    let about_other = editor.ask_at("completion", "docker-compose.yaml", "projection: other\nk¦");
    assert_eq!(about_other, json!([]));
    editor.write(CUSTOMERS, &customers());
    assert_eq!(editor.shown(CUSTOMERS), [""; 0]);
    editor.ask("shutdown", Value::Null);
    editor.tell("exit", Value::Null);
    assert_eq!(editor.code(), Some(0));
    assert!(!editor.has_said(|message| message["params"]["uri"] == uri.as_str()), "it is no file of the configuration");
}

#[test]
fn each_code_is_shown_as_validate_has_it() {
    let root = "readside.yaml";
    let mut editor = Editor::start(&[(root.to_owned(), "sources: []\n".to_owned())], &counting("utf-32"));
    let mut wrong = Vec::new();
    let mut seen = 0;
    for (code, example) in errors::examples() {
        if example.starts_with("case:") {
            continue;
        }
        let text = errors::root(example);
        editor.write(root, &text);
        let shown = editor.problems(root);
        let expected: Vec<Value> = errors::found(example)
            .iter()
            .map(|problem| {
                let hint = problem.hint.as_ref().map(|hint| format!("\nhint: {hint}")).unwrap_or_default();
                let severity = if problem.severity == Severity::Error { 1 } else { 2 };
                json!([problem.code, severity, problem.line - 1, problem.column - 1, problem.message.clone() + &hint])
            })
            .collect();
        let shown = shown.iter().map(|one| {
            let start = &one["range"]["start"];
            json!([one["code"], one["severity"], start["line"], start["character"], one["message"]])
        });
        let shown: Vec<Value> = shown.collect();
        seen += 1;
        if shown != expected {
            wrong.push(format!("{code}: {shown:?} instead of {expected:?}"));
        }
    }
    assert!(seen > 45, "only {seen} examples");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn places_are_in_the_units_that_the_editor_counts() {
    let text = "projection: p\nkey: [_seq]\nsql: SELECT _seq, '😀ü' AS face, tota FROM orders.order_placed\n";
    for (capabilities, range) in
        [(plain(), "2:33-2:37"), (counting("utf-8"), "2:36-2:40"), (counting("utf-32"), "2:32-2:36")]
    {
        let mut editor = Editor::of_shop(&capabilities);
        editor.open("projections/p.yaml", text);
        let shown = editor.shown("projections/p.yaml");
        assert!(shown.len() == 1 && shown[0].starts_with(&format!("RS0503 {range} ")), "{shown:?}");
    }
}

#[test]
fn a_block_of_sql_has_its_places_too() {
    let text = "projection: p\r\nkey: [_seq]\r\nsql: |\r\n  SELECT _seq, 'ä😀' AS face,\r\n         tota\r\n  FROM orders.order_placed\r\n";
    let mut editor = Editor::of_shop(&plain());
    editor.open("projections/p.yaml", text);
    let shown = editor.shown("projections/p.yaml");
    assert!(shown.len() == 1 && shown[0].starts_with("RS0503 4:9-4:13 "), "{shown:?}");
    // Where the YAML itself is broken, that is said, and mended again.
    editor.change("projections/p.yaml", "projection: p\nkey: [_seq\nsql: SELECT 1\n");
    let shown = editor.shown("projections/p.yaml");
    assert!(shown.iter().all(|problem| problem.starts_with("RS0003 ")) && !shown.is_empty(), "{shown:?}");
    let mended = text.replace("tota", "total");
    editor.change("projections/p.yaml", &mended);
    assert_eq!(editor.shown("projections/p.yaml"), [""; 0]);
}

#[test]
fn cases_are_looked_at_too() {
    let mut editor = Editor::of_shop(&plain());
    let name = "projections/customers.test.yaml";
    editor.open(name, "case: it holds\ngiven: []\nthen: {rows: {customers: []}, rowz: 1}\n");
    let shown = editor.shown(name);
    assert!(shown.len() == 1 && shown[0].starts_with("RS0101 2:30-2:34 "), "{shown:?}");
}
