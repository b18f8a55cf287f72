//! The query language and filters over HTTP.

use super::*;

const FIELDS: &str = "{id: keyword, title: {type: text, tokenizer: en_stem}, body: text, status: {type: keyword, facet: true}, \
                      price: {sort: true}, added: {sort: true}, tags: keyword}";

fn shop() -> Shop {
    let mut items = [
        item("a", "Late delivery", "red shoes", "NEW"),
        item("b", "Delivery stopped", "blue shoes", "DONE"),
        item("c", "A delivered parcel", "red hat", "DONE"),
    ];
    for (item, (price, added)) in
        items.iter_mut().zip([("9.99", "2026-01-31"), ("10.00", "2026-02-01"), ("100.50", "2026-11-05")])
    {
        item["price"] = json!(price);
        item["added"] = json!(added);
        item["tags"] = json!(["all", item["status"]]);
    }
    Shop::open(FIELDS, &items)
}

#[test]
fn queries_have_ranges_sets_boosts_typing_errors_and_beginnings_of_phrases() {
    let shop = shop();
    let cases = [
        ("price:>=10", "b c"),
        ("price:[9.99 TO 10]", "a b"),
        ("price:{9.99 TO *}", "b c"),
        ("added:<2026-02-01", "a"),
        ("added:[2026-02-01 TO 2026-12-31] AND red", "c"),
        ("status: IN [NEW LOST]", "a"),
        ("id:>a", "b c"),
        ("dilivery~1", "a b"),
        ("\"delivery sto\"*", "b"),
        // A boost turns the order around.
        ("(body:hat)^9 OR (body:blue)^2 OR body:red", "c b a"),
        ("(body:hat)^2 OR (body:blue)^9 OR body:red", "b c a"),
    ];
    for (query, expected) in cases {
        assert_eq!(shop.found(&[("q", query)]), expected, "{query}");
    }
    for (query, hint) in [
        ("\"late", "double quotes"),
        ("/la.e/", "regular expression"),
        ("price:cheap", "no field that can be searched"),
        ("price:>=cheap", "`cheap` is no value of `price`"),
    ] {
        let (status, answer) = shop.asked(&[("q", query)]);
        assert!(status == 400 && answer.to_string().contains(hint), "{query}: {answer}");
    }
}

#[test]
fn filters_compare_as_those_of_tables_do() {
    let shop = shop();
    let cases: [(&[(&str, &str)], &str); 8] = [
        (&[("status", "DONE")], "b c"),
        (&[("status.ne", "DONE")], "a"),
        (&[("status.in", "NEW,DONE"), ("price.lt", "10")], "a"),
        (&[("price.gte", "10"), ("price.lt", "100.5")], "b"),
        (&[("added.gt", "2026-02-01")], "c"),
        (&[("added.lte", "2026-02-01"), ("text", "deliv")], "a b"),
        (&[("tags.ne", "NEW")], "b c"),
        (&[("id.eq", "a")], "a"),
    ];
    for (parameters, expected) in cases {
        assert_eq!(shop.found(parameters), expected, "{parameters:?}");
    }
    let (status, answer) = shop.asked(&[("title.gt", "a")]);
    assert!(status == 400 && answer.to_string().contains("`title` cannot be compared"), "{answer}");
}
