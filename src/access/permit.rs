//! What one caller sees of one relation, and the look that it takes at rows before anybody else does.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, RecordBatchOptions, new_null_array};
use arrow::compute::{concat, filter_record_batch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use datafusion::common::{Column, DFSchema, DataFusionError, Result};
use datafusion::execution::SessionState;
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::utils::split_conjunction_owned;
use datafusion::logical_expr::{Expr, ExprSchemable, lit};
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::sql::unparser::Unparser;

use super::claims::Claims;
use super::functions::{unknown_claim, with_claims};
use super::policies::{Denied, RelationPolicy};

/// The conditions that hold of the rows that a caller sees, and what they see in the place of masked columns.
#[derive(Debug, Clone)]
pub struct Permit {
    names: Vec<String>,
    /// Each true of every row that is seen.
    conditions: Vec<Expr>,
    /// The policy of each, by its place in the names.
    of_policies: Vec<usize>,
    /// By the index of the column.
    masks: BTreeMap<usize, Expr>,
    /// Of the rows as they are kept.
    kept: SchemaRef,
    /// Of the rows as they are seen: what is masked may be NULL.
    seen: SchemaRef,
    state: SessionState,
}

/// Looks at rows with some columns, and gives the ones that are seen.
#[derive(Debug, Clone)]
pub struct Permitted {
    /// The columns that it needs, in this order.
    pub columns: Vec<usize>,
    conditions: Vec<Arc<dyn PhysicalExpr>>,
    outputs: Vec<Arc<dyn PhysicalExpr>>,
    /// Of what it gives.
    pub schema: SchemaRef,
}

impl Permit {
    pub(super) fn of(
        relation: &str,
        policy: &RelationPolicy,
        claims: &Claims,
        kept: &SchemaRef,
        state: &SessionState,
    ) -> Result<Self, Denied> {
        let schema = DFSchema::try_from(kept.as_ref().clone());
        let schema = schema.map_err(|error| Denied::unfit(relation, "a policy", &error))?;
        let known = |by: &str, expr: &Expr| {
            let expr = known(expr, claims, &schema, state).map_err(|error| Denied::unfit(relation, by, &error))?;
            match unknown_claim(&expr) {
                None => Ok(expr),
                Some(claim) => Err(Denied::MissingClaim { relation: relation.to_owned(), by: by.to_owned(), claim }),
            }
        };
        let (mut conditions, mut of_policies) = (Vec::new(), Vec::new());
        for (place, filter) in policy.filters.iter().enumerate() {
            let condition = known(&format!("the policy `{}`", filter.policy), &filter.condition)?;
            for condition in split_conjunction_owned(condition).into_iter().filter(|one| *one != lit(true)) {
                conditions.push(condition);
                of_policies.push(place);
            }
        }
        let (mut masks, mut fields) = (BTreeMap::new(), kept.fields().to_vec());
        for (column, mask) in &policy.masks {
            let by = format!("the mask of `{column}`");
            let index = kept.index_of(column);
            let index = index.map_err(|error| Denied::unfit(relation, &by, &error.into()))?;
            let field = kept.field(index);
            let shown = known(&by, mask)?.cast_to(field.data_type(), &schema);
            let shown = shown.map_err(|error| Denied::unfit(relation, &by, &error))?;
            // The mask leaves this caller the column as it is.
            if matches!(&shown, Expr::Column(same) if same.name == *column) {
                continue;
            }
            fields[index] = Arc::new(field.clone().with_nullable(true));
            masks.insert(index, shown);
        }
        let seen = Arc::new(Schema::new_with_metadata(fields, kept.metadata().clone()));
        let names = policy.filters.iter().map(|filter| filter.policy.clone()).collect();
        Ok(Self { names, conditions, of_policies, masks, kept: kept.clone(), seen, state: state.clone() })
    }

    /// The policies that it comes from.
    pub fn policies(&self) -> &[String] {
        &self.names
    }

    /// What holds of every row that is seen. An index may look for it: comparing values neither fails nor tells anything.
    pub fn conditions(&self) -> &[Expr] {
        &self.conditions
    }

    /// The policies, each with its conditions in SQL; none where it hides nothing from this caller.
    pub fn explained(&self) -> Vec<(&str, Vec<String>)> {
        let of = |place: usize| {
            let own = self.conditions.iter().zip(&self.of_policies).filter(move |(_, policy)| **policy == place);
            own.map(|(condition, _)| sql(condition)).collect()
        };
        self.names.iter().enumerate().map(|(place, name)| (name.as_str(), of(place))).collect()
    }

    /// The masked columns, each with what is seen in its place, in SQL.
    pub fn masks_explained(&self) -> Vec<(&str, String)> {
        self.masks.iter().map(|(column, mask)| (self.kept.field(*column).name().as_str(), sql(mask))).collect()
    }

    /// Whether every row is seen.
    pub fn sees_every_row(&self) -> bool {
        self.conditions.is_empty()
    }

    /// Whether something else is seen in the place of a column, of which nothing may be found out then.
    pub fn masks(&self, column: usize) -> bool {
        self.masks.contains_key(&column)
    }

    /// The same, where none of these columns is masked: rows are found by them.
    ///
    /// # Errors
    /// If one is.
    pub fn over_key(self, relation: &str, key: &[usize]) -> Result<Self, Denied> {
        match key.iter().find(|column| self.masks(**column)) {
            None => Ok(self),
            Some(column) => {
                let by = format!("the mask of `{}`", self.kept.field(*column).name());
                let cause = "it is part of the key, by which rows are found".to_owned();
                Err(Denied::DoesNotFit { relation: relation.to_owned(), by, cause })
            }
        }
    }

    pub fn masked(&self) -> impl Iterator<Item = usize> + '_ {
        self.masks.keys().copied()
    }

    /// Of the rows as they are seen.
    pub fn schema(&self) -> SchemaRef {
        self.seen.clone()
    }

    /// What looks at rows, to give these columns of them, or all.
    ///
    /// # Errors
    /// If DataFusion cannot compute a condition or a mask.
    pub fn over(&self, projection: Option<&[usize]>) -> Result<Permitted> {
        let all: Vec<usize> = (0..self.kept.fields().len()).collect();
        let wanted = projection.unwrap_or(&all);
        let mut columns: BTreeSet<usize> = wanted.iter().copied().filter(|column| !self.masks(*column)).collect();
        let masks = wanted.iter().filter_map(|column| self.masks.get(column));
        for expr in self.conditions.iter().chain(masks) {
            for column in expr.column_refs() {
                columns.insert(self.kept.index_of(column.name())?);
            }
        }
        let columns: Vec<usize> = columns.into_iter().collect();
        let input = DFSchema::try_from(self.kept.project(&columns)?)?;
        let physical = |expr: &Expr| self.state.create_physical_expr(expr.clone(), &input);
        let outputs = wanted.iter().map(|column| match self.masks.get(column) {
            Some(mask) => physical(mask),
            None => physical(&Expr::Column(Column::new_unqualified(self.kept.field(*column).name()))),
        });
        Ok(Permitted {
            conditions: self.conditions.iter().map(physical).collect::<Result<_>>()?,
            outputs: outputs.collect::<Result<_>>()?,
            schema: Arc::new(self.seen.project(wanted)?),
            columns,
        })
    }
}

