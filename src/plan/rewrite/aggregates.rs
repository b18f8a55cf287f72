//! Aggregates that depend on the order of their rows get a total one; those that exist only in this crate's SQL become
//! built-in ones with such an order.
//!
//! What remains for an executor: `first_value`, `last_value`, `nth_value`, `array_agg` and `map_agg`, each with a total
//! order, and everything that depends on no order.

use std::sync::Arc;

use arrow::array::new_empty_array;
use arrow::datatypes::DataType;
use datafusion::common::Column;
use datafusion::common::utils::SingleRowListArrayBuilder;
use datafusion::functions::expr_fn::coalesce;
use datafusion::functions_aggregate::array_agg::array_agg_udaf;
use datafusion::functions_aggregate::first_last::{first_value_udaf, last_value_udaf};
use datafusion::functions_nested::expr_fn::{array_element, array_to_string};
use datafusion::logical_expr::expr::{AggregateFunction, AggregateFunctionParams, NullTreatment};
use datafusion::logical_expr::{
    Aggregate, AggregateUDF, Expr, ExprSchemable, LogicalPlan, Projection, SortExpr, cast, lit,
};

use super::RewriteError;
use super::guards::guarded_by_filter;
use super::ties::OrderedInput;
use crate::config::Code;
use crate::plan::functions::{OrderedForm, distinct_list, exact_form, known, nth, nth_value};
use crate::sql::in_words;

/// The aggregate with every order made total; None if no function in it needs one.
pub(super) fn rewrite(aggregate: &Aggregate) -> Result<Option<LogicalPlan>, RewriteError> {
    aggregate.aggr_expr.iter().try_for_each(reject)?;
    if !aggregate.aggr_expr.iter().filter_map(call).any(|call| ordered_form(call.func.name()).is_some()) {
        return Ok(None);
    }
    let rows = OrderedInput::of(&aggregate.input)?;
    let groups = aggregate.schema.fields().len() - aggregate.aggr_expr.len();
    // The number of a grouping set is not there any more once `grouping()` has been resolved.
    let keys = aggregate.schema.columns().into_iter().take(groups);
    let keys = keys.filter(|key| key.name != Aggregate::INTERNAL_GROUPING_ID);
    let mut outputs: Vec<Expr> = keys.map(Expr::Column).collect();
    let mut functions = Vec::new();
    for (index, expression) in aggregate.aggr_expr.iter().enumerate() {
        let name = expression.qualified_name().1;
        let column = |name: &str| Expr::Column(Column::new_unqualified(name));
        let ordered = call(expression).and_then(|call| Some((call, ordered_form(call.func.name())?)));
        let Some((call, form)) = ordered else {
            functions.push(expression.clone());
            outputs.push(column(&name));
            continue;
        };
        let OrderedAggregate { function, finish } = plan(call, form, &rows).map_err(|error| error.at(expression))?;
        let function = guarded_by_filter(function, rows.plan.schema())?;
        match finish {
            None => {
                functions.push(Expr::AggregateFunction(function).alias(&name));
                outputs.push(column(&name));
            }
            Some(finish) => {
                let hidden = format!("__{}_{index}", function.func.name());
                functions.push(Expr::AggregateFunction(function).alias(&hidden));
                let data_type = expression.get_type(aggregate.input.schema())?;
                outputs.push(finished(finish, column(&hidden), data_type)?.alias(&name));
            }
        }
    }
    let plan = Aggregate::try_new(Arc::new(rows.plan), aggregate.group_expr.clone(), functions)?;
    if outputs.iter().all(|output| matches!(output, Expr::Column(_))) {
        return Ok(Some(LogicalPlan::Aggregate(plan)));
    }
    let projection = Projection::try_new(outputs, Arc::new(LogicalPlan::Aggregate(plan)))?;
    Ok(Some(LogicalPlan::Projection(projection)))
}

/// How an aggregate gets the order that its result depends on; none if it depends on none.
fn ordered_form(name: &str) -> Option<OrderedForm> {
    known(name)?.ordered
}

fn call(expression: &Expr) -> Option<&AggregateFunction> {
    match expression {
        Expr::Alias(alias) => call(&alias.expr),
        Expr::AggregateFunction(function) => Some(function),
        _ => None,
    }
}

