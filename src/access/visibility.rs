//! What decides what a caller sees, as a value that can be compared: whoever keeps answers knows by it whose they are.

use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::common::ScalarValue;

use super::functions::Asked;
use super::policies::Policies;

/// What decides which rows, and what of them, a caller sees of some relations: with two that are equal, the same of the same rows.
///
/// It has the policies, the SQL that selected the rows, and of the claims those that the policies ask for: who differs in others sees
/// the same.
#[derive(Debug, Clone)]
pub struct Visibility {
    pub(super) policies: Policies,
    pub(super) claims: BTreeMap<Asked, Option<ScalarValue>>,
    /// By relation: policies of before hold of the rows that were selected by the SQL of before.
    pub(super) selected_by: Vec<(String, Option<Arc<str>>)>,
}

impl Visibility {
    /// Bytes in memory, about; of the policies and of the SQL there is one copy for all.
    pub fn size(&self) -> usize {
        let claims =
            self.claims.iter().map(|(asked, value)| asked.size() + value.as_ref().map_or(0, ScalarValue::size));
        let names = self.selected_by.iter().map(|(name, _)| name.len() + size_of::<(String, Option<Arc<str>>)>());
        size_of::<Self>() + claims.chain(names).sum::<usize>()
    }
}

impl PartialEq for Visibility {
    fn eq(&self, other: &Self) -> bool {
        self.policies.is(&other.policies) && self.claims == other.claims && self.selected_by == other.selected_by
    }
}

impl Eq for Visibility {}

impl Hash for Visibility {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (&self.claims, &self.selected_by).hash(state);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeSet;

    use datafusion::execution::SessionState;
    use datafusion::logical_expr::{Expr, col, lit};
    use datafusion::prelude::{SessionContext, when};

    use super::*;
    use crate::access::{Claims, RelationPolicy, RowFilter, register_claims};

    fn state() -> SessionState {
        let mut context = SessionContext::new();
        register_claims(&mut context).unwrap();
        context.state()
    }

    fn call(name: &str, argument: &str) -> Expr {
        state().scalar_functions()[name].call(vec![lit(argument)])
    }

    /// Of `orders` each caller sees those of their tenant, and officers the e-mail addresses; nothing is hidden of `totals`.
    fn policies() -> Policies {
        let filters =
            vec![RowFilter { policy: "own".to_owned(), condition: col("tenant").eq(call("claim", "tenant")) }];
        let shown = when(call("has_role", "officer"), col("email")).otherwise(lit("***")).unwrap();
        let masks = BTreeMap::from([("email".to_owned(), shown)]);
        let columns = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
        let relations = BTreeMap::from([
            ("orders".to_owned(), columns(&["id", "tenant", "email"])),
            ("totals".to_owned(), columns(&["tenant", "total"])),
        ]);
        Policies::new(BTreeMap::from([("orders".to_owned(), RelationPolicy { filters, masks })]), relations, state())
    }

    fn claims(known: &[(&str, &str)]) -> Claims {
        let mut claims = Claims::default();
        known.iter().for_each(|(name, value)| claims.add(*name, *value));
        claims
    }

    fn of(policies: &Policies, relation: &str, known: &[(&str, &str)]) -> Option<Visibility> {
        policies.visibility([(relation, None)], &claims(known))
    }

    #[test]
    fn callers_are_told_apart_by_the_claims_that_policies_ask_for_and_by_no_others() {
        let policies = policies();
        let one = of(&policies, "orders", &[("tenant", "a"), ("sub", "1")]);
        assert_eq!(one, of(&policies, "orders", &[("tenant", "a"), ("sub", "2"), ("roles", "clerk")]));
        for other in
            [&[("tenant", "b")][..], &[("tenant", "a"), ("roles", "officer")], &[], &[("tenant", "a"), ("tenant", "b")]]
        {
            assert_ne!(one, of(&policies, "orders", other), "{other:?}");
        }
        let unguarded = of(&policies, "totals", &[("tenant", "a")]);
        assert_eq!(unguarded, of(&policies, "totals", &[("tenant", "b")]));
    }

    #[test]
    fn other_policies_and_other_sql_show_something_else() {
        let (one, other, known) = (policies(), policies(), [("tenant", "a")]);
        assert_ne!(of(&one, "orders", &known), of(&other, "orders", &known), "they were declared at another time");
        let selected = |sql: &str| one.visibility([("orders", Some(sql.into()))], &claims(&known));
        assert_eq!(selected("SELECT 1"), selected("SELECT 1"));
        assert_ne!(selected("SELECT 1"), selected("SELECT 2"));
    }

    #[test]
    fn where_nothing_is_hidden_everybody_sees_the_same() {
        assert_eq!(of(&Policies::default(), "orders", &[("tenant", "a")]), None);
    }
}
