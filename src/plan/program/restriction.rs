//! Restricts a batch to a share of the keys of its result.
//!
//! The restriction is a condition over the key columns on top of the plan. DataFusion moves it down as far as the result stays what it
//! is; where it reaches the scan of a relation, rows outside the share are of no use to the batch. Where it comes to the computation of
//! a key that can fail, it could meet rows that another condition leaves out. A key of constants names no column, so that DataFusion
//! moves its restriction below the aggregate of a grand total too, which has a row whatever is left out, and leaves the restriction out
//! with the aggregate if nobody reads the total. Of such plans the result is restricted instead.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, DataFusionError, Result, exec_err};
use datafusion::execution::context::ExecutionProps;
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{
    ColumnarValue, Expr, Filter, LogicalPlan, LogicalPlanBuilder, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
    Signature, TableScan, Volatility,
};
use datafusion::physical_expr::{PhysicalExpr, create_physical_expr};

use crate::plan::facts::fallible::can_fail;
use crate::state::KeyShare;

/// `in_share(key, …)`: whether a key is in the share.
#[derive(Debug, PartialEq, Eq, Hash)]
struct InShare {
    share: KeyShare,
    /// Whether the plan is still being optimised. What fails stays as it stands then, so that [`is_of_result`] sees constants.
    is_planned: bool,
    signature: Signature,
}

impl InShare {
    fn udf(share: KeyShare, is_planned: bool) -> ScalarUDF {
        ScalarUDF::from(Self { share, is_planned, signature: Signature::variadic_any(Volatility::Immutable) })
    }
}

/// A relation as a batch names it: of a source or of none, and its table.
pub type RelationName = (Option<String>, String);

/// What a batch needs of a relation.
#[derive(Debug, Clone)]
pub struct Needed {
    /// For each scan, the key of the batch's result as it is computed of the relation's rows; none if one needs all rows.
    keys: Option<Vec<Vec<Arc<dyn PhysicalExpr>>>>,
}

impl Needed {
    /// Whether a smaller share needs fewer rows.
    pub fn is_divided(&self) -> bool {
        self.keys.is_some()
    }

    /// The rows that are needed for a share of the result.
    ///
    /// # Errors
    /// The rows are not of the relation.
    pub fn of(&self, rows: RecordBatch, share: KeyShare) -> Result<RecordBatch> {
        let Some(keys) = &self.keys else { return Ok(rows) };
        if share.is_all() {
            return Ok(rows);
        }
        let mut needed = None;
        for key in keys {
            let values = key.iter().map(|part| part.evaluate(&rows)?.into_array(rows.num_rows()));
            let included = share.includes(&values.collect::<Result<Vec<ArrayRef>>>()?)?;
            needed = Some(match needed {
                None => included,
                Some(others) => arrow::compute::or(&others, &included)?,
            });
        }
        Ok(match needed {
            Some(needed) => filter_record_batch(&rows, &needed)?,
            None => rows,
        })
    }
}

/// The plan with a condition on top, that the columns `key` are in the share.
pub(super) fn restricted(plan: LogicalPlan, key: &[usize], share: KeyShare) -> Result<LogicalPlan> {
    let columns = plan.schema().columns();
    let key: Vec<Expr> = key.iter().map(|&index| Expr::Column(columns[index].clone())).collect();
    LogicalPlanBuilder::from(plan).filter(InShare::udf(share, true).call(key))?.build()
}

/// The optimised plan with restrictions that can be computed.
pub(super) fn computable(optimized: LogicalPlan, share: KeyShare) -> Result<LogicalPlan> {
    let computed = InShare::udf(share, false);
    let plan = optimized.transform_up_with_subqueries(|node| {
        node.map_expressions(|expression| {
            expression.transform_up(|part| match part {
                Expr::ScalarFunction(call) if call.func.inner().is::<InShare>() => {
                    Ok(Transformed::yes(computed.call(call.args)))
                }
                other => Ok(Transformed::no(other)),
            })
        })
    })?;
    Ok(plan.data)
}

