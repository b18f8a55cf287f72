//! The parameters of a search that ask for what is near to a vector.

use super::parameters::{Pairs, take};
use crate::query::QueryError;
use crate::read_model::search::{Fusion, Nearest};

const K_DEFAULT: usize = 100;
const K_MAX: usize = 1_000;
const CONSTANT_MAX: u32 = 10_000;
const WEIGHT_MAX: f64 = 1_000.0;
/// How two orders become one.
const OF_FUSION: [&str; 3] = ["rankConstant", "textWeight", "vectorWeight"];

/// Takes `vector` out, with the parameters that belong to it. `has_words` says whether words are asked for too.
///
/// # Errors
/// Where one is given twice, is no number in its range, or has nothing that it belongs to.
pub(super) fn nearest(pairs: &mut Pairs, has_words: bool) -> Result<Option<Nearest>, QueryError> {
    let vector = take(pairs, "vector")?;
    let (field, k) = (take(pairs, "vectorField")?, take(pairs, "k")?);
    let [constant, words_weight, vector_weight] = OF_FUSION.map(|name| take(pairs, name));
    let of_fusion = [constant?, words_weight?, vector_weight?];
    let Some(vector) = vector else {
        let given = [("vectorField", field.is_some()), ("k", k.is_some())];
        let given = given.into_iter().chain(OF_FUSION.into_iter().zip(of_fusion.iter().map(Option::is_some)));
        return match given.into_iter().find(|(_, is_given)| *is_given) {
            Some((name, _)) => {
                let error = QueryError::invalid(format!("`{name}` belongs to a search with `vector`"));
                Err(error.hint(format!("a column that is called so is filtered by as `{name}.eq`")))
            }
            None => Ok(None),
        };
    };
    if let Some((name, _)) = OF_FUSION.into_iter().zip(&of_fusion).find(|(_, value)| value.is_some() && !has_words) {
        return Err(QueryError::invalid(format!(
            "`{name}` says how words and a vector become one order: add `text`, `q` or `like`, or leave it out"
        )));
    }
    let [constant, words_weight, vector_weight] = &of_fusion;
    let default = Fusion::default();
    let fusion = Fusion {
        constant: number("rankConstant", constant.as_deref(), default.constant, 1, CONSTANT_MAX)?,
        words_weight: weight("textWeight", words_weight.as_deref(), default.words_weight)?,
        vector_weight: weight("vectorWeight", vector_weight.as_deref(), default.vector_weight)?,
    };
    let k = number("k", k.as_deref(), K_DEFAULT, 1, K_MAX)?;
    Ok(Some(Nearest { field, vector: numbers(&vector)?, k, fusion }))
}

fn number<N: std::str::FromStr + PartialOrd + std::fmt::Display>(
    name: &str,
    text: Option<&str>,
    default: N,
    min: N,
    max: N,
) -> Result<N, QueryError> {
    let Some(text) = text else { return Ok(default) };
    let found = text.parse().ok().filter(|number| *number >= min && *number <= max);
    found.ok_or_else(|| QueryError::invalid(format!("{name} is `{text}`; a number from {min} to {max} is possible")))
}

fn weight(name: &str, text: Option<&str>, default: f64) -> Result<f64, QueryError> {
    let Some(text) = text else { return Ok(default) };
    let found = text.parse().ok().filter(|weight| *weight > 0.0 && *weight <= WEIGHT_MAX);
    found.ok_or_else(|| {
        QueryError::invalid(format!("{name} is `{text}`; a number above 0 and up to {WEIGHT_MAX} is possible"))
    })
}

/// `0.1,-2,3e-4`, with or without brackets around it.
fn numbers(text: &str) -> Result<Vec<f32>, QueryError> {
    let bare = text.trim();
    let bare = bare.strip_prefix('[').and_then(|bare| bare.strip_suffix(']')).unwrap_or(bare);
    let read = |(place, text): (usize, &str)| {
        let text = text.trim();
        // Not `inf` and `NaN`, which are floats too.
        let is_written = text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
        let number = text.parse::<f32>().ok().filter(|number| is_written && number.is_finite());
        number.ok_or_else(|| {
            let error = QueryError::invalid(format!("`{text}`, the vector's number {place}, is no number of 32 bits"));
            error.hint("write the numbers with commas between them: `vector=0.12,-0.5,3e-2`")
        })
    };
    (1..).zip(bare.split(',')).map(read).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn read(pairs: &[(&str, &str)], has_words: bool) -> Result<Option<Nearest>, String> {
        let mut pairs: Pairs = pairs.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        nearest(&mut pairs, has_words).map_err(|error| error.detail)
    }

    #[test]
    fn a_vector_is_read_with_what_belongs_to_it() {
        assert_eq!(read(&[("status", "NEW")], false), Ok(None));
        let found = read(&[("vector", "[0.5, -2,3e-1]"), ("k", "5"), ("textWeight", "0.5")], true).unwrap().unwrap();
        assert_eq!((found.vector.as_slice(), found.k, found.field), ([0.5, -2.0, 0.3].as_slice(), 5, None));
        assert_eq!(found.fusion, Fusion { words_weight: 0.5, ..Fusion::default() });
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        let wrong = |pairs: &[(&str, &str)], has_words| read(pairs, has_words).unwrap_err();
        assert_eq!(wrong(&[("k", "5")], true), "`k` belongs to a search with `vector`");
        assert!(wrong(&[("vector", "1"), ("rankConstant", "60")], false).contains("add `text`, `q` or `like`"));
        assert_eq!(wrong(&[("vector", "1"), ("k", "0")], false), "k is `0`; a number from 1 to 1000 is possible");
        assert!(wrong(&[("vector", "1"), ("textWeight", "0")], true).starts_with("textWeight is `0`"));
        for (vector, at) in [("1,,2", 2), ("", 1), ("1,NaN", 2), ("inf", 1), ("1,2,1e39", 3), ("1 2", 1)] {
            assert!(wrong(&[("vector", vector)], false).contains(&format!("number {at},")), "{vector}");
        }
    }
}
