//! The policies of relations, as they are declared.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::common::{DataFusionError, ScalarValue};
use datafusion::execution::SessionState;
use datafusion::logical_expr::{Expr, lit};

use super::claims::Claims;
use super::functions::asked;
use super::permit::Permit;
use super::visibility::Visibility;

/// The policies of all relations that have some. Cheap to clone.
#[derive(Clone, Default)]
pub struct Policies(Option<Arc<Declared>>);

#[derive(Clone)]
struct Declared {
    /// All relations that are declared, each with its columns.
    relations: BTreeMap<String, BTreeSet<String>>,
    by_relation: BTreeMap<String, RelationPolicy>,
    /// What held of rows that go on serving though others are declared, each with the SQL that selected them.
    former: BTreeMap<String, (Arc<str>, RelationPolicy)>,
    /// Whether something is hidden, or was until the configuration was read again.
    is_strict: bool,
    /// What plans their expressions.
    state: SessionState,
}

/// Which rows of a relation are seen, and what of them. A row is seen if all filters hold of it.
#[derive(Debug, Clone, Default)]
pub struct RelationPolicy {
    pub filters: Vec<RowFilter>,
    /// What is seen in the place of a column, by its name.
    pub masks: BTreeMap<String, Expr>,
}

/// A condition on the rows of one relation, with claims of the caller in it.
#[derive(Debug, Clone)]
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
    /// The policies of some of the `relations` that are declared, each with its columns; `state` knows the functions in the
    /// expressions.
    pub fn new(
        by_relation: BTreeMap<String, RelationPolicy>,
        relations: BTreeMap<String, BTreeSet<String>>,
        state: SessionState,
    ) -> Self {
        let is_strict = !by_relation.is_empty();
        Self(Some(Arc::new(Declared { relations, by_relation, former: BTreeMap::new(), is_strict, state })))
    }

    /// The same after others that were declared before. What those hid of relations that select other rows by now stays hidden of the
    /// rows of before, which the new policies are not about: of those that serve meanwhile, and come back with a rollback. `declared` and
    /// `served` are the SQL of each.
    #[must_use]
    pub fn after(
        self,
        before: &Policies,
        declared: &BTreeMap<&str, &str>,
        served: &BTreeMap<String, Arc<str>>,
    ) -> Self {
        let (Some(own), Some(before)) = (&self.0, &before.0) else { return self };
        let mut own = Declared::clone(own);
        own.is_strict |= before.is_strict;
        let is_declared = |relation: &str, sql: &str| declared.get(relation).is_some_and(|now| *now == sql);
        let former = before.former.iter().filter(|(relation, (sql, _))| !is_declared(relation, sql));
        own.former = former.map(|(relation, former)| (relation.clone(), former.clone())).collect();
        for (relation, sql) in served.iter().filter(|(relation, sql)| !is_declared(relation, sql)) {
            let is_known = own.former.get(relation).is_some_and(|(of, _)| of == sql);
            if let Some(policy) = before.by_relation.get(relation).filter(|_| !is_known) {
                own.former.insert(relation.clone(), (sql.clone(), policy.clone()));
            }
        }
        Self(Some(Arc::new(own)))
    }

    /// Whether there are none: everybody sees everything.
    pub fn is_empty(&self) -> bool {
        self.0.as_ref().is_none_or(|declared| declared.by_relation.is_empty() && declared.former.is_empty())
    }

    /// Whether all of every relation is seen by everybody, also of what is declared no more.
    pub fn hide_nothing(&self) -> bool {
        self.0.as_ref().is_none_or(|declared| !declared.is_strict)
    }

    /// Whether something of this relation is hidden from somebody.
    pub fn guard(&self, relation: &str) -> bool {
        self.0.as_ref().is_some_and(|declared| {
            declared.by_relation.contains_key(relation)
                || declared.former.contains_key(relation)
                || declared.is_strict && !declared.relations.contains_key(relation)
        })
    }

    /// What a caller sees of a relation with these columns, whose rows that SQL has selected; none where that is everything.
    ///
    /// Where something is hidden at all, a column that is not declared any more is NULL, because nothing says any more who may see it; and
    /// so is nothing of a relation that is not declared any more.
    ///
    /// # Errors
    /// If a claim is missing that decides it, or a column is.
    pub fn permit(
        &self,
        relation: &str,
        sql: Option<&str>,
        claims: &Claims,
        schema: &SchemaRef,
    ) -> Result<Option<Permit>, Denied> {
        let Some(declared) = self.0.as_ref().filter(|declared| declared.is_strict) else { return Ok(None) };
        let Some(columns) = declared.relations.get(relation) else {
            return Err(Denied::Undeclared { relation: relation.to_owned() });
        };
        let mut policy = declared.by_relation.get(relation).cloned().unwrap_or_default();
        if let Some((_, former)) = declared.former.get(relation).filter(|(of, _)| sql == Some(&**of)) {
            policy.filters.extend(former.filters.iter().cloned());
            for (column, mask) in &former.masks {
                policy.masks.entry(column.clone()).or_insert_with(|| mask.clone());
            }
        }
        for field in schema.fields().iter().filter(|field| !columns.contains(field.name())) {
            policy.masks.entry(field.name().clone()).or_insert_with(|| lit(ScalarValue::Null));
        }
        if policy.filters.is_empty() && policy.masks.is_empty() {
            return Ok(None);
        }
        Permit::of(relation, &policy, claims, schema, &declared.state).map(Some)
    }

    /// What decides what a caller sees of these relations, each with the SQL that selected its rows; none where all of everything is seen by
    /// everybody.
    pub fn visibility<'a>(
        &self,
        relations: impl IntoIterator<Item = (&'a str, Option<Arc<str>>)>,
        claims: &Claims,
    ) -> Option<Visibility> {
        let declared = self.0.as_ref().filter(|declared| declared.is_strict)?;
        let (mut known, mut selected_by) = (BTreeMap::new(), Vec::new());
        for (relation, sql) in relations {
            let former = declared.former.get(relation).map(|(_, former)| former);
            for policy in declared.by_relation.get(relation).into_iter().chain(former) {
                let conditions = policy.filters.iter().map(|filter| &filter.condition);
                conditions.chain(policy.masks.values()).for_each(|expr| asked(expr, claims, &mut known));
            }
            selected_by.push((relation.to_owned(), sql));
        }
        Some(Visibility { policies: self.clone(), claims: known, selected_by })
    }

    /// Whether these are the others themselves, and not as much as declared again.
    pub(super) fn is(&self, other: &Policies) -> bool {
        match (&self.0, &other.0) {
            (Some(own), Some(other)) => Arc::ptr_eq(own, other),
            (None, None) => true,
            _ => false,
        }
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
