//! What the schemas know of one place of a document: the keys and values that can stand there, and what its key means.

use serde_json::Value;

use super::DocumentKind;

/// What can stand at a place, as the schema knows it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Offers {
    /// Keys of a mapping with what they mean.
    pub keys: Vec<(String, String)>,
    /// Values of which one can stand there.
    pub values: Vec<String>,
    /// What the key of the place means.
    pub about: Option<String>,
}

/// What the schema of a kind of documents knows of the place that keys, and indices of items, lead to.
pub fn offers(kind: DocumentKind, path: &[String]) -> Offers {
    let shape = kind.shape();
    let mut about = None;
    let mut places = ways(&shape);
    for part in path {
        let below: Vec<&Value> = places.iter().filter_map(|place| below(place, part)).collect();
        about = below.iter().find_map(|place| place["description"].as_str()).map(str::to_owned);
        places = below.into_iter().flat_map(ways).collect();
    }
    let mut offers = Offers { about, ..Offers::default() };
    for place in places {
        for (name, value) in place["properties"].as_object().into_iter().flatten() {
            let about = value["description"].as_str().unwrap_or_default();
            offers.keys.push((name.clone(), about.to_owned()));
        }
        let constant = place.get("const").into_iter();
        let choices = place["enum"].as_array().into_iter().flatten().chain(constant).filter_map(Value::as_str);
        offers.values.extend(choices.map(str::to_owned));
        if place["type"] == "boolean" {
            offers.values.extend(["true", "false"].map(str::to_owned));
        }
    }
    offers
}

/// A schema, or those of which one has to hold.
fn ways(schema: &Value) -> Vec<&Value> {
    match schema["anyOf"].as_array() {
        Some(each) => each.iter().flat_map(ways).collect(),
        None => vec![schema],
    }
}

/// The schema of a member, or of an item of a list.
fn below<'a>(schema: &'a Value, part: &str) -> Option<&'a Value> {
    let member = schema["properties"].get(part);
    let other = schema.get("additionalProperties").filter(|other| other.is_object());
    let item = || schema.get("items").filter(|_| part.parse::<usize>().is_ok());
    member.or(other).or_else(item)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(kind: DocumentKind, path: &[&str]) -> Offers {
        offers(kind, &path.iter().map(|part| (*part).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn keys_and_values_are_those_of_the_place() {
        let keys = |offers: Offers| offers.keys.into_iter().map(|(name, _)| name).collect::<Vec<_>>().join(" ");
        assert_eq!(at(DocumentKind::Projection, &["kind"]).values, ["table", "search", "view"]);
        assert_eq!(keys(at(DocumentKind::Projection, &["freshness"])), "objective on_stale slo");
        assert_eq!(at(DocumentKind::Projection, &["fields", "name"]).values, ["text", "keyword", "stored", "vector"]);
        assert_eq!(keys(at(DocumentKind::Query, &["params", "city"])), "default type");
        assert_eq!(keys(at(DocumentKind::Case, &["given", "0"])).split(' ').next(), Some("data"));
        assert_eq!(at(DocumentKind::Root, &["nowhere", "at", "all"]), Offers::default());
    }

    #[test]
    fn a_key_has_its_description() {
        let about = at(DocumentKind::Projection, &["freshness", "on_stale"]).about.unwrap_or_default();
        assert!(about.starts_with("`mark` (the default)"), "{about}");
    }
}