/// Whether the restriction has come to where it leaves out other rows than those of the result: where its key can fail, or is constant,
/// or to nowhere.
pub(super) fn is_of_result(optimized: &LogicalPlan) -> Result<bool> {
    let mut is = !is_restricted(optimized);
    optimized.apply_with_subqueries(|node| {
        if let LogicalPlan::Filter(Filter { predicate, input, .. }) = node {
            is |= keys_of(predicate).any(|key| {
                let is_constant = key.iter().all(|part| part.column_refs().is_empty());
                is_constant || key.iter().any(|part| can_fail(part, input.schema()))
            });
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(is)
}

/// Whether a restriction stands above each part of a plan that gives it rows of its own. Of a join, one side is enough.
fn is_restricted(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Filter(Filter { predicate, .. }) if keys_of(predicate).next().is_some() => true,
        LogicalPlan::Union(union) => union.inputs.iter().all(|input| is_restricted(input)),
        _ => plan.inputs().into_iter().any(is_restricted),
    }
}

/// What an optimized plan needs of each relation that it scans.
pub(super) fn needed(
    optimized: &LogicalPlan,
    sources: impl Fn(&str) -> bool,
) -> Result<BTreeMap<RelationName, Needed>> {
    let name = |scan: &TableScan| -> RelationName {
        let source = scan.table_name.schema().filter(|schema| sources(schema));
        (source.map(str::to_owned), scan.table_name.table().to_owned())
    };
    let mut scans: BTreeMap<RelationName, usize> = BTreeMap::new();
    let mut keys: BTreeMap<RelationName, Vec<Vec<Arc<dyn PhysicalExpr>>>> = BTreeMap::new();
    optimized.apply_with_subqueries(|node| {
        match node {
            LogicalPlan::TableScan(scan) => *scans.entry(name(scan)).or_default() += 1,
            LogicalPlan::Filter(Filter { predicate, input, .. }) => {
                if let (LogicalPlan::TableScan(scan), Some(key)) = (input.as_ref(), keys_of(predicate).next()) {
                    keys.entry(name(scan)).or_default().push(over_rows(key, scan)?);
                }
            }
            _ => {}
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    let needed = scans.into_iter().map(|(name, number)| {
        let keys = keys.remove(&name).filter(|keys| keys.len() == number);
        (name, Needed { keys })
    });
    Ok(needed.collect())
}

/// The arguments of each restriction among some conditions.
fn keys_of(predicate: &Expr) -> impl Iterator<Item = &[Expr]> {
    split_conjunction(predicate).into_iter().filter_map(|condition| match condition {
        Expr::ScalarFunction(call) if call.func.inner().is::<InShare>() => Some(call.args.as_slice()),
        _ => None,
    })
}

/// A key over all columns of a relation.
fn over_rows(key: &[Expr], scan: &TableScan) -> Result<Vec<Arc<dyn PhysicalExpr>>> {
    let schema = DFSchema::try_from_qualified_schema(scan.table_name.clone(), &scan.source.schema())?;
    key.iter().map(|part| create_physical_expr(part, &schema, &ExecutionProps::new(), &Default::default())).collect()
}

impl ScalarUDFImpl for InShare {
    fn name(&self) -> &str {
        "in_share"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        if self.is_planned {
            return exec_err!("the share of a key is looked at when the plan is made");
        }
        let key = args.args.into_iter().map(|value| value.into_array(args.number_rows));
        let included = self.share.includes(&key.collect::<Result<Vec<ArrayRef>>>()?);
        Ok(ColumnarValue::Array(Arc::new(included.map_err(DataFusionError::from)?)))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use arrow::array::Int64Array;
    use arrow::datatypes::{Field, Schema};
    use arrow::util::display::array_value_to_string;

    use super::*;
    use crate::identity::Specification;
    use crate::plan::{Batch, ProjectionSchema, Scope};

    /// A relation `t(x, y)`.
    fn scope() -> Scope {
        let fields = ["x", "y"].map(|name| Field::new(name, DataType::Int64, false));
        let relation = ProjectionSchema {
            schema: Arc::new(Schema::new(fields.to_vec())),
            key: vec![0],
            key_proven: false,
            reads: Default::default(),
            append_only: true,
            identity: Specification::of("test").finish(),
        };
        Scope { projections: BTreeMap::from([("t".to_owned(), relation)]), ..Scope::default() }
    }

    /// Whether fewer rows of `t` are needed for a share of the first column. Whatever is needed, shares have all rows between them.
    fn is_divided(sql: &str) -> bool {
        let scope = scope();
        let column =
            |modulus: i64| -> ArrayRef { Arc::new(Int64Array::from_iter_values((1..100i64).map(|n| n % modulus + 1))) };
        let rows = RecordBatch::try_new(scope.projections["t"].schema.clone(), vec![column(9), column(7)]).unwrap();
        let texts = |batch: RecordBatch| -> Vec<Vec<String>> {
            let text = |column: &ArrayRef, row| array_value_to_string(column, row).unwrap();
            let row = |row| batch.columns().iter().map(|column| text(column, row)).collect();
            (0..batch.num_rows()).map(row).collect()
        };
        let mut whole = texts(Batch::new(sql, &scope).unwrap().run(&|_, _| vec![rows.clone()]).unwrap());
        let (mut parts, mut fewer) = (Vec::new(), true);
        for number in 0..3 {
            let share = KeyShare::numbered(number, 3);
            let batch = Batch::within(sql, &scope, &[0], share).unwrap();
            let needed = batch.needed().unwrap().remove(&(None, "t".to_owned())).unwrap();
            let some = needed.of(rows.clone(), share).unwrap();
            fewer &= some.num_rows() < rows.num_rows();
            assert_eq!(needed.is_divided(), some.num_rows() < rows.num_rows());
            parts.extend(texts(batch.run(&|_, _| vec![some.clone()]).unwrap()));
        }
        whole.sort_unstable();
        parts.sort_unstable();
        assert_eq!(parts, whole, "{sql}");
        fewer
    }

    #[test]
    fn a_key_of_the_events_needs_its_events_alone() {
        assert!(is_divided("SELECT x, y FROM t"));
        assert!(is_divided("SELECT x, sum(y) AS s FROM t WHERE y > 2 GROUP BY x HAVING count(*) > 1"));
        assert!(is_divided("SELECT x AS k, y FROM t UNION ALL SELECT y, x FROM t"));
        assert!(is_divided("SELECT x, first_value(y) OVER (PARTITION BY x ORDER BY y) AS f, y FROM t"));
        assert!(is_divided(
            "SELECT a.x, a.s, b.c FROM (SELECT x, sum(y) AS s FROM t GROUP BY x) AS a \
                            JOIN (SELECT x, count(*) AS c FROM t GROUP BY x) AS b ON a.x = b.x"
        ));
    }

    #[test]
    fn other_keys_need_all_events() {
        assert!(!is_divided(
            "SELECT s, count(*) AS c FROM (SELECT x, sum(y) AS s FROM t GROUP BY x) AS below GROUP BY s"
        ));
        assert!(!is_divided("SELECT a.x, b.y FROM t AS a JOIN t AS b ON a.x + 1 = b.x"));
    }

    #[test]
    fn a_key_that_can_fail_stays_above_the_conditions() {
        assert!(!is_divided("SELECT 100 / (x - 1) AS k, count(*) AS c FROM t WHERE x > 1 GROUP BY 100 / (x - 1)"));
    }

    #[test]
    fn a_constant_is_the_key_of_one_share() {
        for sql in [
            "SELECT 7 AS k, n FROM (SELECT count(*) AS n FROM t) AS q",
            "SELECT 7 AS k, n FROM (SELECT count(*) AS n FROM t GROUP BY ROLLUP (y)) AS q",
            "SELECT 7 AS k, y FROM t UNION ALL SELECT 9, n FROM (SELECT count(*) AS n FROM t) AS q",
            "SELECT max(x) AS k, 2 AS c FROM t UNION SELECT CAST(1.5 AS DOUBLE), '' FROM (SELECT count(*) AS n FROM t) AS q",
        ] {
            assert!(!is_divided(sql), "{sql}");
        }
    }
}
