//! From an optimised logical plan to a circuit.
//!
//! What has no incremental operator is refused here, with the reason and what to write instead.

mod aggregate;
mod call;
mod closing;
mod join;
mod not_in;
mod partition;
mod ranking;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arrow::datatypes::{DataType, Schema, SchemaRef};
use datafusion::common::DFSchema;
use datafusion::common::tree_node::TreeNode;
use datafusion::execution::SessionState;
use datafusion::logical_expr::execution_props::ExecutionProps;
use datafusion::logical_expr::{self as logical, Expr, LogicalPlan};
use datafusion::physical_expr::{PhysicalExpr, create_physical_expr};
use datafusion::physical_plan::unnest::ListUnnest;

use self::aggregate::lower_aggregate;
use self::join::lower_join;
use self::partition::{constant, lower_slice, lower_window};
use self::ranking::{lower_ranking, sunk};
use crate::circuit::{
    Aggregate, Circuit, Join, JoinSpec, Lonely, Map, Node, Operator, Part, Partition, PartitionSpec, Unnest,
};
use crate::event::Relation;
use crate::plan::Refusal;
use crate::plan::facts::fallible::can_fail;
use crate::plan::scope::{Scanned, Scope};
use crate::progress::Reads;

/// The plans that a program's circuits are made of, so that equal ones are known by one number.
#[derive(Debug, Default)]
pub struct Plans(HashMap<LogicalPlan, usize>);

impl Plans {
    fn number(&mut self, plan: &LogicalPlan) -> usize {
        if let Some(number) = self.0.get(plan) {
            return *number;
        }
        self.0.insert(plan.clone(), self.0.len());
        self.0.len() - 1
    }
}

/// A plan that has become a circuit.
#[derive(Debug)]
pub(super) struct Lowered {
    pub(super) circuit: Circuit,
    pub(super) append_only: bool,
    pub(super) reads: Reads,
    /// Other projections that it reads.
    pub(super) upstream: Vec<String>,
}

pub(super) fn lower(
    plan: &LogicalPlan,
    scope: &Scope,
    state: &SessionState,
    plans: &mut Plans,
) -> Result<Lowered, Refusal> {
    let (nodes, lowered, within) = (Vec::new(), BTreeMap::new(), (plans.number(plan), 0));
    let (reads, upstream) = (Reads::new(), Vec::new());
    let mut lowering = Lowering { scope, state, plans, nodes, lowered, within, reads, upstream };
    let output = lowering.plan(plan)?;
    if output.node + 1 != lowering.nodes.len() {
        // The last node is the output: a node that only passes its input on makes it so.
        let schema = lowering.schema(output);
        lowering.within.1 = lowering.nodes.len();
        lowering.push(Operator::Union, vec![output.node], schema, lowering.nodes[output.node].row_wise);
    }
    let Lowering { nodes, reads, upstream, .. } = lowering;
    Ok(Lowered { circuit: Circuit::new(nodes), append_only: output.append_only, reads, upstream })
}

/// A lowered node, and what is known of the edge that leaves it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Edge {
    node: usize,
    append_only: bool,
}

/// A circuit in the making.
pub(super) struct Lowering<'a> {
    scope: &'a Scope,
    state: &'a SessionState,
    plans: &'a mut Plans,
    nodes: Vec<Node>,
    /// What has been lowered so far, by the plan's number. What comes again, as a table expression that is read twice, is
    /// computed once.
    lowered: BTreeMap<usize, Edge>,
    /// The number of the plan that is being lowered, without those below it, and how many nodes it takes so far.
    within: Part,
    reads: Reads,
    upstream: Vec<String>,
}

