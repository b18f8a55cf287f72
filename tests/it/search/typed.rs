//! What people type: no text is refused, and what they mean is found.

use super::*;

const FIELDS: &str =
    "{id: keyword, title: {type: text, tokenizer: en_stem}, body: text, status: {type: keyword, facet: true}}";

fn shop() -> Shop {
    Shop::open(
        FIELDS,
        &[
            item("ORD-2024-0012", "Late delivery", "The parcel of O'Hara came too late", "In Transit"),
            item("ORD-2024-0013", "Deliveries stopped", "A well-known carrier has stopped", "NEW"),
            item("o-3", "Caf\u{e9} Cr\u{e8}me \u{1F389}", "for caf\u{e9} M\u{fc}ller, 10:30", "DONE"),
            item("o-4", "\u{8BA2}\u{5355}\u{5DF2}\u{7ECF}\u{53D1}\u{8D27}", "anna.b@example.com asked", "DONE"),
            item("o-5", "Delivered", "deliver it", "DONE"),
        ],
    )
}

#[test]
fn all_words_count_and_the_last_one_may_go_on() {
    let shop = shop();
    let cases = [
        ("late delivery", "ORD-2024-0012"),
        ("delivery late parcel", "ORD-2024-0012"),
        ("late nowhere", ""),
        ("late deliv", "ORD-2024-0012"),
        // A space after it makes a word of it.
        ("well kno", "ORD-2024-0013"),
        ("well kno ", ""),
        // Exactly, then beginnings.
        ("deliver", "o-5 ORD-2024-0012 ORD-2024-0013"),
        // Words of several columns, a keyword's without its capital letters.
        ("late transit", "ORD-2024-0012"),
        ("new stopped", "ORD-2024-0013"),
    ];
    for (text, expected) in cases {
        assert_eq!(shop.typed(text), expected, "{text}");
    }
    assert_eq!(shop.typed("").split(' ').count(), 5, "nothing typed leaves everything");
    assert_eq!(shop.found(&[("text", "de"), ("status", "DONE")]), "o-5");
    assert_eq!(shop.found(&[("text", "deliv"), ("q", "-parcel +body:deliver*")]), "o-5");
}

#[test]
fn typing_errors_and_missing_accents_are_forgiven() {
    let shop = shop();
    let cases = [
        ("delviery late", "ORD-2024-0012"),
        ("late dilivary", "ORD-2024-0012"),
        ("parsel ", "ORD-2024-0012"),
        ("parxxl ", ""),
        // Up to four letters, none.
        ("lete ", ""),
        ("cafe creme", "o-3"),
        ("CAFE\u{301}", "o-3"),
        ("muller", "o-3"),
        ("\u{FF4D}\u{FC}ller", "o-3"),
        ("carier", "ORD-2024-0013"),
        ("transti", "ORD-2024-0012"),
    ];
    for (text, expected) in cases {
        assert_eq!(shop.typed(text), expected, "{text}");
    }
}

#[test]
fn what_has_punctuation_in_it_is_found_whole_and_by_its_beginning() {
    let shop = shop();
    let cases = [
        ("ORD-2024-0012", "ORD-2024-0012"),
        ("ord-2024-0012 ", "ORD-2024-0012"),
        ("(ORD-2024-0012),", "ORD-2024-0012"),
        ("ORD-2024-00", "ORD-2024-0012 ORD-2024-0013"),
        ("ORD-2024-00 ", ""),
        // An id is no other id.
        ("ORD-2024-0014", ""),
        ("2024-ORD", ""),
        ("O'Hara", "ORD-2024-0012"),
        ("well-known", "ORD-2024-0013"),
        ("wel-knwon", ""),
        ("well-knwon", "ORD-2024-0013"),
        ("10:30", "o-3"),
        ("30:10", ""),
        ("anna.b@example.com", "o-4"),
        ("anna.b@exa", "o-4"),
        ("\u{53D1}\u{8D27}", "o-4"),
        ("\u{8D27}\u{53D1}", ""),
        ("\u{1F389}", "o-3"),
        ("late & delivery -", "ORD-2024-0012"),
        ("\"late delivery\"", "ORD-2024-0012"),
    ];
    for (text, expected) in cases {
        assert_eq!(shop.typed(text), expected, "{text}");
    }
}

