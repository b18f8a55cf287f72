//! From an optimised logical plan to a circuit.
//!
//! What has no incremental operator is refused here, with the reason and what to write instead.

mod aggregate;
mod call;
mod closing;
mod constants;
mod expressions;
mod join;
mod not_in;
mod partition;
mod ranking;
mod specification;

use std::collections::HashMap;

use arrow::datatypes::SchemaRef;
use datafusion::common::DFSchema;
use datafusion::common::NullHandling;
use datafusion::execution::SessionState;
use datafusion::logical_expr::{self as logical, Expr, LogicalPlan};
use datafusion::physical_plan::unnest::ListUnnest;

use self::aggregate::lower_aggregate;
pub(super) use self::expressions::arrow;
use self::expressions::{no_subqueries, physical};
use self::join::lower_join;
use self::partition::{constant, lower_slice, lower_window};
use self::ranking::{lower_ranking, sunk};
use crate::circuit::{
    Aggregate, Circuit, Handle, Join, JoinSpec, Map, Node, Operator, Partition, PartitionSpec, Unmatched, Unnest,
};
use crate::config::Code;
use crate::event::SourceRelation;
use crate::identity::{Identity, Specification};
use crate::plan::Refusal;
use crate::plan::facts::fallible::can_fail;
use crate::plan::scope::{Scanned, Scope};
use crate::progress::Reads;
use crate::sql::specify_evaluator;

/// A plan that has become a circuit.
#[derive(Debug)]
pub(super) struct Lowered {
    pub(super) circuit: Circuit,
    pub(super) append_only: bool,
    pub(super) reads: Reads,
    /// Other projections that it reads.
    pub(super) upstream: Vec<String>,
}

