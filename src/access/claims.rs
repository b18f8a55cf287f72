//! What is known of a caller, by name.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// Nested claims are named with dots between: `realm_access.roles`. Further ones are left out.
const DEPTH_MAX: usize = 4;

/// The claim that has the roles.
const ROLES: &str = "roles";

/// What somebody trustworthy says of a caller.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Claims(BTreeMap<String, Claim>);

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Claim {
    /// A number or a truth value is its text.
    One(String),
    Several(Vec<String>),
}

impl Claims {
    /// Those of a JSON object. A null is no claim.
    pub fn of_json(object: &serde_json::Map<String, Value>) -> Self {
        let (mut claims, mut several) = (Self::default(), BTreeSet::new());
        claims.take("", object, 0, &mut several);
        // `a.b` written out and `b` within `a` have one name: neither is believed.
        claims.0.retain(|name, _| !several.contains(name));
        claims
    }

    fn take(
        &mut self,
        prefix: &str,
        object: &serde_json::Map<String, Value>,
        depth: usize,
        several: &mut BTreeSet<String>,
    ) {
        for (name, value) in object {
            let name = format!("{prefix}{name}");
            let claim = match value {
                Value::Object(inner) if depth < DEPTH_MAX => {
                    self.take(&format!("{name}."), inner, depth + 1, several);
                    continue;
                }
                Value::Array(values) => Some(Claim::Several(values.iter().filter_map(text).collect())),
                value => text(value).map(Claim::One),
            };
            let Some(claim) = claim else { continue };
            if self.0.insert(name.clone(), claim).is_some() {
                several.insert(name);
            }
        }
    }

    /// Adds a claim; a name that is there already has several values then.
    pub fn add(&mut self, name: impl Into<String>, value: impl Into<String>) {
        let (name, value) = (name.into(), value.into());
        let before = match self.0.remove(&name) {
            None => return drop(self.0.insert(name, Claim::One(value))),
            Some(Claim::One(one)) => vec![one],
            Some(Claim::Several(values)) => values,
        };
        let values = before.into_iter().chain([value]).collect();
        self.0.insert(name, Claim::Several(values));
    }

    /// Makes another claim that of the roles. Without it there are none, whatever else calls itself so.
    pub fn use_as_roles(&mut self, name: &str) {
        let claim = self.0.get(name).cloned();
        self.0.remove(ROLES);
        if let Some(claim) = claim {
            self.0.insert(ROLES.to_owned(), claim);
        }
    }

    /// Who has no roles has none of them.
    pub fn has_role(&self, role: &str) -> bool {
        self.all(ROLES).unwrap_or_default().iter().any(|own| own == role)
    }

    /// The one value of a claim; none where it is not there, or has several.
    pub fn one(&self, name: &str) -> Option<&str> {
        match self.0.get(name)? {
            Claim::One(value) => Some(value),
            Claim::Several(_) => None,
        }
    }

    /// All values of a claim; none where it is not there.
    pub fn all(&self, name: &str) -> Option<&[String]> {
        match self.0.get(name)? {
            Claim::One(value) => Some(std::slice::from_ref(value)),
            Claim::Several(values) => Some(values),
        }
    }
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn claims_of_json_are_texts_and_lists_of_them() {
        let json = json!({
            "tenant": "a", "level": 3, "vip": true, "gone": null, "roles": ["x", 1, null, {"y": 1}],
            "realm_access": {"roles": ["officer"], "more": {"name": "b"}},
        });
        let claims = Claims::of_json(json.as_object().unwrap_or(&serde_json::Map::new()));
        assert_eq!(claims.one("tenant"), Some("a"));
        assert_eq!((claims.one("level"), claims.one("vip"), claims.one("gone")), (Some("3"), Some("true"), None));
        assert_eq!(claims.all("roles"), Some(&["x".to_owned(), "1".to_owned()][..]));
        assert_eq!(claims.one("roles"), None, "a list is not one value");
        assert_eq!(claims.all("realm_access.roles"), Some(&["officer".to_owned()][..]));
        assert_eq!(claims.one("realm_access.more.name"), Some("b"));
    }

    #[test]
    fn nothing_else_passes_for_a_claim() {
        let of = |json: Value| Claims::of_json(json.as_object().unwrap_or(&serde_json::Map::new()));
        let twice = of(json!({"a.b": "x", "a": {"b": "y", "c": "z"}}));
        assert_eq!((twice.one("a.b"), twice.one("a.c")), (None, Some("z")));
        let mut claims = of(json!({"roles": ["operator"]}));
        claims.use_as_roles("realm_access.roles");
        assert!(!claims.has_role("operator"));
        let mut claims = of(json!({"roles": ["operator"]}));
        claims.use_as_roles("roles");
        assert!(claims.has_role("operator"));
    }

    #[test]
    fn a_claim_that_is_added_again_has_several_values() {
        let mut claims = Claims::default();
        claims.add("roles", "a");
        assert_eq!(claims.one("roles"), Some("a"));
        claims.add("roles", "b");
        assert_eq!((claims.one("roles"), claims.all("roles").map(<[_]>::len)), (None, Some(2)));
    }
}