impl Lowering<'_> {
    pub(super) fn plan(&mut self, plan: &LogicalPlan) -> Result<Edge, Refusal> {
        let number = self.plans.number(plan);
        if let Some(edge) = self.lowered.get(&number) {
            return Ok(*edge);
        }
        let outer = std::mem::replace(&mut self.within, (number, 0));
        let edge = self.lower(plan)?;
        self.within = outer;
        self.lowered.insert(number, edge);
        Ok(edge)
    }

    fn push(&mut self, operator: Operator, inputs: Vec<usize>, schema: SchemaRef, row_wise: bool) -> usize {
        self.within.1 += 1;
        let part = self.within;
        self.nodes.push(Node { operator, inputs, schema, row_wise, part });
        self.nodes.len() - 1
    }

    fn lower(&mut self, plan: &LogicalPlan) -> Result<Edge, Refusal> {
        match plan {
            LogicalPlan::TableScan(scan) => self.scan(scan),
            LogicalPlan::SubqueryAlias(alias) => self.plan(&alias.input),
            LogicalPlan::Projection(projection) => {
                let input = self.plan(&projection.input)?;
                let rows = projection.input.schema();
                let columns = Some(physical(&projection.expr, rows)?);
                let can_fail = projection.expr.iter().any(|expr| can_fail(expr, rows));
                let schema = arrow(&projection.schema);
                let map = Map { filter: None, columns, schema: schema.clone(), can_fail };
                Ok(self.add(Operator::Map(map), input, schema))
            }
            LogicalPlan::Filter(filter) => self.filter(filter),
            LogicalPlan::Aggregate(aggregate) => self.aggregate(aggregate),
            LogicalPlan::Join(join) if join.null_aware => self.not_in(join),
            LogicalPlan::Join(join) => {
                let (left, right) = (self.plan(&join.left)?, self.plan(&join.right)?);
                self.join(lower_join(join)?, left, right)
            }
            LogicalPlan::Unnest(unnest) => self.unnest(unnest),
            LogicalPlan::Union(union) => {
                let inputs = union.inputs.iter().map(|input| self.plan(input)).collect::<Result<Vec<_>, _>>()?;
                Ok(self.union(&inputs, arrow(&union.schema)))
            }
            LogicalPlan::Window(window) => {
                let input = self.plan(&window.input)?;
                self.partition(lower_window(window, self.state.clone(), self.scope)?, input)
            }
            LogicalPlan::Limit(limit) => self.limit(limit),
            LogicalPlan::Sort(sort) if sort.fetch.is_some() => {
                let input = self.plan(&sort.input)?;
                let fetch = sort.fetch.unwrap_or(usize::MAX);
                self.partition(lower_slice(&sort.expr, 0, fetch, sort.input.schema())?, input)
            }
            // A table has no order of its own: its readers sort.
            LogicalPlan::Sort(sort) if sort.fetch.is_none() => self.plan(&sort.input),
            other => Err(refusal(other)),
        }
    }

    fn scan(&mut self, scan: &logical::TableScan) -> Result<Edge, Refusal> {
        if let Some(filter) = scan.filters.first() {
            return Err(Refusal::new(format!("the filter `{filter}` cannot be evaluated by the scan")));
        }
        let columns: Vec<usize> = match &scan.projection {
            Some(projection) => projection.clone(),
            None => (0..scan.source.schema().fields().len()).collect(),
        };
        let schema = arrow(&scan.projected_schema);
        let (operator, append_only, row_wise) = match self.scope.find(&scan.table_name) {
            Some(Scanned::Events { source, relation }) => {
                let types = match relation {
                    Relation::Events => Vec::new(),
                    Relation::Type(index) => vec![source.types[index].name.clone()],
                };
                add_reads(&mut self.reads, &source.source, types);
                let full = source.relation_schema(relation);
                (Operator::Events { source: source.source.clone(), relation, schema: full, columns }, true, true)
            }
            Some(Scanned::Projection { name, projection }) => {
                for (source, types) in &projection.reads {
                    add_reads(&mut self.reads, source, types.clone());
                }
                if !self.upstream.iter().any(|other| other == name) {
                    self.upstream.push(name.to_owned());
                }
                (Operator::Projection { name: name.to_owned(), columns }, projection.append_only, false)
            }
            None => return Err(Refusal::new(format!("there is no relation `{}`", scan.table_name))),
        };
        Ok(Edge { node: self.push(operator, Vec::new(), schema, row_wise), append_only })
    }

    fn aggregate(&mut self, aggregate: &logical::Aggregate) -> Result<Edge, Refusal> {
        let input = self.plan(&aggregate.input)?;
        let (maps, spec) = lower_aggregate(aggregate, input.append_only, self.scope)?;
        let maps: Vec<Edge> = maps
            .into_iter()
            .map(|map| {
                let schema = map.schema.clone();
                self.add(Operator::Map(map), input, schema)
            })
            .collect();
        let input = self.union(&maps, spec.input.clone());
        let schema = spec.schema.clone();
        let operator = Aggregate::new(spec).map_err(|error| Refusal::new(error.to_string()))?;
        let edge = self.add(Operator::Stateful(operator.into()), input, schema);
        // Only groups that never change their row would be append-only: DISTINCT.
        Ok(Edge { append_only: input.append_only && aggregate.aggr_expr.is_empty(), ..edge })
    }

    /// One edge for several with the same columns.
    pub(super) fn union(&mut self, inputs: &[Edge], schema: SchemaRef) -> Edge {
        if let [only] = inputs {
            return *only;
        }
        let row_wise = inputs.iter().all(|input| self.nodes[input.node].row_wise);
        let append_only = inputs.iter().all(|input| input.append_only);
        let nodes = inputs.iter().map(|input| input.node).collect();
        Edge { node: self.push(Operator::Union, nodes, schema, row_wise), append_only }
    }

    /// LIMIT over an order; the sort below it may have been told of it already.
    fn limit(&mut self, limit: &logical::Limit) -> Result<Edge, Refusal> {
        let skip = constant(limit.skip.as_deref())?.unwrap_or(0);
        let Some(fetch) = constant(limit.fetch.as_deref())? else {
            return Err(Refusal::new("OFFSET without LIMIT keeps almost everything").hint("add a LIMIT"));
        };
        let LogicalPlan::Sort(sort) = limit.input.as_ref() else {
            return Err(
                Refusal::new("LIMIT without ORDER BY keeps arbitrary rows").hint("say which rows with ORDER BY")
            );
        };
        let input = self.plan(&sort.input)?;
        self.partition(lower_slice(&sort.expr, skip, fetch, sort.input.schema())?, input)
    }

    fn filter(&mut self, filter: &logical::Filter) -> Result<Edge, Refusal> {
        let input = match filter.input.as_ref() {
            LogicalPlan::Projection(_) | LogicalPlan::SubqueryAlias(_) => match sunk(filter, self.scope)? {
                Some(plan) => return self.plan(&plan),
                None => self.plan(&filter.input)?,
            },
            // Of what a filter bounds the ranks of, only the rows up to the bound are computed.
            LogicalPlan::Window(window) => match lower_ranking(&filter.predicate, window, self.scope)? {
                Some(spec) => {
                    let input = self.plan(&window.input)?;
                    self.partition(spec, input)?
                }
                None => self.plan(&filter.input)?,
            },
            input => self.plan(input)?,
        };
        let predicate = physical(std::slice::from_ref(&filter.predicate), filter.input.schema())?.pop();
        let can_fail = can_fail(&filter.predicate, filter.input.schema());
        let schema = arrow(filter.input.schema());
        let map = Map { filter: predicate, columns: None, schema: schema.clone(), can_fail };
        Ok(self.add(Operator::Map(map), input, schema))
    }

    fn partition(&mut self, spec: PartitionSpec, input: Edge) -> Result<Edge, Refusal> {
        let schema = spec.schema.clone();
        let operator = Partition::new(spec).map_err(|error| Refusal::new(error.to_string()))?;
        let edge = self.add(Operator::Stateful(operator.into()), input, schema);
        Ok(Edge { append_only: false, ..edge })
    }

    pub(super) fn join(&mut self, spec: JoinSpec, left: Edge, right: Edge) -> Result<Edge, Refusal> {
        // Only pairs of rows that stay do stay.
        let plain = spec.pairs && spec.left_lonely == Lonely::Dropped && spec.right_lonely == Lonely::Dropped;
        let schema = spec.schema.clone();
        let operator = Join::new(spec).map_err(|error| Refusal::new(error.to_string()))?;
        let inputs = vec![left.node, right.node];
        let node = self.push(Operator::Stateful(operator.into()), inputs, schema, false);
        Ok(Edge { node, append_only: plain && left.append_only && right.append_only })
    }

    fn unnest(&mut self, unnest: &logical::Unnest) -> Result<Edge, Refusal> {
        let input = self.plan(&unnest.input)?;
        let lists = unnest.list_type_columns.iter();
        let schema = arrow(&unnest.schema);
        let operator = Unnest {
            lists: lists.map(|(place, list)| ListUnnest { index_in_input_schema: *place, depth: list.depth }).collect(),
            structs: unnest.struct_type_columns.clone(),
            options: unnest.options.clone(),
            schema: schema.clone(),
        };
        Ok(self.add(Operator::Unnest(operator), input, schema))
    }

    pub(super) fn schema(&self, edge: Edge) -> SchemaRef {
        self.nodes[edge.node].schema.clone()
    }

    /// Adds an operator of one input. Stateless ones keep what is known of their input's edge.
    pub(super) fn add(&mut self, operator: Operator, input: Edge, schema: SchemaRef) -> Edge {
        let stateless = matches!(operator, Operator::Map(_) | Operator::Unnest(_));
        let row_wise = stateless && self.nodes[input.node].row_wise;
        let node = self.push(operator, vec![input.node], schema, row_wise);
        Edge { node, append_only: stateless && input.append_only }
    }
}

