//! The query language and the limits of a request.

use super::*;

#[test]
fn queries_find_words_phrases_prefixes_and_combinations() {
    let home = tempfile::tempdir().unwrap();
    let orders = [
        "stop advice was sent",
        "advice to stop",
        "the stopping of deliveries",
        "delivery to O'Hara at 10:30",
        "don't ship",
    ];
    let mut orders: Vec<(i64, Order)> =
        (1..).zip(orders).map(|(id, notes)| (id, order(notes, "NEW", 100 * id))).collect();
    orders[0].1.status = Some("STOP-SENT".into());
    orders[1].1.tags = vec!["red".into(), "blue".into()];
    let pair = Pair::with(home.path(), orders);
    let snapshot = pair.snapshot();
    let cases: [(&str, &[i64]); 50] = [
        ("\"stop advice\"", &[1]),
        ("\"advice stop\"~2", &[1, 2]),
        ("stop", &[1, 2, 3]),
        ("stop AND advice", &[1, 2]),
        ("+stop +advice -sent", &[2]),
        ("stop NOT advice", &[3]),
        ("stop AND (NOT advice)", &[3]),
        ("stop NOT \"stop advice\"", &[2, 3]),
        // The phrase stands behind the first document, or nowhere.
        ("stop NOT \"advice to\"", &[1, 3]),
        ("stop NOT \"sent stop\"", &[1, 2, 3]),
        ("(stop AND sent) OR delivery", &[1, 3, 4]),
        ("stop delivery", &[1, 2, 3, 4]),
        ("notes:deliv*", &[3, 4]),
        ("deliv*", &[3, 4]),
        ("deliveri*", &[3]),
        ("stoppi*", &[3]),
        ("status:STOP-SENT", &[1]),
        ("STOP-SENT", &[1]),
        ("status:stop-sent", &[]),
        ("status:STOP*", &[1]),
        ("notes:(sent OR ship)", &[1, 5]),
        ("tags:blue", &[2]),
        ("tags:(red blue green)", &[2]),
        ("O'Hara", &[4]),
        ("don't", &[5]),
        ("\"10:30\"", &[4]),
        ("& ship", &[5]),
        ("\"advice to st\"*", &[2]),
        ("\"advice to s\"* OR \"stop adv\"*", &[1, 2]),
        ("\"stop to\"*", &[]),
        ("10-3*", &[4]),
        ("advcie~1", &[1, 2]),
        ("advcei~1", &[]),
        ("advcei~2", &[1, 2]),
        ("advcei~", &[1, 2]),
        ("delivry~1*", &[4]),
        ("status:STOP-SEND~1", &[1]),
        ("stop^2 delivery", &[1, 2, 3, 4]),
        ("(stop delivery)^0.5 AND advice", &[1, 2]),
        ("amount:>=3", &[3, 4, 5]),
        ("amount:[2 TO 3.00]", &[2, 3]),
        ("amount:{2 TO *}", &[3, 4, 5]),
        ("stop AND amount:<2", &[1]),
        ("stop NOT amount:<2", &[2, 3]),
        ("status:>S", &[1]),
        ("amount:[3 TO 2]", &[]),
        ("status:[b TO a]", &[]),
        ("status: IN [STOP-SENT DONE]", &[1]),
        ("tags: IN [red green]", &[2]),
        ("notes: IN [advice ship]", &[1, 2, 5]),
    ];
    for (query, expected) in cases {
        assert_eq!(find(&snapshot, query), expected, "{query}");
    }
}

#[test]
fn nothing_that_was_asked_for_falls_out_of_a_query() {
    let home = tempfile::tempdir().unwrap();
    let hash = "d".repeat(41);
    let huge = "k".repeat(70_000);
    let notes = [
        &*format!("invoice {hash}"),
        "invoice paid",
        "достопримечательность",
        "订单已经发货请注意查收",
        "Caf\u{e9} Cr\u{e8}me",
        "Cafe\u{301} Cre\u{300}me",
        huge.as_str(),
    ];
    let mut orders: Vec<(i64, Order)> = (1..).zip(notes.map(|notes| order(notes, "NEW", 1))).collect();
    orders[6].1.status = Some(huge.clone());
    let pair = Pair::with(home.path(), orders);
    let snapshot = pair.snapshot();
    let cases: [(&str, &[i64]); 11] = [
        (&format!("invoice AND {hash}"), &[1]),
        (&format!("invoice NOT {hash}"), &[2]),
        (&hash, &[1]),
        ("достопримечательность", &[3]),
        ("достоприм*", &[3]),
        ("发货", &[4]),
        ("发货*", &[4]),
        ("货发", &[]),
        ("café", &[5, 6]),
        ("cafe\u{301} AND creme", &[5, 6]),
        ("\"CAFE CREME\"", &[5, 6]),
    ];
    for (query, expected) in cases {
        assert_eq!(find(&snapshot, query), expected, "{query}");
    }
    let mut filtered = request("");
    filtered.filters = vec![SearchFilter::is("status", huge)];
    assert_eq!(snapshot.search(&filtered).unwrap().hits.len(), 1);
}

