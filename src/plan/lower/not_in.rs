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
use super::{Edge, Lowering, Specified, columns, filtered};
use crate::circuit::{JoinSpec, Unmatched};
use crate::config::Code;
use crate::identity::Specification;
use crate::plan::Refusal;
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
            let passing = filtered(&condition, left_schema, schema.clone())?;
            Ok::<Edge, Refusal>(lowering.map(passing, unmatched))
        };
        let known = part(self, left_key.clone().is_not_null())?;
        let unknown = part(self, left_key.clone().is_null())?;
        let any = self.without_columns(right, None, right_schema)?;
        let unknown = self.join(without_key(&schema), unknown, any)?;
        Ok(self.union(&[known, unknown], schema))
    }

    /// The rows that pass a filter, without their columns.
    fn without_columns(&mut self, input: Edge, condition: Option<&Expr>, rows: &DFSchema) -> Result<Edge, Refusal> {
        let passing = match condition {
            Some(condition) => {
                let passing = filtered(condition, rows, self.schema(input))?;
                self.map(passing, input)
            }
            None => input,
        };
        Ok(self.map(columns(&[], rows, nothing())?, passing))
    }
}

/// The left rows as long as the right side has none.
fn without_key(left: &SchemaRef) -> Specified<JoinSpec> {
    let operator = JoinSpec {
        left: left.clone(),
        right: nothing(),
        left_keys: Vec::new(),
        right_keys: Vec::new(),
        key_types: Vec::new(),
        null_equals_null: false,
        condition: None,
        pairs: false,
        left_unmatched: Unmatched::Anti,
        right_unmatched: Unmatched::Dropped,
        schema: left.clone(),
    };
    Specified { operator, specification: Specification::of("anti_join_without_key/1") }
}

fn nothing() -> SchemaRef {
    Arc::new(Schema::empty())
}

fn correlated() -> Refusal {
    Refusal::new(Code::NotKept, "a correlated NOT IN over values that can be NULL is not kept incrementally")
        .hint("use NOT EXISTS, or exclude NULLs on both sides with IS NOT NULL")
}