/// Adds what a scan reads: no types means all of them.
pub(super) fn add_reads(reads: &mut Reads, source: &str, types: Vec<String>) {
    match reads.get_mut(source) {
        None => {
            reads.insert(source.into(), types);
        }
        Some(known) if known.is_empty() || types.is_empty() => known.clear(),
        Some(known) => {
            for name in types {
                if !known.contains(&name) {
                    known.push(name);
                }
            }
        }
    }
}

/// Expressions that can be evaluated on batches.
pub(super) fn physical(exprs: &[Expr], schema: &DFSchema) -> Result<Vec<Arc<dyn PhysicalExpr>>, Refusal> {
    if exprs.iter().any(has_subquery) {
        return Err(no_subqueries());
    }
    let properties = ExecutionProps::new();
    exprs
        .iter()
        .map(|expr| create_physical_expr(expr, schema, &properties, &Default::default()))
        .map(|expr| expr.map_err(|error| Refusal::from_datafusion(&error)))
        .collect()
}

/// A subquery that the optimizer could not turn into a join.
fn has_subquery(expr: &Expr) -> bool {
    let is_subquery = |expr: &Expr| Ok(matches!(expr, Expr::ScalarSubquery(_) | Expr::Exists(_) | Expr::InSubquery(_)));
    // The closure never fails.
    expr.exists(is_subquery).unwrap_or(true)
}

