//! The policies of relations, as they are declared.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::common::DataFusionError;
use datafusion::execution::SessionState;
use datafusion::logical_expr::Expr;
use xxhash_rust::xxh3::Xxh3Default;

use super::claims::Claims;
use super::permit::Permit;

/// The policies of all relations that have some. Cheap to clone.
#[derive(Clone, Default)]
pub struct Policies(Option<Arc<Declared>>);

struct Declared {
    /// All relations that are declared.
    relations: BTreeSet<String>,
    by_relation: BTreeMap<String, RelationPolicy>,
    /// What plans their expressions.
    state: SessionState,
}

/// Which rows of a relation are seen, and what of them. A row is seen if all filters hold of it.
#[derive(Debug, Clone, Default, Hash)]
pub struct RelationPolicy {
    pub filters: Vec<RowFilter>,
    /// What is seen in the place of a column, by its name.
    pub masks: BTreeMap<String, Expr>,
}

/// A condition on the rows of one relation, with claims of the caller in it.
#[derive(Debug, Clone, Hash)]
pub struct RowFilter {
    pub policy: String,
    pub condition: Expr,
}

/// Why a caller sees nothing of a relation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    #[error("{by} of `{relation}` asks for the claim `{claim}`, which you do not have, or not with one value")]
    MissingClaim { relation: String, by: String, claim: String },
    #[error("`{relation}` is not declared any more, so nothing says who may see it")]
    Undeclared { relation: String },
    #[error("{by} does not fit the rows of `{relation}` that are served: {cause}")]
    DoesNotFit { relation: String, by: String, cause: String },
}

impl Policies {
    /// The policies of some of the `relations` that are declared; `state` knows the functions in the expressions.
    ///
    /// A relation that is declared no longer and still served has none that anybody knows. It is nobody's then.
    pub fn new(
        by_relation: BTreeMap<String, RelationPolicy>,
        relations: BTreeSet<String>,
        state: SessionState,
    ) -> Self {
        Self((!by_relation.is_empty()).then(|| Arc::new(Declared { relations, by_relation, state })))
    }

    /// Whether there are none: everybody sees everything.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Whether something of this relation is hidden from somebody.
    pub fn guard(&self, relation: &str) -> bool {
        self.0.as_ref().is_some_and(|declared| {
            declared.by_relation.contains_key(relation) || !declared.relations.contains(relation)
        })
    }

    /// What a caller sees of a relation with these columns; none where that is everything.
    ///
    /// # Errors
    /// If a claim is missing that decides it, or a column is.
    pub fn permit(&self, relation: &str, claims: &Claims, schema: &SchemaRef) -> Result<Option<Permit>, Denied> {
        let Some(declared) = &self.0 else { return Ok(None) };
        let Some(policy) = declared.by_relation.get(relation) else {
            return match declared.relations.contains(relation) {
                true => Ok(None),
                false => Err(Denied::Undeclared { relation: relation.to_owned() }),
            };
        };
        Permit::of(relation, policy, claims, schema, &declared.state).map(Some)
    }

    /// A number of all that decides what somebody with these claims sees of a relation.
    pub fn fingerprint(&self, relation: &str, claims: &Claims) -> u64 {
        let policy = self.0.as_ref().and_then(|declared| declared.by_relation.get(relation));
        let mut hasher = Xxh3Default::default();
        (relation, claims, policy).hash(&mut hasher);
        hasher.finish()
    }
}

impl Denied {
    pub(super) fn unfit(relation: &str, by: &str, error: &DataFusionError) -> Self {
        let cause = error.strip_backtrace();
        Self::DoesNotFit { relation: relation.to_owned(), by: by.to_owned(), cause }
    }
}

impl fmt::Debug for Policies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.0.as_ref().map(|declared| declared.by_relation.keys().collect::<Vec<_>>());
        f.debug_tuple("Policies").field(&names.unwrap_or_default()).finish()
    }
}
