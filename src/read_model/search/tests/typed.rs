//! Free text: what is found, in which order.

use tantivy::query::{AllQuery, ConstScoreQuery};

use super::super::snapshot::{Counted, all_of};
use super::super::typed::TextReader;
use super::*;

fn typed(text: &str) -> SearchRequest {
    SearchRequest { text: Some(text.into()), limit: 1_000, ..SearchRequest::default() }
}

fn in_order(pair: &Pair, text: &str) -> Vec<i64> {
    ids(&pair.snapshot().search(&typed(text)).unwrap())
}

#[test]
fn exact_words_come_before_beginnings_and_those_before_typing_errors() {
    let home = tempfile::tempdir().unwrap();
    let notes = ["deliveryman", "dilivery", "delivery", "delivary", "delivering", "deliveries", "other"];
    let orders: Vec<(i64, Order)> = (1..).zip(notes.map(|notes| order(notes, "NEW", 1))).collect();
    let mut pair = Pair::new(home.path());
    // Several segments, the later keys first.
    for order in orders.into_iter().rev() {
        pair.put([order]);
        pair.commit(1);
    }
    assert_eq!(in_order(&pair, "delivery"), [3, 6, 1, 2, 4, 5]);
    assert_eq!(in_order(&pair, "delivery "), [3, 6, 2, 4]);
    let answer = pair.snapshot().search(&typed("delivery")).unwrap();
    let levels: Vec<i32> = answer.hits.iter().map(|hit| hit.score.unwrap() as i32).collect();
    assert_eq!(levels, [5, 4, 3, 2, 2, 2], "the score before the point is how close the words are");
}

#[test]
fn a_stem_is_no_word_with_a_typing_error() {
    let home = tempfile::tempdir().unwrap();
    // The stem of "happily" is "happili".
    let pair = Pair::with(home.path(), [(1, order("happily", "NEW", 1)), (2, order("happier", "NEW", 1))]);
    assert_eq!(in_order(&pair, "happili "), [1], "one letter from the word, not from the stem beside it");
    assert_eq!(in_order(&pair, "appili "), [] as [i64; 0]);
}

#[test]
fn a_random_text_finds_what_a_model_finds() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let words = ["alpha", "alphabet", "beta", "better", "gamma", "gamble", "delta"];
    let home = tempfile::tempdir().unwrap();
    let mut pair = Pair::new(home.path());
    for id in 0..80 {
        let words: Vec<&str> = (0..random.usize(1..4)).map(|_| words[random.usize(0..words.len())]).collect();
        pair.put([(random.i64(0..50), order(&words.join(" "), "NEW", id))]);
        if id % 9 == 0 {
            pair.commit(id as u64 + 1);
        }
    }
    pair.commit(100);
    for _ in 0..200 {
        let mut text: Vec<String> = Vec::new();
        for _ in 0..random.usize(1..4) {
            let mut word = words[random.usize(0..words.len())].to_owned();
            match random.u8(0..5) {
                0 => drop(word.pop()),
                2 => word.truncate(random.usize(1..4)),
                1 => word.insert(random.usize(0..word.len()), 'x'),
                _ => {}
            }
            text.push(word);
        }
        let goes_on = random.bool();
        let is_meant = |place: usize, word: &str| {
            let asked = &text[place];
            let most = match asked.len() {
                0..5 => 0,
                5..8 => 1,
                _ => 2,
            };
            let whole = strsim::osa_distance(asked, word) <= most;
            let begins = (0..=word.len()).any(|end| strsim::osa_distance(asked, &word[..end]) <= most);
            whole || goes_on && place + 1 == text.len() && begins
        };
        let is_found = |order: &Order| {
            let notes = order.notes.clone().unwrap_or_default();
            (0..text.len()).all(|place| notes.split(' ').any(|word| is_meant(place, word)))
        };
        let expected: Vec<i64> = pair.model.iter().filter(|(_, order)| is_found(order)).map(|(id, _)| *id).collect();
        let asked = format!("{}{}", text.join(" "), if goes_on { "" } else { " " });
        // By stems more is found: of these words, none has another one's.
        let mut found = in_order(&pair, &asked);
        found.sort_unstable();
        assert_eq!(found, expected, "{asked}");
    }
}

/// Scores every document that is found, one by one.
fn all_scored(
    snapshot: &SearchSnapshot,
    asked: &SearchRequest,
    permitted: Option<&PermittedKeys>,
) -> (Vec<Scored>, usize) {
    let tokenizers = snapshot.searcher.index().tokenizers();
    let text = asked.text.as_deref().unwrap_or_default();
    let typed = TextReader::new(&snapshot.layout, tokenizers).read(text).unwrap().query;
    let mut clauses = snapshot.restrictions(asked, permitted).unwrap();
    // Beside another clause it is one of several, which are asked for each document.
    clauses.extend([typed, Box::new(ConstScoreQuery::new(Box::new(AllQuery), 0.0))]);
    let found = snapshot.collect(&*all_of(clauses), asked, Counted::default(), permitted.is_some()).unwrap();
    (found.hits.into_iter().map(|hit| (hit.key.unwrap(), hit.score.unwrap())).collect(), found.total)
}

/// An encoded key, and a score.
type Scored = (Vec<u8>, f32);

#[test]
fn the_first_documents_are_those_of_scoring_every_one() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let words = ["alpha", "alphabet", "alphabets", "alpine", "beta", "better", "bet"];
    let home = tempfile::tempdir().unwrap();
    let mut pair = Pair::new(home.path());
    for turn in 0..12 {
        let some = (0..40).map(|_| {
            let notes: Vec<&str> = (0..random.usize(1..5)).map(|_| words[random.usize(0..words.len())]).collect();
            (random.i64(0..200), order(&notes.join(" "), ["NEW", "OLD"][random.usize(0..2)], 1))
        });
        pair.put(some.collect::<Model>());
        let gone: Vec<i64> = pair.model.keys().copied().filter(|_| random.u8(0..20) == 0).collect();
        pair.delete(&gone);
        pair.commit(turn + 1);
    }
    let snapshot = pair.snapshot();
    for _ in 0..300 {
        let texts: Vec<&str> = (0..random.usize(1..3))
            .map(|_| {
                let word = words[random.usize(0..words.len())];
                &word[..random.usize(1..=word.len())]
            })
            .collect();
        let mut asked = SearchRequest { limit: random.usize(0..30), ..typed(&texts.join(" ")) };
        if random.bool() {
            asked.filters = vec![SearchFilter::is("status", "NEW")];
        }
        let permitted: Vec<[ScalarValue; 1]> =
            pair.model.keys().filter(|_| random.bool()).map(|id| [ScalarValue::from(*id)]).collect();
        let permitted = PermittedKeys::new(permitted.iter().map(|key| key.as_slice())).unwrap();
        let permitted = random.bool().then_some(&permitted);
        let answer = match permitted {
            Some(permitted) => snapshot.search_permitted(&asked, permitted).unwrap(),
            None => snapshot.search(&asked).unwrap(),
        };
        let hits = answer.hits.iter().map(|hit| (encode_key(&hit.key).unwrap(), hit.score.unwrap()));
        let (expected, total) = all_scored(&snapshot, &asked, permitted);
        assert_eq!((hits.collect::<Vec<_>>(), answer.total), (expected, total), "{asked:?}");
    }
}