/// Refuses what is computed in floats step by step, so that its result depends on the order of arrival.
fn reject(expression: &Expr) -> Result<(), RewriteError> {
    let Some(call) = call(expression) else { return Ok(()) };
    reject_inexact(call.func.name()).map_err(|error| error.at(expression))
}

pub(super) fn reject_inexact(name: &str) -> Result<(), RewriteError> {
    let Some(hint) = exact_form(name) else { return Ok(()) };
    Err(RewriteError::new(
        Code::NotAFunctionOfEvents,
        format!("`{name}` is not allowed here: its result depends on the order of arrival"),
        hint,
    ))
}

/// An aggregate with a total order, and what is to be done with its result.
struct OrderedAggregate {
    function: AggregateFunction,
    finish: Option<Finish>,
}

enum Finish {
    /// NULL to an empty list.
    List,
    /// Joins a list with a delimiter.
    Join(Expr),
    /// Takes the n-th of a list.
    Nth(Expr),
}

fn finished(finish: Finish, value: Expr, data_type: DataType) -> Result<Expr, RewriteError> {
    Ok(match (finish, &data_type) {
        (Finish::List, DataType::List(item)) => {
            let empty = SingleRowListArrayBuilder::new(new_empty_array(item.data_type())).build_list_scalar();
            coalesce(vec![value, lit(empty)])
        }
        (Finish::List, _) => value,
        (Finish::Join(delimiter), _) => cast(array_to_string(value, coalesce(vec![delimiter, lit("")])), data_type),
        (Finish::Nth(n), _) => array_element(value, n),
    })
}

fn plan(call: &AggregateFunction, form: OrderedForm, rows: &OrderedInput) -> Result<OrderedAggregate, RewriteError> {
    let function = &call.func;
    let call = FunctionCall { name: function.name(), params: &call.params, rows };
    let (x, order) = (call.argument(0)?, &call.params.order_by);
    let nulls = call.params.null_treatment;
    let skip_nulls = Some(nulls.unwrap_or(NullTreatment::IgnoreNulls));
    let value = |function| OrderedAggregate { function, finish: None };
    Ok(match form {
        OrderedForm::Latest => value(call.one(last_value_udaf(), &[], order, None, skip_nulls)?),
        OrderedForm::Earliest => value(call.one(first_value_udaf(), &[], order, None, skip_nulls)?),
        OrderedForm::LastValue => value(call.one(last_value_udaf(), &[], order, None, nulls)?),
        OrderedForm::FirstValue => value(call.one(first_value_udaf(), &[], order, None, nulls)?),
        // Any value may as well be the first.
        OrderedForm::AnyValue => {
            value(call.pick(first_value_udaf(), rows.complete_by_keys(order.clone())?, None, skip_nulls))
        }
        OrderedForm::MaxBy | OrderedForm::MinBy => {
            let y = call.argument(1)?;
            let function = if form == OrderedForm::MaxBy { last_value_udaf() } else { first_value_udaf() };
            // As in DuckDB, a row without the value is none to choose.
            let counts = x.clone().is_not_null().and(y.clone().is_not_null());
            value(call.one(function, &[y.sort(true, false)], order, Some(counts), None)?)
        }
        OrderedForm::Map => {
            let mut map = call.one(function.clone(), &[], order, Some(x.is_not_null()), None)?;
            map.params.args = call.params.args.clone();
            value(map)
        }
        OrderedForm::Collect => OrderedAggregate {
            function: call.list(x.clone(), Some(x.is_not_null()), None)?,
            finish: Some(Finish::List),
        },
        OrderedForm::Text => {
            let text = cast(x.clone(), DataType::Utf8);
            let delimiter = if call.params.args.len() > 1 { call.constant(1)? } else { lit("") };
            OrderedAggregate {
                function: call.list(text, Some(x.is_not_null()), None)?,
                finish: Some(Finish::Join(delimiter)),
            }
        }
        OrderedForm::NthValue => {
            let n = call.constant(1)?;
            call.total(order.clone())?;
            let mut list = call.list(x, None, nulls)?;
            if nth(&n).is_some() {
                list.func = Arc::new(nth_value(list.func));
                list.params.args.push(n);
                return Ok(value(list));
            }
            OrderedAggregate { function: list, finish: Some(Finish::Nth(n)) }
        }
        OrderedForm::List => value(call.list(x, None, nulls)?),
    })
}