fn no_subqueries() -> Refusal {
    Refusal::new("this subquery cannot be kept incrementally")
        .hint("write it as a join with an aggregate, or make the subquery a projection of its own")
}

/// An Arrow schema with the plan's column names, unqualified.
pub(super) fn arrow(schema: &DFSchema) -> SchemaRef {
    Arc::new(Schema::new(schema.fields().clone()))
}

/// Whether a type can be grouped by, ordered by or counted.
pub(super) fn is_sortable(data_type: &DataType) -> bool {
    !matches!(data_type, DataType::Union(_, _) | DataType::RunEndEncoded(_, _) | DataType::Dictionary(_, _))
}

fn refusal(plan: &LogicalPlan) -> Refusal {
    let (message, hint) = match plan {
        LogicalPlan::RecursiveQuery(_) => {
            ("recursive queries are not kept incrementally", "unroll the levels that you need")
        }
        LogicalPlan::Values(_) | LogicalPlan::EmptyRelation(_) => (
            "this part reads no events, so there is nothing to keep",
            "select from a source's relation or from a projection",
        ),
        LogicalPlan::Subquery(_) => return no_subqueries(),
        _ => ("this statement is not a query that can be kept", "a projection is one SELECT"),
    };
    Refusal::new(message).hint(hint)
}
