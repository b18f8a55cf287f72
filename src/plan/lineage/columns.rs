//! The columns of each node of a plan, from below.

use arrow::datatypes::DataType;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{DFSchemaRef, JoinType, Result};
use datafusion::logical_expr::{Aggregate, Distinct, Expr, Join, LogicalPlan, TableScan, Unnest};

use super::{Lineage, all};

/// The lineage of each column of a plan that no rule has changed, given those of the relations that it reads.
///
/// # Errors
/// None that a plan leads to; DataFusion's traversals may have some.
pub(in crate::plan) fn columns(plan: &LogicalPlan, scan: &dyn Fn(&TableScan) -> Vec<Lineage>) -> Result<Vec<Lineage>> {
    Walk { scan, outer: Vec::new() }.columns(plan)
}

/// The columns that expressions may name.
pub(super) struct Input {
    pub(super) schema: DFSchemaRef,
    pub(super) columns: Vec<Lineage>,
}

pub(super) struct Walk<'a> {
    scan: &'a dyn Fn(&TableScan) -> Vec<Lineage>,
    /// What subqueries may name of the queries that they stand in, the outermost first.
    pub(super) outer: Vec<Input>,
}

impl Walk<'_> {
    pub(super) fn columns(&mut self, plan: &LogicalPlan) -> Result<Vec<Lineage>> {
        let columns = match plan {
            LogicalPlan::TableScan(scan) => (self.scan)(scan),
            LogicalPlan::Projection(projection) => self.computed(&projection.input, &projection.expr)?,
            LogicalPlan::Filter(filter) => self.columns(&filter.input)?,
            LogicalPlan::Sort(sort) => self.columns(&sort.input)?,
            LogicalPlan::Limit(limit) => self.columns(&limit.input)?,
            LogicalPlan::Repartition(repartition) => self.columns(&repartition.input)?,
            LogicalPlan::SubqueryAlias(alias) => self.columns(&alias.input)?,
            LogicalPlan::Subquery(subquery) => self.columns(&subquery.subquery)?,
            LogicalPlan::Distinct(Distinct::All(input)) => self.columns(input)?,
            LogicalPlan::Distinct(Distinct::On(distinct)) => self.computed(&distinct.input, &distinct.select_expr)?,
            LogicalPlan::Window(window) => {
                let input = self.input(&window.input)?;
                let computed = self.lineages(&input, &window.window_expr)?;
                input.columns.into_iter().chain(computed).collect()
            }
            LogicalPlan::Aggregate(aggregate) => self.aggregated(aggregate)?,
            LogicalPlan::Join(join) => self.joined(join)?,
            LogicalPlan::Union(union) => {
                let mut columns = vec![Lineage::default(); union.schema.fields().len()];
                for input in &union.inputs {
                    let input = self.columns(input)?;
                    if input.len() != columns.len() {
                        return self.unknown(plan);
                    }
                    columns.iter_mut().zip(input).for_each(|(column, same)| column.add(same));
                }
                columns
            }
            LogicalPlan::Unnest(unnest) => self.unnested(unnest)?,
            LogicalPlan::EmptyRelation(empty) => vec![Lineage::default(); empty.schema.fields().len()],
            LogicalPlan::Values(values) => {
                let nothing = Input { schema: values.schema.clone(), columns: Vec::new() };
                let mut columns = vec![Lineage::default(); values.schema.fields().len()];
                for row in &values.values {
                    let row = self.lineages(&nothing, row)?;
                    columns.iter_mut().zip(row).for_each(|(column, value)| column.add(value));
                }
                columns
            }
            _ => return self.unknown(plan),
        };
        // A node that has other columns than are known here is not known.
        if columns.len() == plan.schema().fields().len() { Ok(columns) } else { self.unknown(plan) }
    }

    fn input(&mut self, plan: &LogicalPlan) -> Result<Input> {
        Ok(Input { schema: plan.schema().clone(), columns: self.columns(plan)? })
    }

    fn computed(&mut self, input: &LogicalPlan, exprs: &[Expr]) -> Result<Vec<Lineage>> {
        let input = self.input(input)?;
        self.lineages(&input, exprs)
    }

    fn lineages<'e>(&mut self, input: &Input, exprs: impl IntoIterator<Item = &'e Expr>) -> Result<Vec<Lineage>> {
        exprs.into_iter().map(|expr| self.lineage(input, expr)).collect()
    }

    /// Groups come first. Behind those of several grouping sets a column says which set a row is of.
    fn aggregated(&mut self, aggregate: &Aggregate) -> Result<Vec<Lineage>> {
        let input = self.input(&aggregate.input)?;
        let mut columns = match aggregate.group_expr.as_slice() {
            [Expr::GroupingSet(sets)] => {
                let mut groups = self.lineages(&input, sets.distinct_expr())?;
                groups.push(Lineage::default());
                groups
            }
            groups => self.lineages(&input, groups)?,
        };
        columns.extend(self.lineages(&input, &aggregate.aggr_expr)?);
        Ok(columns)
    }

    fn joined(&mut self, join: &Join) -> Result<Vec<Lineage>> {
        let left = self.input(&join.left)?;
        // What is joined laterally names columns of the left side.
        self.outer.push(left);
        let right = self.columns(&join.right);
        let left = self.outer.pop().map(|left| left.columns).unwrap_or_default();
        let right = right?;
        Ok(match join.join_type {
            JoinType::Inner | JoinType::Left | JoinType::Right | JoinType::Full => {
                left.into_iter().chain(right).collect()
            }
            JoinType::LeftSemi | JoinType::LeftAnti => left,
            JoinType::RightSemi | JoinType::RightAnti => right,
            // The mark says only whether there is a row.
            JoinType::LeftMark => left.into_iter().chain([Lineage::default()]).collect(),
            JoinType::RightMark => right.into_iter().chain([Lineage::default()]).collect(),
        })
    }

    fn unnested(&mut self, unnest: &Unnest) -> Result<Vec<Lineage>> {
        let input = self.columns(&unnest.input)?;
        let fields = unnest.input.schema().fields();
        let column = |(output, &from): (usize, &usize)| {
            let lineage = input.get(from).cloned().unwrap_or_default();
            // Several columns may come out of one.
            let number = unnest.dependency_indices[..output].iter().filter(|other| **other == from).count();
            if unnest.struct_type_columns.contains(&from) {
                return match fields.get(from).map(|field| field.data_type()) {
                    Some(DataType::Struct(fields)) if number < fields.len() => lineage.field(fields[number].name()),
                    _ => lineage.whole(),
                };
            }
            let lists = unnest.list_type_columns.iter().filter(|(index, _)| *index == from);
            let depth = lists.map(|(_, list)| list.depth).nth(number).unwrap_or_default();
            (0..depth).fold(lineage, |lineage, _| lineage.item())
        };
        Ok(unnest.dependency_indices.iter().enumerate().map(column).collect())
    }

    /// Every column of a node that is not known may have all that goes into it.
    fn unknown(&self, plan: &LogicalPlan) -> Result<Vec<Lineage>> {
        let mut below = Lineage::default();
        plan.apply_with_subqueries(|node| {
            if let LogicalPlan::TableScan(scan) = node {
                below.add(all((self.scan)(scan)).whole());
            }
            Ok(TreeNodeRecursion::Continue)
        })?;
        self.outer.iter().for_each(|outer| below.add(all(outer.columns.iter().cloned()).whole()));
        Ok(vec![below; plan.schema().fields().len()])
    }
}