/// As it would be written.
fn sql(expr: &Expr) -> String {
    Unparser::default().expr_to_sql(expr).map_or_else(|_| expr.to_string(), |written| written.to_string())
}

/// What an expression is once all is in it that is known of the caller.
fn known(expr: &Expr, claims: &Claims, schema: &DFSchema, state: &SessionState) -> Result<Expr> {
    let context = SimplifyContext::builder()
        .with_schema(Arc::new(schema.clone()))
        .with_config_options(Arc::clone(state.config_options()))
        .build();
    let simplifier = ExprSimplifier::new(context);
    let expr = with_claims(expr.clone(), claims)?;
    simplifier.simplify(simplifier.coerce(expr, schema)?)
}

impl Permitted {
    /// The rows that are seen, as they are seen. `rows` has its `columns`.
    ///
    /// One condition is computed after the other, each over the rows that those before have left, and a mask over the rows that
    /// are seen. A row of which a condition cannot be computed is not seen, and a mask that cannot be computed is NULL: an error would
    /// tell of what is hidden.
    ///
    /// # Errors
    /// If the rows have other columns.
    pub fn look_at(&self, rows: &RecordBatch) -> Result<RecordBatch> {
        let mut rows = rows.clone();
        for condition in &self.conditions {
            if rows.num_rows() == 0 {
                break;
            }
            let holds = by_rows(condition, &rows, &DataType::Boolean)?;
            rows = filter_record_batch(&rows, holds.as_boolean())?;
        }
        let outputs = self.outputs.iter().zip(self.schema.fields());
        let outputs = outputs.map(|(output, field): (_, &Arc<Field>)| by_rows(output, &rows, field.data_type()));
        let options = RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
        Ok(RecordBatch::try_new_with_options(self.schema.clone(), outputs.collect::<Result<_>>()?, &options)?)
    }
}

/// The values of an expression, NULL for each row of which it cannot be computed.
fn by_rows(expr: &Arc<dyn PhysicalExpr>, rows: &RecordBatch, data_type: &DataType) -> Result<ArrayRef> {
    let evaluate = |rows: &RecordBatch| -> Result<ArrayRef> {
        let values = expr.evaluate(rows)?.into_array(rows.num_rows())?;
        match values.data_type() == data_type {
            true => Ok(values),
            false => Err(DataFusionError::Internal(format!("{} is not {data_type}", values.data_type()))),
        }
    };
    match evaluate(rows) {
        Ok(values) => Ok(values),
        Err(_) if rows.num_rows() <= 1 => Ok(new_null_array(data_type, rows.num_rows())),
        Err(_) => {
            // Half by half, so that one row that fails among many costs little.
            let half = rows.num_rows() / 2;
            let first = by_rows(expr, &rows.slice(0, half), data_type)?;
            let second = by_rows(expr, &rows.slice(half, rows.num_rows() - half), data_type)?;
            let both: Result<ArrayRef, ArrowError> = concat(&[&first, &second]);
            Ok(both?)
        }
    }
}

#[cfg(test)]
mod tests;
