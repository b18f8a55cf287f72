//! What the value of an expression is computed from.

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, Result};
use datafusion::logical_expr::expr::WindowFunctionDefinition;
use datafusion::logical_expr::{Expr, LogicalPlan};

use super::columns::{Input, Walk};
use super::{Lineage, Step, all};

/// Aggregates that tell how many values there are, and not which.
const COUNTS: [&str; 4] = ["count", "approx_distinct", "regr_count", "grouping"];

/// Functions of several rows whose result is one of the values of their first argument, as it is.
const CHOICES: [&str; 14] = [
    "latest",
    "earliest",
    "first_value",
    "last_value",
    "nth_value",
    "any_value",
    "max_by",
    "min_by",
    "min",
    "max",
    "mode",
    "lag",
    "lead",
    "percentile_disc",
];

/// Those whose result is a list of the values of their first argument.
const LISTS: [&str; 2] = ["array_agg", "collect"];

impl Walk<'_> {
    pub(super) fn lineage(&mut self, input: &Input, expr: &Expr) -> Result<Lineage> {
        if let Some(followed) = self.followed(input, expr)? {
            return Ok(followed);
        }
        let mut parts = Lineage::default();
        expr.apply(|part| {
            Ok(match self.followed(input, part)? {
                Some(part) => {
                    parts.add(part.whole());
                    TreeNodeRecursion::Jump
                }
                None => TreeNodeRecursion::Continue,
            })
        })?;
        Ok(parts)
    }

    /// None for an expression whose value is computed from those of its parts, and that is all that is known.
    fn followed(&mut self, input: &Input, expr: &Expr) -> Result<Option<Lineage>> {
        Ok(Some(match expr {
            Expr::Alias(alias) => self.lineage(input, &alias.expr)?,
            Expr::Column(column) => match input.schema.index_of_column(column) {
                Ok(index) => input.columns.get(index).cloned().unwrap_or_default(),
                Err(_) => all(input.columns.iter().cloned()).whole(),
            },
            Expr::OuterReferenceColumn(_, column) => self.of_outer(column),
            // Whether there is a value says nothing of it.
            Expr::IsNull(_) | Expr::IsNotNull(_) | Expr::IsUnknown(_) | Expr::IsNotUnknown(_) | Expr::Exists(_) => {
                Lineage::default()
            }
            Expr::ScalarSubquery(subquery) => all(self.of_subquery(input, &subquery.subquery)?),
            Expr::InSubquery(tested) => {
                let values = all(self.of_subquery(input, &tested.subquery.subquery)?);
                all([self.lineage(input, &tested.expr)?, values]).whole()
            }
            Expr::SetComparison(compared) => {
                let values = all(self.of_subquery(input, &compared.subquery.subquery)?);
                all([self.lineage(input, &compared.expr)?, values]).whole()
            }
            Expr::ScalarFunction(call) => return self.of_call(input, call.name(), &call.args),
            Expr::AggregateFunction(aggregate) => self.of_rows(input, aggregate.func.name(), &aggregate.params.args)?,
            Expr::WindowFunction(window) => {
                let name = match &window.fun {
                    WindowFunctionDefinition::AggregateUDF(function) => function.name(),
                    WindowFunctionDefinition::WindowUDF(function) => function.name(),
                };
                self.of_rows(input, name, &window.params.args)?
            }
            _ => return Ok(None),
        }))
    }

    /// Of all queries around that have such a column: which one is meant is not known here.
    fn of_outer(&self, column: &Column) -> Lineage {
        let found = self.outer.iter().filter_map(|outer| {
            let index = outer.schema.index_of_column(column).ok()?;
            outer.columns.get(index).cloned()
        });
        let found: Vec<Lineage> = found.collect();
        match found.is_empty() {
            true => all(self.outer.iter().flat_map(|outer| outer.columns.iter().cloned())).whole(),
            false => all(found),
        }
    }

    fn of_subquery(&mut self, input: &Input, subquery: &LogicalPlan) -> Result<Vec<Lineage>> {
        self.outer.push(Input { schema: input.schema.clone(), columns: input.columns.clone() });
        let columns = self.columns(subquery);
        self.outer.pop();
        columns
    }

    /// A function of one row. None where nothing is known of it.
    fn of_call(&mut self, input: &Input, name: &str, args: &[Expr]) -> Result<Option<Lineage>> {
        Ok(match (name, args) {
            ("get_field", [of, path @ ..]) => {
                let mut lineage = self.lineage(input, of)?;
                for step in path {
                    lineage = match text(step) {
                        Some(name) => lineage.field(name),
                        None => lineage.whole(),
                    };
                }
                Some(lineage)
            }
            ("array_element", [of, index]) => {
                let index = self.lineage(input, index)?.whole();
                Some(all([self.lineage(input, of)?.item(), index]))
            }
            ("named_struct", pairs) => {
                let mut lineage = Lineage::default();
                for pair in pairs.chunks(2) {
                    let [name, value] = pair else { return Ok(None) };
                    let Some(name) = text(name) else { return Ok(None) };
                    lineage.add(self.lineage(input, value)?.within(&Step::Field(name.to_owned())));
                }
                Some(lineage)
            }
            ("make_array", items) => {
                let items = items.iter().map(|item| self.lineage(input, item)).collect::<Result<Vec<_>>>()?;
                Some(all(items).within(&Step::Item))
            }
            _ => None,
        })
    }

    /// A function of several rows. Their order, and which they are, does not count.
    fn of_rows(&mut self, input: &Input, name: &str, args: &[Expr]) -> Result<Lineage> {
        if COUNTS.contains(&name) {
            return Ok(Lineage::default());
        }
        let mut lineages = args.iter().map(|arg| self.lineage(input, arg)).collect::<Result<Vec<_>>>()?.into_iter();
        let first = lineages.next().unwrap_or_default();
        let first = match name {
            _ if CHOICES.contains(&name) => first,
            _ if LISTS.contains(&name) => first.within(&Step::Item),
            _ => first.whole(),
        };
        Ok(all(std::iter::once(first).chain(lineages.map(Lineage::whole))))
    }
}

/// A text that is written out.
fn text(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Literal(value, _) => value.try_as_str().flatten(),
        _ => None,
    }
}
