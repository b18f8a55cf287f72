//! How good the answers to typed text are: documents of a shop's help pages, and queries with judgements of ours, typing errors
//! among them. The figures are printed; what is tested is that they do not become worse.
//!
//! `tests/relevance/queries.tsv` has a kind, a text, and what should be found with how well it fits: 3 is what is looked for, 1
//! what one may look at.

use std::collections::BTreeMap;

use super::*;

const DOCUMENTS: &str = include_str!("../../relevance/documents.tsv");
const QUERIES: &str = include_str!("../../relevance/queries.tsv");
const FIELDS: &str =
    "{title: {type: text, tokenizer: en_stem, weight: 3}, body: {type: text, tokenizer: en_stem}}\nstop_words: english";

#[derive(Default)]
struct Figures {
    queries: usize,
    ndcg: f64,
    /// Queries whose first hit is one of those that are looked for.
    first: usize,
}

/// The discounted gain of grades in this order.
fn gain(grades: impl Iterator<Item = u32>) -> f64 {
    (1..)
        .zip(grades.take(10))
        .map(|(place, grade)| (2_f64.powi(grade as i32) - 1.0) / f64::from(place + 1).log2())
        .sum()
}

#[test]
fn what_is_looked_for_comes_first() {
    let documents: Vec<Value> = DOCUMENTS
        .lines()
        .map(|line| {
            let parts: Vec<&str> = line.split('\t').collect();
            item(parts[0], parts[1], parts[2], "x")
        })
        .collect();
    let shop = Shop::open(FIELDS, &documents);
    let mut figures: BTreeMap<&str, Figures> = BTreeMap::new();
    for line in QUERIES.lines() {
        let parts: Vec<&str> = line.split('\t').collect();
        let judged: BTreeMap<&str, u32> = parts[2]
            .split(' ')
            .map(|judgement| judgement.split_once(':').unwrap())
            .map(|(id, grade)| (id, grade.parse().unwrap()))
            .collect();
        let found = shop.typed(parts[1]);
        let grades: Vec<u32> = found.split(' ').map(|id| judged.get(id).copied().unwrap_or(0)).collect();
        let mut best: Vec<u32> = judged.into_values().collect();
        best.sort_unstable_by(|one, other| other.cmp(one));
        let ndcg = gain(grades.iter().copied()) / gain(best.iter().copied());
        if ndcg < 0.99 {
            println!("{:>10} {ndcg:.2} {:?}: {found}", parts[0], parts[1]);
        }
        for kind in [parts[0], "all"] {
            let figures = figures.entry(kind).or_default();
            figures.queries += 1;
            figures.ndcg += ndcg;
            figures.first += usize::from(grades.first() == Some(&best[0]));
        }
    }
    for (kind, Figures { queries, ndcg, first }) in &figures {
        println!("{kind:>10}: {queries} queries, nDCG@10 {:.3}, first hit right {first}", ndcg / *queries as f64);
    }
    let ndcg = |kind: &str| figures[kind].ndcg / figures[kind].queries as f64;
    assert!(ndcg("all") > 0.9, "{}", ndcg("all"));
    assert!(ndcg("typo") > 0.9, "{}", ndcg("typo"));
}
