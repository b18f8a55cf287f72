//! One order of words and vectors, computed by hand, in pages, over HTTP and on the command line.

use super::*;

/// By words for "red shoes": a (exact, short), b, d. By the vector [0, 0, 0]: b, c, d.
fn store() -> Store {
    let mut store = Store::open();
    store.put("a", &product("red shoes", None));
    store.put("b", &product("red shoe for running in the rain", Some(&[1.0, 0.0, 0.0])));
    store.put("c", &product("green hat", Some(&[2.0, 0.0, 0.0])));
    store.put("d", &product("reds and shoes for walking in the rain at night", Some(&[3.0, 0.0, 0.0])));
    store
}

fn scores(answer: &Value) -> Vec<String> {
    let items = answer["items"].as_array().unwrap();
    items
        .iter()
        .map(|hit| format!("{} {:.4}", hit["item"]["id"].as_str().unwrap(), hit["score"].as_f64().unwrap()))
        .collect()
}

#[test]
fn the_order_is_that_of_the_sums_of_ranks() {
    let store = store();
    // All words, so that b (shoe) and d (reds) are found with one typing error or another form at most.
    let words = json!({"q": "title:red OR title:shoes"});
    assert_eq!(store.ids(&words), "a b d");
    let both = json!({"q": "title:red OR title:shoes", "vector": [0, 0, 0], "vectorField": "near"});
    let answer = store.answer(&both);
    // b: 1/62 + 1/61, d: 1/63 + 1/63, a: 1/61, c: 1/62.
    assert_eq!(scores(&answer), ["b 0.0325", "d 0.0317", "a 0.0164", "c 0.0161"]);
    assert_eq!(answer["total"], json!(4));
    let parts = |place: usize| &answer["items"][place]["parts"];
    assert_eq!((&parts(0)["words"]["rank"], &parts(0)["vector"]), (&json!(2), &json!({"rank": 1, "distance": 1.0})));
    assert_eq!((&parts(2)["words"]["rank"], &parts(2)["vector"]), (&json!(1), &Value::Null));
    assert_eq!((&parts(3)["words"], &parts(3)["vector"]["rank"]), (&Value::Null, &json!(2)));
    // a: 4/(1+1), b: 4/(1+2) + 1/(1+1), d: 4/(1+3) + 1/(1+3), c: 1/(1+2).
    let mut weighed = both.clone();
    (weighed["rankConstant"], weighed["textWeight"]) = (json!(1), json!(4));
    assert_eq!(scores(&store.answer(&weighed)), ["a 2.0000", "b 1.8333", "d 1.2500", "c 0.3333"]);
    // One of each order: a and b.
    let mut first = both.clone();
    first["k"] = json!(1);
    assert_eq!(scores(&store.answer(&first)), ["a 0.0164", "b 0.0164"]);
    // An empty search box leaves the vector alone.
    let mut typed = json!({"text": "  ", "vector": [0, 0, 0], "vectorField": "near", "textWeight": 2});
    assert_eq!(store.ids(&typed), "b c d");
    typed["text"] = json!("hat");
    assert_eq!(store.ids(&typed), "c b d");
}

#[test]
fn pages_go_through_the_one_order() {
    let mut store = store();
    let both = json!({"q": "title:red OR title:shoes", "vector": [0, 0, 0], "vectorField": "near", "pageSize": 3});
    let first = store.answer(&both);
    assert_eq!((ids(&first).as_str(), &first["page"]["nextPageToken"]), ("b d a", &json!("3")));
    let mut next = both.clone();
    next["pageToken"] = first["page"]["nextPageToken"].clone();
    let second = store.answer(&next);
    assert_eq!((ids(&second).as_str(), &second["page"]["nextPageToken"]), ("c", &Value::Null));
    // What is gone is in neither order.
    store.delete("b");
    assert_eq!(store.ids(&both), "d a c");
    // Words are marked also where the vector alone has found the row.
    let mut marked = both.clone();
    (marked["highlight"], marked["q"]) = (json!(true), json!("title:hat"));
    let answer = store.answer(&marked);
    assert_eq!(answer["items"][0]["highlights"]["title"]["marks"], json!([[6, 9]]), "{answer}");
}

#[test]
fn a_vector_can_stand_in_a_url_and_on_the_command_line() {
    let store = store();
    store.answer(&json!({}));
    let (status, answer) = store.daemon().get("/v1/search/items?vector=2,0,0&vectorField=near&k=2");
    assert_eq!((status, ids(&answer).as_str()), (200, "c b"), "{answer}");
    let output = Command::new(binary())
        .args(["search", "items", "--vector", "2,0,0", "--k", "2", "--filter", "vectorField=near"])
        .args(["--filter", "title.gte=a", "--url", store.daemon().url()])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "text has no range");
    let output = Command::new(binary())
        .args(["search", "items", "--text", "hat", "--vector", "-3,0,0", "--filter", "vectorField=near"])
        .args(["--url", store.daemon().url()])
        .output()
        .unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{printed}");
    assert!(
        printed.contains("green [hat]") && printed.contains("0.0325") && printed.contains("3 of 3 hits"),
        "{printed}"
    );
    assert!(!printed.contains("near"), "{printed}");
}
