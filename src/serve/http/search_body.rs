//! The parameters of a search in a JSON body: each member is a parameter as it stands in a URL.
//!
//! `{"text": "late deliv", "status.in": ["NEW", "PAID"], "total.gte": 10, "vector": [0.12, -0.5], "k": 20}`

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;

use super::parameters::Pairs;
use crate::query::QueryError;

/// The members of an object as they are written, twice what is there twice.
struct Members(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of parameters")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Reader)
    }
}

/// Lists become values with commas between them; a comma within one is escaped.
///
/// # Errors
/// Where the body is no JSON object, or a member is an object or a list of lists.
pub(super) fn parameters(body: &[u8]) -> Result<Pairs, QueryError> {
    let Members(members) =
        serde_json::from_slice(body).map_err(|error| QueryError::invalid(format!("the body: {error}")))?;
    let mut pairs = Vec::with_capacity(members.len());
    for (name, value) in members {
        let text = match &value {
            Value::Null => continue,
            Value::Array(items) => {
                let items = items.iter().map(|item| one(&name, item).map(|text| escaped(&text)));
                items.collect::<Result<Vec<_>, _>>()?.join(",")
            }
            single => one(&name, single)?,
        };
        pairs.push((name, text));
    }
    Ok(pairs)
}

fn one(name: &str, value: &Value) -> Result<String, QueryError> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Bool(_) | Value::Number(_) => Ok(value.to_string()),
        _ => Err(QueryError::invalid(format!(
            "`{name}` in the body is a text, a number, true, false, or a list of those"
        ))),
    }
}

fn escaped(text: &str) -> String {
    text.replace('\\', r"\\").replace(',', r"\,")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn members_are_parameters() {
        let body = br#"{"text": "a, b", "status.in": ["N,1", "\\"], "total.gte": 10.50, "highlight": true, "sort": null, "vector": [1, -0.25]}"#;
        let pairs = parameters(body).unwrap().into_iter().map(|(name, text)| format!("{name}={text}"));
        let pairs: Vec<String> = pairs.collect();
        let expected = ["text=a, b", r"status.in=N\,1,\\", "total.gte=10.5", "highlight=true", "vector=1,-0.25"];
        assert_eq!(pairs, expected);
    }

    #[test]
    fn what_is_no_parameter_is_named() {
        let wrong = |body: &str| parameters(body.as_bytes()).unwrap_err().detail;
        assert!(wrong("[1]").starts_with("the body: "));
        assert!(wrong(r#"{"filters": {"a": 1}}"#).starts_with("`filters` in the body is a text"));
        assert!(wrong(r#"{"vector": [[1]]}"#).starts_with("`vector` in the body is a text"));
    }
}
