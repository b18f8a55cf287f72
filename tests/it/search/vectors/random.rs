//! Random products that come, change and go, and a daemon that is started again: at any time the answers are those of a search through
//! all of them by hand.

use super::*;

const WORDS: [&str; 5] = ["red", "green", "hat", "shoe", "coat"];
const ROUNDS: usize = 10;

/// A small whole number each, so that many distances are equal, and none is rounded otherwise than here.
fn vector(random: &mut fastrand::Rng) -> Option<Vec<f64>> {
    match random.u8(0..10) {
        0 => None,
        // One that does not fit.
        1 => Some(vec![1.0; random.usize(0..6)]),
        _ => Some((0..3).map(|_| f64::from(random.i8(-2..3))).collect()),
    }
}

fn some_product(random: &mut fastrand::Rng) -> Product {
    let title = (0..random.usize(1..3)).map(|_| WORDS[random.usize(0..WORDS.len())]).collect::<Vec<_>>().join(" ");
    let status = random.bool().then(|| ["NEW", "OLD"][random.usize(0..2)].to_owned());
    Product { title: Some(title), status, near: vector(random), wide: vector(random) }
}

fn sum(one: &[f64], other: &[f64], term: impl Fn(f64, f64) -> f64) -> f64 {
    one.iter().zip(other).map(|(one, other)| term(*one, *other)).sum()
}

/// None where the two cannot be compared.
fn distance(field: &str, one: &[f64], other: &[f64]) -> Option<f64> {
    if other.len() != one.len() {
        return None;
    }
    if field == "near" {
        return Some(sum(one, other, |a, b| (a - b) * (a - b)).sqrt());
    }
    let length = |of: &[f64]| sum(of, of, |a, b| a * b).sqrt();
    let lengths = length(one) * length(other);
    (lengths > 0.0).then(|| 1.0 - (sum(one, other, |a, b| a * b) / lengths).clamp(-1.0, 1.0))
}

/// The nearest of those that pass, each with its distance, and how many of them cannot be compared.
fn by_hand(
    store: &Store,
    field: &str,
    from: &[f64],
    k: usize,
    passes: impl Fn(&Product) -> bool,
) -> (Vec<(f64, String)>, usize) {
    let (mut near, mut unfit) = (Vec::new(), 0);
    for (id, product) in store.products.iter().filter(|(_, product)| passes(product)) {
        let Some(own) = (if field == "near" { &product.near } else { &product.wide }) else { continue };
        match distance(field, from, own) {
            Some(distance) => near.push((distance, id.clone())),
            None => unfit += 1,
        }
    }
    near.sort_by(|one, other| one.0.total_cmp(&other.0).then_with(|| one.1.cmp(&other.1)));
    near.truncate(k);
    (near, unfit)
}

/// The order of the sums of 1 / (60 + rank), by hand.
fn fused(words: &[String], near: &[(f64, String)]) -> Vec<String> {
    let mut scores: BTreeMap<&str, f64> = BTreeMap::new();
    let ranked = words.iter().map(String::as_str).enumerate().chain(near.iter().map(|(_, id)| id.as_str()).enumerate());
    for (place, id) in ranked {
        *scores.entry(id).or_default() += 1.0 / (61.0 + place as f64);
    }
    let mut order: Vec<(&str, f64)> = scores.into_iter().collect();
    order.sort_by(|one, other| other.1.total_cmp(&one.1));
    order.into_iter().map(|(id, _)| id.to_owned()).collect()
}

fn check(store: &Store, random: &mut fastrand::Rng) {
    let field = ["near", "wide"][random.usize(0..2)];
    let mut from: Vec<f64> = (0..3).map(|_| f64::from(random.i8(-2..3))).collect();
    from[0] += if from.iter().all(|number| *number == 0.0) { 1.0 } else { 0.0 };
    let k = random.usize(1..20);
    let mut body = json!({"vector": from, "vectorField": field, "k": k, "pageSize": 200, "facet": "status"});
    let is_new = |product: &Product| product.status.as_deref() == Some("NEW");
    let is_red =
        |product: &Product| product.title.as_ref().is_some_and(|title| title.split(' ').any(|one| one == "red"));
    let (near, unfit) = match random.u8(0..4) {
        0 => {
            body["status"] = json!("NEW");
            by_hand(store, field, &from, k, is_new)
        }
        1 => {
            body["filter"] = json!("title:red");
            by_hand(store, field, &from, k, is_red)
        }
        2 => {
            body["filter"] = json!("title:red");
            body["status.in"] = json!(["NEW", "NONE"]);
            by_hand(store, field, &from, k, |product| is_new(product) && is_red(product))
        }
        _ => by_hand(store, field, &from, k, |_| true),
    };
    let answer = store.answer(&body);
    let found = answer["items"].as_array().unwrap();
    let expected: Vec<&str> = near.iter().map(|(_, id)| id.as_str()).collect();
    assert_eq!(ids(&answer), expected.join(" "), "{body}");
    for (hit, (distance, _)) in found.iter().zip(&near) {
        let told = hit["parts"]["vector"]["distance"].as_f64().unwrap();
        assert!((told - distance).abs() < 1e-12, "{body}: {hit} is {distance} away");
    }
    assert_eq!(answer["unfitVectors"].as_u64().unwrap_or(0), unfit as u64, "{body}");
    assert_eq!(answer["total"], json!(near.len()));
    let new = near.iter().filter(|(_, id)| is_new(&store.products[id])).count();
    let counted =
        answer["facets"]["status"].as_array().and_then(|values| values.iter().find(|one| one["value"] == "NEW"));
    assert_eq!(counted.map_or(0, |one| one["count"].as_u64().unwrap()), new as u64, "{answer}");

    // With words: their own order is that of the same search without the vector.
    body["text"] = json!(format!("{} ", WORDS[random.usize(0..WORDS.len())]));
    let mut words = body.clone();
    for name in ["vector", "vectorField", "k"] {
        words[name] = Value::Null;
    }
    words["pageSize"] = json!(k);
    let in_words: Vec<String> = ids(&store.answer(&words)).split_whitespace().map(str::to_owned).collect();
    assert_eq!(ids(&store.answer(&body)), fused(&in_words, &near).join(" "), "{body}");
}

#[test]
fn answers_equal_a_search_through_all_rows() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let mut store = Store::open();
    for round in 0..ROUNDS {
        for _ in 0..random.usize(5..40) {
            let id = format!("p{:02}", random.u8(0..60));
            if random.u8(0..5) == 0 {
                store.delete(&id);
            } else {
                store.put(&id, &some_product(&mut random));
            }
        }
        if round % 4 == 2 {
            check(&store, &mut random);
            store.restart();
        }
        for _ in 0..6 {
            check(&store, &mut random);
        }
    }
}
