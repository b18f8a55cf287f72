//! What the configuration says of words: weights, synonyms, stop words, stems, scripts without spaces.

use super::*;

fn titled(titles: &[&str]) -> Vec<Value> {
    ('a'..).zip(titles).map(|(id, title)| item(&id.to_string(), title, "nothing", "x")).collect()
}

#[test]
fn a_column_of_greater_weight_comes_first() {
    let items = [item("a", "other", "delivery", "x"), item("b", "delivery", "other", "x")];
    let weighing = |title: u8, body: u8| {
        Shop::open(&format!("{{title: {{type: text, weight: {title}}}, body: {{type: text, weight: {body}}}}}"), &items)
    };
    for (title, body, expected) in [(10, 1, "b a"), (1, 10, "a b"), (1, 1, "a b")] {
        let shop = weighing(title, body);
        for text in ["delivery ", "deliv", "dilivery "] {
            assert_eq!(shop.typed(text), expected, "{title} {body} {text}");
        }
        assert_eq!(shop.found(&[("q", "delivery")]), expected, "{title} {body}");
    }
}

#[test]
fn synonyms_are_found_after_the_words_themselves() {
    let titles = ["a parcel", "a package", "New York hotel", "NYC hotel", "York, new", "old tv"];
    let fields =
        "{title: text, status: keyword}\nsynonyms: [[parcel, package], [nyc, new york], [tv, television, tele vision]]";
    let shop = Shop::open(fields, &titled(&titles));
    let cases = [
        ("parcel", "a b"),
        ("Package ", "b a"),
        ("parc", "a"),
        ("nyc hotel", "d c"),
        ("new york hotel", "d c"),
        // Two words, wherever they are; the synonym beside them.
        ("new york ", "c d e"),
        ("television", "f"),
        ("tele vision", "f"),
        ("tele", ""),
    ];
    for (text, expected) in cases {
        let mut found: Vec<String> = shop.typed(text).split(' ').map(str::to_owned).collect();
        let mut expected: Vec<String> = expected.split(' ').map(str::to_owned).collect();
        // Which of them comes first is said for single words.
        if text.trim().contains(' ') {
            found.sort();
            expected.sort();
        }
        assert_eq!(found, expected, "{text}");
    }
    assert_eq!(shop.found(&[("q", "parcel")]), "a", "a query is taken as it is written");
}

#[test]
fn stop_words_need_not_be_found() {
    let titles = ["The house of cards", "house cards", "theory of cards"];
    for stop_words in ["english", "[The, of]"] {
        let shop = Shop::open(&format!("{{title: text}}\nstop_words: {stop_words}"), &titled(&titles));
        let mut found: Vec<String> = shop.typed("the house of cards").split(' ').map(str::to_owned).collect();
        found.sort();
        assert_eq!(found, ["a", "b"], "{stop_words}");
        // Alone they are looked for, and so is one that is still being typed.
        assert_eq!(shop.typed("the "), "a", "{stop_words}");
        assert_eq!(shop.typed("cards the"), "a c", "{stop_words}");
    }
}

#[test]
fn words_are_stemmed_in_the_language_of_the_column() {
    let shop =
        Shop::open("{title: {type: text, tokenizer: de_stem}}", &titled(&["Die H\u{e4}user", "ein Haus", "Hausboot"]));
    assert_eq!(shop.typed("haus "), "b a");
    assert_eq!(shop.typed("h\u{e4}user "), "a b");
    assert_eq!(shop.found(&[("q", "haus")]), "a b");
    assert_eq!(shop.typed("haus"), "b a c");
}

#[test]
fn scripts_without_spaces_and_korean_endings_are_found_by_their_characters() {
    let titles = [
        "\u{D55C}\u{AD6D}\u{C5B4}\u{B97C} \u{BC30}\u{C6B0}\u{B2E4}",
        "\u{6771}\u{4EAC}\u{90FD}\u{5E81}",
        "\u{E20}\u{E32}\u{E29}\u{E32}\u{E44}\u{E17}\u{E22}",
    ];
    let shop = Shop::open("{title: {type: text, tokenizer: cjk}}", &titled(&titles));
    // Korean without its particle, before another word; Tokyo, and within it; Thai.
    assert_eq!(shop.typed("\u{D55C}\u{AD6D}\u{C5B4} \u{BC30}"), "a");
    assert_eq!(shop.typed("\u{4EAC}\u{90FD}"), "b");
    assert_eq!(shop.typed("\u{90FD}\u{4EAC}"), "");
    assert_eq!(shop.typed("\u{E44}\u{E17}\u{E22}"), "c");
}

#[test]
fn what_an_aggregate_joins_is_text_too() {
    let sql = "SELECT status AS id, string_agg(title, ', ' ORDER BY title) AS titles FROM shop.added GROUP BY status";
    let items = [("1", "late parcel", "a"), ("2", "early bird", "a"), ("3", "late", "b")];
    let items = items.map(|(id, title, status)| item(id, title, "", status));
    let shop = Shop::over(sql, "{titles: text}", &items);
    assert_eq!(shop.typed("late parc"), "a");
    assert_eq!(shop.typed("late"), "b a", "the shorter text first");
    let (_, answer) = shop.asked(&[("text", "bird"), ("highlight", "titles")]);
    assert_eq!(answer["items"][0]["item"]["titles"], "early bird, late parcel");
    assert!(answer["items"][0].to_string().contains("bird"), "{answer}");
}
