//! Which columns of a version are taken for columns of the next one under another name.
//!
//! It is a guess, and told as one: of the same type, with values or names that are alike enough.

use std::collections::BTreeSet;

use super::column::{Column, Kind};
use super::observed::{Observed, Texts};
use crate::config::snake_case;

/// A column with what was seen in it.
pub(super) type Seen<'a> = (&'a Column, Observed);

/// Related names and values of the same form, or half of the values the same.
const ENOUGH: f64 = 3.0;

/// Pairs of a new name and the old one, of columns that are each the best match of the other.
pub(super) fn renamed(gone: &[Seen<'_>], new: &[Seen<'_>]) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    for (place, one) in new.iter().enumerate() {
        let scores: Vec<f64> = gone.iter().map(|other| score(other, one, gone, new)).collect();
        let Some((best, score_of_best)) = greatest(&scores) else { continue };
        let others: Vec<f64> = new.iter().map(|other| score(&gone[best], other, gone, new)).collect();
        let is_mutual = greatest(&others).is_some_and(|(of_best, _)| of_best == place);
        if score_of_best >= ENOUGH && is_mutual {
            pairs.push((one.0.name.clone(), gone[best].0.name.clone()));
        }
    }
    pairs
}

fn greatest(scores: &[f64]) -> Option<(usize, f64)> {
    // The first of equals.
    scores.iter().copied().enumerate().rev().max_by(|one, other| one.1.total_cmp(&other.1))
}

fn score(old: &Seen<'_>, new: &Seen<'_>, gone: &[Seen<'_>], added: &[Seen<'_>]) -> f64 {
    let kind = &old.0.value.kind;
    if *kind != new.0.value.kind || matches!(kind, Kind::Json | Kind::List(_) | Kind::Map(_) | Kind::Struct(_)) {
        return 0.0;
    }
    let names = if are_related(&old.0.name, &new.0.name) { 2.0 } else { 0.0 };
    let is_only = |seen: &[Seen<'_>]| seen.iter().filter(|(column, _)| column.value.kind == *kind).count() == 1;
    let values = match kind {
        Kind::Text => of_texts(&old.1.texts, &new.1.texts),
        // Times never come again; the only one there and the only one here are likely the same.
        Kind::Timestamp(_) | Kind::Date if is_only(gone) && is_only(added) => 2.0,
        Kind::Bool => 0.0,
        _ => 1.0,
    };
    names + values
}

fn of_texts(old: &Texts, new: &Texts) -> f64 {
    let same = old.values.keys().filter(|value| new.values.contains_key(*value)).count() as f64;
    let (fewer, all) = (old.values.len().min(new.values.len()) as f64, (old.values.len() + new.values.len()) as f64);
    if same > 0.0 && same * 2.0 >= fewer {
        // The more alike two sets are, the better.
        return 3.0 + same / (all - same);
    }
    let forms = |texts: &Texts| texts.values.keys().map(|value| form(value)).collect::<BTreeSet<String>>();
    let is_one_form = forms(old).len() == 1 && forms(old) == forms(new);
    if is_one_form { 1.0 } else { 0.0 }
}

/// A text with every run of letters and of digits as one sign.
fn form(text: &str) -> String {
    let mut form = String::new();
    for c in text.chars() {
        let sign = if c.is_ascii_digit() {
            '9'
        } else if c.is_alphabetic() {
            'a'
        } else {
            c
        };
        if !form.ends_with(sign) {
            form.push(sign);
        }
    }
    form
}

/// Whether names share a word.
fn are_related(one: &str, other: &str) -> bool {
    let words = |name: &str| snake_case(name).split('_').map(str::to_owned).collect::<BTreeSet<_>>();
    let shared: BTreeSet<String> = words(one).intersection(&words(other)).cloned().collect();
    shared.iter().any(|word| word != "id")
}
