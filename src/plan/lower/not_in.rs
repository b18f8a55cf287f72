//! `NOT IN (SELECT …)` over values that can be NULL.
//!
//! A NULL in the subquery makes every comparison unknown, so that no row comes out; a NULL on the left is unknown as
//! soon as the subquery has any row. Anti joins say both: one on the value, one without a key against the subquery's
//! NULLs, and one of the left NULLs against all of its rows.

use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use datafusion::common::DFSchema;
use datafusion::logical_expr::{self as logical, Expr};

use super::join::lower_join;
use super::{Edge, Lowering, physical};
use crate::circuit::{JoinSpec, Lonely, Map, Operator};
use crate::plan::Refusal;
use crate::plan::facts::fallible::can_fail;
use crate::plan::facts::not_null::never_null;

impl Lowering<'_> {
    /// An anti join that DataFusion calls aware of NULLs.
    pub(super) fn not_in(&mut self, join: &logical::Join) -> Result<Edge, Refusal> {
        let [(left_key, right_key)] = join.on.as_slice() else { return Err(correlated()) };
        if join.filter.is_some() {
            return Err(correlated());
        }
        let (left, right) = (self.plan(&join.left)?, self.plan(&join.right)?);
        let (left_schema, right_schema) = (join.left.schema(), join.right.schema());
        let mut unmatched = self.join(lower_join(join)?, left, right)?;
        if !never_null(right_key, &join.right) {
            let nulls = self.without_columns(right, Some(&right_key.clone().is_null()), right_schema)?;
            unmatched = self.join(without_key(&self.schema(unmatched)), unmatched, nulls)?;
        }
        if never_null(left_key, &join.left) {
            return Ok(unmatched);
        }
        let schema = self.schema(unmatched);
        let part = |lowering: &mut Self, condition: Expr| {
            let can_fail = can_fail(&condition, left_schema);
            let filter = physical(&[condition], left_schema)?.pop();
            let map = Map { filter, columns: None, schema: schema.clone(), can_fail };
            Ok::<Edge, Refusal>(lowering.add(Operator::Map(map), unmatched, schema.clone()))
        };
        let known = part(self, left_key.clone().is_not_null())?;
        let unknown = part(self, left_key.clone().is_null())?;
        let any = self.without_columns(right, None, right_schema)?;
        let unknown = self.join(without_key(&schema), unknown, any)?;
        Ok(self.union(&[known, unknown], schema))
    }

    /// The rows that pass a filter, without their columns.
    fn without_columns(&mut self, input: Edge, condition: Option<&Expr>, rows: &DFSchema) -> Result<Edge, Refusal> {
        let filter = condition.map(|condition| physical(std::slice::from_ref(condition), rows)).transpose()?;
        let can_fail = condition.is_some_and(|condition| can_fail(condition, rows));
        let schema = nothing();
        let filter = filter.and_then(|mut filter| filter.pop());
        let map = Map { filter, columns: Some(Vec::new()), schema: schema.clone(), can_fail };
        Ok(self.add(Operator::Map(map), input, schema))
    }
}

/// The left rows as long as the right side has none.
fn without_key(left: &SchemaRef) -> JoinSpec {
    JoinSpec {
        left: left.clone(),
        right: nothing(),
        left_keys: Vec::new(),
        right_keys: Vec::new(),
        key_types: Vec::new(),
        null_equals_null: false,
        condition: None,
        pairs: false,
        left_lonely: Lonely::Anti,
        right_lonely: Lonely::Dropped,
        schema: left.clone(),
    }
}

fn nothing() -> SchemaRef {
    Arc::new(Schema::empty())
}

fn correlated() -> Refusal {
    Refusal::new("a correlated NOT IN over values that can be NULL is not kept incrementally")
        .hint("use NOT EXISTS, or exclude NULLs on both sides with IS NOT NULL")
}