pub(super) fn lower(plan: &LogicalPlan, scope: &Scope, state: &SessionState) -> Result<Lowered, Refusal> {
    let (nodes, known, lowered) = (Vec::new(), HashMap::new(), HashMap::new());
    let (reads, upstream) = (Reads::new(), Vec::new());
    let mut lowering = Lowering { scope, state, nodes, known, lowered, reads, upstream };
    let output = lowering.plan(plan)?;
    if output.node + 1 != lowering.nodes.len() {
        // The last node is the output: a node that only passes its input on makes it so.
        lowering.rename(output.node, lowering.schema(output));
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
    nodes: Vec<Node>,
    /// The nodes by what they compute: an operator that comes again, as of a table expression that is read twice, is
    /// there once.
    known: HashMap<Identity, usize>,
    /// The plans that were lowered so far.
    lowered: HashMap<LogicalPlan, Edge>,
    reads: Reads,
    upstream: Vec<String>,
}

impl Lowering<'_> {
    pub(super) fn plan(&mut self, plan: &LogicalPlan) -> Result<Edge, Refusal> {
        if let Some(edge) = self.lowered.get(plan) {
            return Ok(*edge);
        }
        let edge = self.lower(plan)?;
        self.lowered.insert(plan.clone(), edge);
        Ok(edge)
    }

    /// The node that computes this: one that is there already, or a new one.
    fn push(
        &mut self,
        operator: Operator,
        specification: Specification,
        inputs: Vec<usize>,
        schema: SchemaRef,
        row_wise: bool,
    ) -> usize {
        let identity = node_identity(&specification, inputs.iter().map(|&input| self.nodes[input].identity));
        match self.known.get(&identity) {
            Some(&node) if self.nodes[node].schema == schema => node,
            Some(&node) => self.rename(node, schema),
            None => {
                self.nodes.push(Node { operator, inputs, schema, row_wise, identity });
                self.known.insert(identity, self.nodes.len() - 1);
                self.nodes.len() - 1
            }
        }
    }

    /// A node of its own that passes its input on under other column names.
    fn rename(&mut self, input: usize, schema: SchemaRef) -> usize {
        let Node { identity, row_wise, .. } = self.nodes[input];
        let identity = node_identity(&Specification::of("rename/1"), [identity].into_iter());
        self.nodes.push(Node { operator: Operator::Union, inputs: vec![input], schema, row_wise, identity });
        self.nodes.len() - 1
    }

    fn lower(&mut self, plan: &LogicalPlan) -> Result<Edge, Refusal> {
        match plan {
            LogicalPlan::TableScan(scan) => self.scan(scan),
            LogicalPlan::SubqueryAlias(alias) => self.plan(&alias.input),
            LogicalPlan::Projection(projection) => {
                let input = self.plan(&projection.input)?;
                let columns = columns(&projection.expr, projection.input.schema(), arrow(&projection.schema))?;
                Ok(self.map(columns, input))
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
            LogicalPlan::EmptyRelation(nothing) if nothing.produce_one_row => self.one_row(arrow(&nothing.schema)),
            LogicalPlan::EmptyRelation(nothing) => Ok(self.nothing(arrow(&nothing.schema))),
            LogicalPlan::Values(values) => self.values(values),
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
            return Err(Refusal::new(Code::NotKept, format!("the filter `{filter}` cannot be evaluated by the scan")));
        }
        let columns: Vec<usize> = match &scan.projection {
            Some(projection) => projection.clone(),
            None => (0..scan.source.schema().fields().len()).collect(),
        };
        let schema = arrow(&scan.projected_schema);
        match self.scope.find(&scan.table_name) {
            Some(Scanned::Events { source, relation }) => {
                let types = match relation {
                    SourceRelation::Events => Vec::new(),
                    SourceRelation::Type(index) => vec![source.schema.types[index].name.clone()],
                };
                let specification = Specification::of("events/1")
                    .identity(source.identity)
                    .list(types.iter(), |specification, name| specification.text(name))
                    .schema(&schema);
                add_reads(&mut self.reads, &source.schema.source, types);
                let full = source.schema.relation_schema(relation);
                let source = source.schema.source.clone();
                let operator = Operator::Events { source, relation, schema: full, columns };
                Ok(Edge { node: self.push(operator, specification, Vec::new(), schema, true), append_only: true })
            }
            Some(Scanned::Projection { name, projection }) => {
                for (source, types) in &projection.reads {
                    add_reads(&mut self.reads, source, types.clone());
                }
                if !self.upstream.iter().any(|other| other == name) {
                    self.upstream.push(name.to_owned());
                }
                let specification = Specification::of("projection/1")
                    .text(name)
                    .identity(projection.identity)
                    .list(columns.iter(), |specification, column| specification.index(*column));
                let operator = Operator::Projection { name: name.to_owned(), columns };
                let node = self.push(operator, specification, Vec::new(), schema, false);
                Ok(Edge { node, append_only: projection.append_only })
            }
            None => Err(Refusal::new(Code::UnknownRelation, format!("there is no relation `{}`", scan.table_name))),
        }
    }

    fn aggregate(&mut self, aggregate: &logical::Aggregate) -> Result<Edge, Refusal> {
        let input = self.plan(&aggregate.input)?;
        let (maps, Specified { operator: spec, specification }) =
            lower_aggregate(aggregate, input.append_only, self.scope)?;
        let maps: Vec<Edge> = maps.into_iter().map(|map| self.map(map, input)).collect();
        let input = self.union(&maps, spec.input.clone());
        let schema = spec.schema.clone();
        let operator = Aggregate::new(spec).map_err(|error| Refusal::new(Code::NotKept, error.to_string()))?;
        let edge = self.stateful(operator.into(), specification, &[input], schema)?;
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
        let specification = Specification::of("union/1");
        Edge { node: self.push(Operator::Union, specification, nodes, schema, row_wise), append_only }
    }

    /// LIMIT over an order; the sort below it may have been told of it already.
    fn limit(&mut self, limit: &logical::Limit) -> Result<Edge, Refusal> {
        let skip = constant(limit.skip.as_deref())?.unwrap_or(0);
        let Some(fetch) = constant(limit.fetch.as_deref())? else {
            return Err(Refusal::new(Code::NoOrder, "OFFSET without LIMIT keeps almost everything").hint("add a LIMIT"));
        };
        let LogicalPlan::Sort(sort) = limit.input.as_ref() else {
            return Err(Refusal::new(Code::NoOrder, "LIMIT without ORDER BY keeps arbitrary rows")
                .hint("say which rows with ORDER BY"));
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
        let passing = filtered(&filter.predicate, filter.input.schema(), arrow(filter.input.schema()))?;
        Ok(self.map(passing, input))
    }

    fn partition(&mut self, partition: Specified<PartitionSpec>, input: Edge) -> Result<Edge, Refusal> {
        let Specified { operator: spec, specification } = partition;
        let schema = spec.schema.clone();
        let operator = Partition::new(spec).map_err(|error| Refusal::new(Code::NotKept, error.to_string()))?;
        self.stateful(operator.into(), specification, &[input], schema)
    }

    fn join(&mut self, join: Specified<JoinSpec>, left: Edge, right: Edge) -> Result<Edge, Refusal> {
        let Specified { operator: spec, specification } = join;
        // Only pairs of rows that stay do stay.
        let plain =
            spec.pairs && spec.left_unmatched == Unmatched::Dropped && spec.right_unmatched == Unmatched::Dropped;
        let schema = spec.schema.clone();
        let operator = Join::new(spec).map_err(|error| Refusal::new(Code::NotKept, error.to_string()))?;
        let edge = self.stateful(operator.into(), specification, &[left, right], schema)?;
        Ok(Edge { append_only: plain && left.append_only && right.append_only, ..edge })
    }

    /// Adds an operator with state. What it persists is part of what it is, so that state of another form is never read.
    fn stateful(
        &mut self,
        operator: Handle,
        specification: Specification,
        inputs: &[Edge],
        schema: SchemaRef,
    ) -> Result<Edge, Refusal> {
        let stores = operator.lock().stores().map_err(|error| Refusal::new(Code::NotKept, error.to_string()))?;
        let specification = specification
            .list(stores.iter(), |specification, (name, store)| specification.text(name).schema(&store.schema));
        let inputs = inputs.iter().map(|input| input.node).collect();
        let node = self.push(Operator::Stateful(operator), specification, inputs, schema, false);
        Ok(Edge { node, append_only: false })
    }

    fn unnest(&mut self, unnest: &logical::Unnest) -> Result<Edge, Refusal> {
        let input = self.plan(&unnest.input)?;
        let lists = unnest.list_type_columns.iter();
        let schema = arrow(&unnest.schema);
        let operator = Unnest {
            lists: lists.map(|(index, list)| ListUnnest { index_in_input_schema: *index, depth: list.depth }).collect(),
            structs: unnest.struct_type_columns.clone(),
            options: unnest.options.clone(),
            schema: schema.clone(),
        };
        let nulls = match unnest.options.null_handling {
            NullHandling::Preserve => "preserve",
            NullHandling::PreserveAndExpandEmpty => "preserve_and_expand_empty",
            NullHandling::Drop => "drop",
        };
        // DataFusion's operator does the work.
        let specification = specify_evaluator(Specification::of("unnest/1"))
            .list(operator.lists.iter(), |specification, list| {
                specification.index(list.index_in_input_schema).index(list.depth)
            })
            .list(operator.structs.iter(), |specification, column| specification.index(*column))
            .text(nulls);
        Ok(self.stateless(Operator::Unnest(operator), specification, input, schema))
    }

    pub(super) fn schema(&self, edge: Edge) -> SchemaRef {
        self.nodes[edge.node].schema.clone()
    }

    fn map(&mut self, map: Specified<Map>, input: Edge) -> Edge {
        let Specified { operator, specification } = map;
        let schema = operator.schema.clone();
        self.stateless(Operator::Map(operator), specification, input, schema)
    }

    /// Adds an operator that keeps what is known of its input's edge.
    fn stateless(&mut self, operator: Operator, specification: Specification, input: Edge, schema: SchemaRef) -> Edge {
        let row_wise = self.nodes[input.node].row_wise;
        let node = self.push(operator, specification, vec![input.node], schema, row_wise);
        Edge { node, append_only: input.append_only }
    }
}

/// An operator, or what one is made from, with the specification of what it computes.
#[derive(Debug)]
struct Specified<T> {
    operator: T,
    specification: Specification,
}

/// What a node computes: its own specification over what its inputs compute.
fn node_identity(specification: &Specification, inputs: impl ExactSizeIterator<Item = Identity>) -> Identity {
    let node = Specification::of("node/1").identity(specification.finish());
    node.list(inputs, Specification::identity).finish()
}

/// Computes one column an expression over rows of `input`.
fn columns(exprs: &[Expr], input: &DFSchema, schema: SchemaRef) -> Result<Specified<Map>, Refusal> {
    let can_fail = exprs.iter().any(|expr| can_fail(expr, input));
    let operator = Map { filter: None, columns: Some(physical(exprs, input)?), schema, can_fail };
    let specification = specification::expressions(Specification::of("columns/1"), exprs, input)?;
    Ok(Specified { operator, specification })
}

/// Passes on the rows of `input` that meet a condition.
fn filtered(condition: &Expr, input: &DFSchema, schema: SchemaRef) -> Result<Specified<Map>, Refusal> {
    let filter = physical(std::slice::from_ref(condition), input)?.pop();
    let specification = specification::expression(Specification::of("filter/1"), condition, input)?;
    let can_fail = can_fail(condition, input);
    Ok(Specified { operator: Map { filter, columns: None, schema, can_fail }, specification })
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

fn refusal(plan: &LogicalPlan) -> Refusal {
    let (message, hint) = match plan {
        LogicalPlan::RecursiveQuery(_) => {
            ("recursive queries are not kept incrementally", "unroll the levels that you need")
        }
        LogicalPlan::Subquery(_) => return no_subqueries(),
        _ => ("this statement is not a query that can be kept", "a projection is one SELECT"),
    };
    Refusal::new(Code::NotKept, message).hint(hint)
}
