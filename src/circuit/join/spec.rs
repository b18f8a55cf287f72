//! What a join computes, decided by the planner.

use std::sync::Arc;

use arrow::datatypes::{DataType, SchemaRef};
use datafusion::physical_expr::PhysicalExpr;

use crate::circuit::CircuitError;

/// A join of two inputs.
#[derive(Debug, Clone)]
pub struct JoinSpec {
    pub left: SchemaRef,
    pub right: SchemaRef,
    /// Key expressions over each side, pairwise of the same type.
    pub left_keys: Vec<Arc<dyn PhysicalExpr>>,
    pub right_keys: Vec<Arc<dyn PhysicalExpr>>,
    pub key_types: Vec<DataType>,
    /// Whether NULL keys match each other.
    pub null_equals_null: bool,
    /// A further condition over the left columns and then the right ones.
    pub condition: Option<Arc<dyn PhysicalExpr>>,
    /// Whether matching pairs come out.
    pub pairs: bool,
    pub left_unmatched: Unmatched,
    pub right_unmatched: Unmatched,
    pub schema: SchemaRef,
}

impl JoinSpec {
    /// Whether every row that comes out is kept: a row whose key is NULL matches nothing and comes out at once, if at all.
    ///
    /// # Errors
    /// If a key cannot be looked at against the side's schema.
    pub(in crate::circuit) fn keeps_all(&self) -> Result<bool, CircuitError> {
        let sides =
            [(self.left_unmatched, &self.left_keys, &self.left), (self.right_unmatched, &self.right_keys, &self.right)];
        for (unmatched, keys, schema) in sides {
            let shows_only_matched = matches!(unmatched, Unmatched::Dropped | Unmatched::Semi);
            let nulls = keys.iter().map(|key| key.nullable(schema)).collect::<Result<Vec<_>, _>>()?;
            if !shows_only_matched && !self.null_equals_null && nulls.contains(&true) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    pub(super) fn name(&self) -> &'static str {
        match (self.left_unmatched, self.right_unmatched) {
            (Unmatched::Dropped, Unmatched::Dropped) => "inner join",
            (Unmatched::Padded, Unmatched::Padded) => "full join",
            (Unmatched::Padded, _) => "left join",
            (_, Unmatched::Padded) => "right join",
            (Unmatched::Semi, _) | (_, Unmatched::Semi) => "semi join",
            (Unmatched::Anti, _) | (_, Unmatched::Anti) => "anti join",
            (Unmatched::Mark, _) | (_, Unmatched::Mark) => "mark join",
        }
    }
}

/// What becomes of one side's rows by whether they have a match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unmatched {
    /// Only pairs come out.
    Dropped,
    /// Without a match a row comes out with NULLs for the other side.
    Padded,
    /// Rows with a match come out, alone.
    Semi,
    /// Rows without a match come out, alone.
    Anti,
    /// All rows come out with a column that says whether they have a match.
    Mark,
}
