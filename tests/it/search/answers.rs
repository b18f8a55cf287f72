//! What answers hold beside the hits: counts, orders, and documents like others.

use super::*;

const FIELDS: &str = "{title: {type: text, tokenizer: en_stem}, status: {type: keyword, facet: true, sort: true}, \
                      price: {sort: true}, added: {sort: true}, tags: {type: keyword, facet: true}}";

fn shop() -> Shop {
    let mut items = [
        item("a", "red running shoes for winter", "", "NEW"),
        item("b", "blue running shoes for summer", "", "DONE"),
        item("c", "wool hat for winter", "", "DONE"),
        item("d", "straw hat for summer", "", "NEW"),
        item("e", "tin opener", "", "DONE"),
    ];
    let more = [("9.99", "2025-12-31"), ("10.00", "2026-01-01"), ("49.99", "2026-01-31"), ("50", "2026-02-01")];
    for (item, (price, added)) in items.iter_mut().zip(more) {
        item["price"] = json!(price);
        item["added"] = json!(added);
        item["tags"] = json!([item["status"], "all"]);
    }
    Shop::open(FIELDS, &items)
}

#[test]
fn everything_is_counted_where_nothing_is_looked_for() {
    let shop = shop();
    let (_, answer) = shop.asked(&[("facet", "status,tags"), ("pageSize", "1")]);
    assert_eq!(answer["total"], 5);
    assert_eq!(answer["facets"]["status"], json!([{"value": "DONE", "count": 3}, {"value": "NEW", "count": 2}]));
    assert_eq!(answer["facets"]["tags"][0], json!({"value": "all", "count": 4}));
    assert_eq!(shop.found(&[]), "a b c d e", "in the order of the key");
}

#[test]
fn numbers_and_dates_are_counted_by_ranges() {
    let shop = shop();
    let counted = |parameters: &[(&str, &str)], column: &str| {
        let (status, answer) = shop.asked(parameters);
        assert_eq!(status, 200, "{answer}");
        answer["ranges"][column].clone()
    };
    assert_eq!(
        counted(&[("facet.price", "10,50")], "price"),
        json!([{"to": "10", "count": 1}, {"from": "10", "to": "50", "count": 2}, {"from": "50", "count": 1}])
    );
    assert_eq!(
        counted(&[("facet.added", "month")], "added"),
        json!([
            {"from": "2025-12-01", "to": "2026-01-01", "count": 1},
            {"from": "2026-01-01", "to": "2026-02-01", "count": 2},
            {"from": "2026-02-01", "to": "2026-03-01", "count": 1},
        ])
    );
    assert_eq!(
        counted(&[("facet.added", "year"), ("text", "winter")], "added"),
        json!([{"from": "2025-01-01", "to": "2026-01-01", "count": 1}, {"from": "2026-01-01", "to": "2027-01-01", "count": 1}])
    );
    assert_eq!(counted(&[("facet.added", "day")], "added")[0]["to"], "2026-01-01");
    assert_eq!(
        counted(&[("facet.added", "2026-01-31")], "added"),
        json!([{"to": "2026-01-31", "count": 2}, {"from": "2026-01-31", "count": 2}])
    );
    for (column, cuts, why) in [
        ("price", "50,10", "must ascend"),
        ("price", "cheap", "`cheap` is no value of `price`"),
        ("price", "month", "has no days, months and years"),
        ("status", "A,B", "cannot be counted by ranges"),
        ("title", "a", "cannot be counted by ranges"),
    ] {
        let (status, answer) = shop.asked(&[(&format!("facet.{column}"), cuts)]);
        assert!(status == 400 && answer.to_string().contains(why), "{column} {cuts}: {answer}");
    }
}

#[test]
fn hits_are_sorted_by_several_columns() {
    let shop = shop();
    for (sort, expected) in [
        ("status,-price", "c b e d a"),
        ("-status,price", "a d b c e"),
        ("status,-added,price", "c b e d a"),
        ("price", "a b c d e"),
        ("-price", "d c b a e"),
    ] {
        assert_eq!(shop.found(&[("sort", sort)]), expected, "{sort}");
    }
    let (status, answer) = shop.asked(&[("sort", "status,price,added,-status,-price")]);
    assert!(status == 400 && answer.to_string().contains("at most 4"), "{answer}");
}

#[test]
fn documents_like_another_are_found() {
    let shop = shop();
    // Shoes first, by two words; then what is for winter.
    assert_eq!(shop.found(&[("like", "a")]).split(' ').next(), Some("b"));
    assert_eq!(shop.found(&[("like", "a"), ("status", "DONE")]), "b c");
    assert_eq!(shop.found(&[("like", "e")]), "", "nothing is like it");
    for key in ["nobody", "a,b"] {
        let (status, answer) = shop.asked(&[("like", key)]);
        assert!(status == 400 && answer.to_string().contains(key), "{answer}");
    }
}