#[test]
fn queries_beyond_the_language_are_refused_with_a_reason() {
    let home = tempfile::tempdir().unwrap();
    let pair = Pair::with(home.path(), [(1, order("a word", "NEW", 1))]);
    let snapshot = pair.snapshot();
    let cases = [
        ("*", "a bare `*` matches everything"),
        ("notes:*", "a bare `*` matches everything"),
        ("word OR *", "a bare `*` matches everything"),
        ("NOT word", "only says what to leave out"),
        ("-word", "only says what to leave out"),
        ("word OR (NOT other)", "only says what to leave out"),
        ("notes:& -word", "`&` has nothing to search for"),
        ("word AND notes:&", "`&` has nothing to search for"),
        ("notes:&", "has nothing to search for"),
        ("amount:5", "is no field that can be searched in `order_search`: it has `notes`, `status`, `tags`"),
        ("secret:x", "`secret` is no field"),
        ("wo*d", "`*` may only end a word"),
        ("notes:[a TO b]", "`notes` has no range in `order_search`: `status`, `amount`, `tags` can be compared"),
        ("[a TO b]", "a range needs a field"),
        ("amount:[* TO *]", "the range of `amount` has no bound"),
        ("amount:>=many", "`many` is no value of `amount`"),
        ("amount:>=1.005", "`1.005` is no value of `amount`"),
        ("word IN [a b]", "`IN [..]` needs a field"),
        ("status: IN []", "names no value"),
        ("amount: IN [1 2]", "`amount` is no field that can be searched"),
        ("/wo.d/", "(a regular expression) cannot"),
        ("word^0", "is no boost"),
        ("word^2000", "is no boost"),
        ("word~3", "at most `~2`"),
        ("notes:10-30~1", "only a single word may have typing errors"),
        ("\"word", "cannot be read"),
        ("(word", "cannot be read"),
        ("notes:", "cannot be read"),
        ("\"a word\"~99", "at most `~16`"),
        ("NOT NOT word", "NOT twice in a row"),
    ];
    for (query, expected) in cases {
        let message = refusal(&snapshot, &request(query));
        assert!(message.contains(expected), "{query}: {message}");
    }
    let nested = |levels: usize| format!("{}word{}", "(a AND ".repeat(levels), ")".repeat(levels));
    let many = |words: usize| (0..words).map(|word| format!("w{word}")).collect::<Vec<_>>().join(" ");
    assert!(snapshot.search(&request(&nested(15))).is_ok());
    assert!(refusal(&snapshot, &request(&nested(17))).contains("nests more than 16"));
    assert!(refusal(&snapshot, &request(&nested(100))).contains("more than 32 parentheses"));
    assert!(refusal(&snapshot, &request(&"(NOT (a ".repeat(16))).contains("cannot be read"));
    assert!(snapshot.search(&request(&many(64))).is_ok());
    assert!(refusal(&snapshot, &request(&many(65))).contains("more than 64 words"));
    assert!(refusal(&snapshot, &request(&"x".repeat(1_001))).contains("at most 1000"));
}

#[test]
fn requests_beyond_the_limits_are_refused_with_a_reason() {
    let home = tempfile::tempdir().unwrap();
    let pair = Pair::with(home.path(), [(1, order("a word", "NEW", 1))]);
    let snapshot = pair.snapshot();
    let word = request("word");
    let by = |name: &str| vec![SearchFilter::is(name, "x")];
    let highlight = Highlight { fields: vec!["status".into()], max_chars: 50 };
    let cases = [
        (SearchRequest { limit: 1_001, ..word.clone() }, "the limit is 1001"),
        (SearchRequest { offset: 9_001, ..word.clone() }, "the offset and the limit together"),
        (SearchRequest { offset: usize::MAX, ..word.clone() }, "the offset and the limit together"),
        (SearchRequest { filters: by("notes"), ..word.clone() }, "`notes` cannot be filtered by"),
        (SearchRequest { facets: vec!["amount".into()], ..word.clone() }, "`amount` cannot be counted as a facet"),
        (SearchRequest { sort: vec![("notes".into(), true)], ..word.clone() }, "`notes` cannot be sorted by"),
        (SearchRequest { limit: 10, highlight: Some(highlight.clone()), ..word.clone() }, "`status` cannot be high"),
        (SearchRequest { highlight: Some(highlight), ..word.clone() }, "a search with snippets"),
    ];
    for (request, expected) in cases {
        let message = refusal(&snapshot, &request);
        assert!(message.contains(expected), "{message}");
    }
    assert!(snapshot.search(&SearchRequest { offset: 9_000, ..word }).is_ok());
}

#[test]
fn no_query_whatsoever_panics_or_fails_inside() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let home = tempfile::tempdir().unwrap();
    let pair = Pair::with(home.path(), [(1, order("a word", "NEW", 1))]);
    let snapshot = pair.snapshot();
    let pieces = [
        "a", "word", "é", "notes:", "status:", "x:", "(", ")", "\"", "'", "*", "^2", "~1", "[", "]", "{", "}", " TO ",
        "AND ", "OR ", "NOT ", "IN ", "+", "-", "\\", "/", "`", "<", ">=", " ", " ", " ", ":", "\u{a0}", "\t", "9.5",
        "&",
    ];
    for round in 0..3_000 {
        let length = if round % 100 == 0 { 300 } else { random.usize(1..25) };
        let query: String = (0..length).map(|_| pieces[random.usize(0..pieces.len())]).collect();
        let result = snapshot.search(&request(&query));
        assert!(!matches!(result, Err(SearchError::Internal { .. })), "{query}: {result:?}");
    }
}