struct FunctionCall<'a> {
    name: &'a str,
    params: &'a AggregateFunctionParams,
    rows: &'a OrderedInput,
}

impl FunctionCall<'_> {
    fn argument(&self, index: usize) -> Result<Expr, RewriteError> {
        self.params.args.get(index).cloned().ok_or_else(|| {
            RewriteError::new(
                Code::NotKept,
                format!("`{}` lacks an argument", self.name),
                format!("give it {}", index + 1),
            )
        })
    }

    /// An argument that is one for all rows: it is used where the rows are gone.
    fn constant(&self, index: usize) -> Result<Expr, RewriteError> {
        let argument = self.argument(index)?;
        match argument.column_refs().is_empty() {
            true => Ok(argument),
            false => Err(RewriteError::new(
                Code::NotKept,
                format!("`{}` in `{}` differs from row to row", in_words(&argument), self.name),
                "write a value that is the same for all rows",
            )),
        }
    }

    /// One value picked by `first`, then the order as written, then the ties. The first of all is the first of the distinct ones.
    fn one(
        &self,
        function: Arc<AggregateUDF>,
        first: &[SortExpr],
        order: &[SortExpr],
        condition: Option<Expr>,
        nulls: Option<NullTreatment>,
    ) -> Result<AggregateFunction, RewriteError> {
        let order = self.total([first, order].concat())?;
        Ok(self.pick(function, order, condition, nulls))
    }

    fn pick(
        &self,
        function: Arc<AggregateUDF>,
        order: Vec<SortExpr>,
        condition: Option<Expr>,
        nulls: Option<NullTreatment>,
    ) -> AggregateFunction {
        let arguments = self.params.args.iter().take(1).cloned().collect();
        AggregateFunction::new_udf(function, arguments, false, self.filter(condition), order, nulls)
    }

    /// All values as a list. Distinct ones are in the order of the values themselves.
    fn list(
        &self,
        value: Expr,
        condition: Option<Expr>,
        nulls: Option<NullTreatment>,
    ) -> Result<AggregateFunction, RewriteError> {
        let order = match (self.params.distinct, &self.params.order_by[..]) {
            // Rows without an order of their own are listed by their values, so that any arrival gives the same list.
            (false, []) if !self.rows.in_stream_order => {
                self.rows.complete_by_keys(vec![value.clone().sort(true, false)])?
            }
            (false, order) => self.total(order.to_vec())?,
            (true, []) => vec![value.clone().sort(true, false)],
            (true, [only]) if self.params.args.first() == Some(&only.expr) => {
                vec![SortExpr { expr: value.clone(), ..only.clone() }]
            }
            (true, _) => {
                let message = format!("`{}(DISTINCT x)` can only be ordered by x itself", self.name);
                return Err(RewriteError::new(Code::NotKept, message, "order by the argument, or leave out ORDER BY"));
            }
        };
        let filter = self.filter(condition);
        let list = if self.params.distinct { distinct_list() } else { array_agg_udaf() };
        Ok(AggregateFunction::new_udf(list, vec![value], self.params.distinct, filter, order, nulls))
    }

    fn total(&self, order: Vec<SortExpr>) -> Result<Vec<SortExpr>, RewriteError> {
        if order.is_empty() && !self.rows.in_stream_order {
            return Err(unordered(self.name, self.params.args.first()));
        }
        Ok(self.rows.complete_by_keys(order)?)
    }

    fn filter(&self, condition: Option<Expr>) -> Option<Box<Expr>> {
        match (self.params.filter.clone(), condition) {
            (Some(filter), Some(condition)) => Some(Box::new(filter.and(condition))),
            (filter, condition) => filter.or(condition.map(Box::new)),
        }
    }
}

pub(super) fn unordered(name: &str, argument: Option<&Expr>) -> RewriteError {
    let argument = argument.map_or_else(|| "x".to_owned(), in_words);
    RewriteError::new(
        Code::NoOrder,
        format!("`{name}` needs ORDER BY here: only the events of one source have an order of their own"),
        format!("write `{name}({argument} ORDER BY …)`, or read one relation of one source"),
    )
}
