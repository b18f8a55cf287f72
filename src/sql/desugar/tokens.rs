//! Words that the parser does not take here and that change nothing: `WITH t AS MATERIALIZED (…)`, for how often a query is computed is
//! ours to decide, and Flink's `TABLE(TUMBLE(TABLE t, …))`, which is `TUMBLE(t, …)`; of a
//! `SESSION(t PARTITION BY a, DESCRIPTOR(time), …)` the columns come last.

use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Whitespace};

/// The tokens without such words.
pub(in crate::sql) fn without_hints(mut tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let places: Vec<usize> =
        (0..tokens.len()).filter(|&at| !matches!(tokens[at].token, Token::Whitespace(_))).collect();
    let (mut left_out, mut sessions) = (Vec::new(), Vec::new());
    for place in 0..places.len() {
        let word = |ahead: usize, word: &str| places.get(place + ahead).is_some_and(|&at| is_word(&tokens[at], word));
        let opens = |ahead: usize| places.get(place + ahead).is_some_and(|&at| tokens[at].token == Token::LParen);
        if word(0, "AS") && word(1, "MATERIALIZED") && opens(2) {
            left_out.push(places[place + 1]);
        }
        if word(0, "AS") && word(1, "NOT") && word(2, "MATERIALIZED") && opens(3) {
            left_out.extend([places[place + 1], places[place + 2]]);
        }
        if word(0, "SESSION") && opens(1) {
            sessions.push(place + 1);
        }
        let is_window =
            |ahead: usize| ["TUMBLE", "HOP", "SESSION"].iter().any(|name| word(ahead, name)) && opens(ahead + 1);
        if is_window(0) && word(2, "TABLE") {
            left_out.push(places[place + 2]);
        }
        if word(0, "TABLE") && opens(1) && is_window(2) && word(4, "TABLE") {
            let Some(end) = closing(&tokens, &places, place + 1) else { continue };
            left_out.extend([places[place], places[place + 1], places[end]]);
        }
    }
    for at in left_out {
        tokens[at].token = Token::Whitespace(Whitespace::Space);
    }
    // From behind, so that the places before them stay.
    for opening in sessions.into_iter().rev() {
        partition_last(&mut tokens, &places, opening);
    }
    tokens
}

/// Puts the columns behind PARTITION BY, which stands between the first argument and `DESCRIPTOR`, behind the last argument.
fn partition_last(tokens: &mut Vec<TokenWithSpan>, places: &[usize], opening: usize) {
    let Some(end) = closing(tokens, places, opening) else { return };
    let word = |place: usize, word: &str| is_word(&tokens[places[place]], word);
    let begins = |place: &usize| word(*place, "PARTITION") && word(place + 1, "BY");
    let Some(words) = (opening..end).find(begins) else { return };
    let ends = |place: &usize| tokens[places[*place]].token == Token::Comma && word(place + 1, "DESCRIPTOR");
    let Some(descriptor) = (words..end).find(ends) else { return };
    let mut columns = tokens[places[words + 1] + 1..places[descriptor]].to_vec();
    for token in &mut tokens[places[words]..places[descriptor]] {
        token.token = Token::Whitespace(Whitespace::Space);
    }
    columns.insert(0, tokens[places[descriptor]].clone());
    tokens.splice(places[end]..places[end], columns);
}

/// The place of the parenthesis that closes the one at a place.
fn closing(tokens: &[TokenWithSpan], places: &[usize], opening: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (place, &at) in places.iter().enumerate().skip(opening) {
        match tokens[at].token {
            Token::LParen => depth += 1,
            Token::RParen => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(place);
        }
    }
    None
}

fn is_word(token: &TokenWithSpan, word: &str) -> bool {
    matches!(&token.token, Token::Word(found) if found.quote_style.is_none() && found.value.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use datafusion::sql::sqlparser::tokenizer::Tokenizer;

    use super::*;
    use crate::sql::dialect::Postgres;

    fn check(sql: &str, expected: &str) {
        let tokens = without_hints(Tokenizer::new(&Postgres, sql).tokenize_with_location().unwrap());
        let text: String = tokens.iter().map(|token| token.token.to_string()).collect();
        assert_eq!(text.split_whitespace().collect::<Vec<_>>().join(" "), expected);
    }

    #[test]
    fn words_that_change_nothing_are_left_out() {
        check("WITH t AS MATERIALIZED (SELECT 1) SELECT 1", "WITH t AS (SELECT 1) SELECT 1");
        check("WITH t AS NOT MATERIALIZED (SELECT 1) SELECT 1", "WITH t AS (SELECT 1) SELECT 1");
        check("SELECT a AS materialized FROM t", "SELECT a AS materialized FROM t");
        check("FROM TABLE(TUMBLE(TABLE t, f(a), i)) AS w", "FROM TUMBLE( t, f(a), i) AS w");
        check("FROM TABLE(f(t))", "FROM TABLE(f(t))");
        check(
            "FROM TABLE(SESSION(TABLE t PARTITION BY a, b, DESCRIPTOR(c), i)) w",
            "FROM SESSION( t , DESCRIPTOR(c), i, a, b) w",
        );
        check("SESSION(t, c, i) SESSION(t PARTITION BY a)", "SESSION(t, c, i) SESSION(t PARTITION BY a)");
    }
}