#[test]
fn everything_that_was_found_is_marked_in_utf_16() {
    let shop = shop();
    let marked = |text: &str, id: &str, field: &str| {
        let (_, answer) = shop.asked(&[("text", text), ("highlight", "true")]);
        let hit = answer["items"].as_array().unwrap().iter().find(|hit| hit["item"]["id"] == id).unwrap().clone();
        let snippet = &hit["highlights"][field];
        let units: Vec<u16> = snippet["text"].as_str().unwrap_or_default().encode_utf16().collect();
        let marks = snippet["marks"].as_array().cloned().unwrap_or_default();
        let mark = |mark: &Value| {
            let place = |at: usize| mark[at].as_u64().unwrap() as usize;
            String::from_utf16(&units[place(0)..place(1)]).unwrap()
        };
        marks.iter().map(mark).collect::<Vec<_>>().join("|")
    };
    assert_eq!(marked("dilivary la", "ORD-2024-0012", "title"), "Late|delivery");
    assert_eq!(marked("deliver", "ORD-2024-0013", "title"), "Deliveries");
    assert_eq!(marked("cafe \u{1F389}", "o-3", "title"), "Caf\u{e9}|\u{1F389}");
    assert_eq!(marked("muler ", "o-3", "body"), "M\u{fc}ller");
    assert_eq!(marked("10:30", "o-3", "body"), "10|30");
    assert_eq!(marked("anna.b@exa", "o-4", "body"), "anna|b|example");
}

#[test]
fn no_text_whatsoever_is_refused() {
    let shop = shop();
    let long = "a late \u{8BA2}\u{5355} d\u{e9}livery ".repeat(500);
    // As long as a request can be where each byte is escaped; a browser escapes less.
    let long = &long[..long.floor_char_boundary(5_000)];
    let ten_thousand = "late delivery ".repeat(720);
    let texts = [
        "\"",
        "'",
        "+",
        "-",
        ":",
        "*",
        "(",
        ")",
        "^",
        "~",
        "\\",
        "/",
        "[1 TO",
        "a:b",
        "NOT",
        "AND OR",
        "((((",
        "\u{0}\u{7}\u{1b}",
        "\u{FEFF}\u{200B}\u{200D}",
        "\u{1F1E9}\u{1F1EA}",
        "a\u{300}\u{301}\u{302}",
        "%",
        "&q=",
        "#",
        "100%",
        "\u{10FFFF}",
        long,
        &long.replace(' ', ""),
        &"-".repeat(5_000),
        &"a-".repeat(2_500),
        &"x".repeat(5_000),
    ];
    for text in texts {
        let (status, answer) = shop.asked(&[("text", text), ("highlight", "true"), ("facet", "status")]);
        assert_eq!(status, 200, "{}: {answer}", &text[..text.floor_char_boundary(40)]);
        assert_eq!(answer["textCut"] == json!(true), text.chars().count() > 500, "{answer}");
    }
    let unescaped = format!("/v1/search/items?text={}", ten_thousand.replace(' ', "+"));
    assert_eq!((shop.daemon.get(&unescaped).0, ten_thousand.len()), (200, 10_080));
    // What is no UTF-8 either.
    assert_eq!(shop.daemon.get("/v1/search/items?text=%ff%fe%80").0, 200);
}

#[test]
fn the_command_line_takes_typed_text_too() {
    let shop = shop();
    shop.typed("late");
    let run = |arguments: &[&str]| {
        let output = Command::new(binary())
            .args(["search", "items"])
            .args(arguments)
            .args(["--url", shop.daemon.url()])
            .output();
        let output = output.unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let (code, printed) = run(&["--text", "late dilivary ("]);
    assert_eq!(code, Some(0));
    assert!(printed.contains("[Late] [delivery]") && printed.contains("1 of 1 hit"), "{printed}");
    assert_eq!(run(&["late dilivary ("]).0, Some(1), "the query language has a syntax");
    assert_eq!(run(&[]).0, Some(2));
}
