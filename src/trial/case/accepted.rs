//! An outcome as a case says it: the text of its `then`.

use std::collections::BTreeMap;

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use serde_json::Value;
use serde_json::value::RawValue;

use super::observed::Observed;
use crate::config::{Case, Sought};

/// Of an answer's freshness, what a case says where it names nothing.
const FRESHNESS: [&str; 2] = ["state", "incomplete"];

#[derive(Serialize)]
struct Written<'a> {
    then: ThenWritten<'a>,
}

#[derive(Serialize)]
struct ThenWritten<'a> {
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    rows: BTreeMap<&'a str, Vec<Members>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    parked: Vec<Members>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    search: BTreeMap<&'a str, Vec<SearchWritten<'a>>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    queries: BTreeMap<&'a str, Vec<AnswerWritten<'a>>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    freshness: BTreeMap<&'a str, Members>,
}

#[derive(Serialize)]
struct AnswerWritten<'a> {
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    params: &'a BTreeMap<String, String>,
    rows: Vec<Members>,
}

#[derive(Serialize)]
struct SearchWritten<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    query: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    hits: Vec<Members>,
}

/// A row with its columns in their order.
struct Members(Vec<(String, Value)>);

impl Serialize for Members {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        self.0.iter().try_for_each(|(name, value)| map.serialize_entry(name, value))?;
        map.end()
    }
}

/// What a case would say of this outcome, of all that it says something of: rows whole, parked events without their details,
/// hits by their keys, answers whole, and of freshness what it names.
///
/// # Errors
/// YAML cannot hold it.
pub(super) fn accepted(case: &Case, observed: &Observed) -> Result<String, serde_yaml::Error> {
    let mut then = ThenWritten {
        rows: BTreeMap::new(),
        parked: Vec::new(),
        search: BTreeMap::new(),
        queries: BTreeMap::new(),
        freshness: BTreeMap::new(),
    };
    for (name, rows) in case.then.rows.keys().filter_map(|name| observed.relations.get_key_value(name)) {
        then.rows.insert(name, rows.rows.iter().map(|row| members(row, &rows.columns)).collect());
    }
    for parked in &observed.parked {
        let known = [
            ("source", Some(Value::from(&*parked.source))),
            ("sequence", Some(Value::from(parked.sequence))),
            ("projection", parked.projection.clone().map(Value::from)),
            ("reason", Some(Value::from(parked.reason))),
            ("pointer", parked.pointer.clone().map(Value::from)),
        ];
        let known = known.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
        then.parked.push(Members(known.collect()));
    }
    for (name, sought, hits) in &observed.hits {
        let key = observed.relations.get(name).map(|rows| rows.key.as_slice()).unwrap_or_default();
        let hits = hits.iter().map(|hit| members(hit, key)).collect();
        then.search.entry(name).or_default().push(match sought {
            Sought::Query(query) => SearchWritten { query: Some(query), text: None, hits },
            Sought::Text(text) => SearchWritten { query: None, text: Some(text), hits },
        });
    }
    for (name, params, answer) in &observed.answers {
        let rows = answer.rows.iter().map(|row| members(row, &answer.columns)).collect();
        then.queries.entry(name).or_default().push(AnswerWritten { params, rows });
    }
    for (name, freshness) in &observed.freshness {
        // What an author does not name is mostly about the moment.
        let named: Vec<&str> =
            case.then.freshness.get(name).into_iter().flatten().map(|(member, _)| member.as_str()).collect();
        let named = if named.is_empty() { FRESHNESS.to_vec() } else { named };
        let members = named.into_iter().filter_map(|member| Some((member.to_owned(), freshness.get(member)?.clone())));
        then.freshness.insert(name, Members(members.collect()));
    }
    serde_yaml::to_string(&Written { then })
}

fn members(row: &RawValue, columns: &[String]) -> Members {
    let mut values: BTreeMap<String, Value> = serde_json::from_str(row.get()).unwrap_or_default();
    Members(columns.iter().filter_map(|name| values.remove_entry(name)).collect())
}
