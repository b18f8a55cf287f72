//! `USING` where DataFusion takes another column than SQL means, or none: in right and full joins, and where two of them name the same
//! column. They become `ON`, and the column without a table becomes that of the side that has it, or the first that is not
//! NULL.
//!
//! Below a `*`, a single `USING` of an inner or left join is DataFusion's own: its columns keep their places.

use std::ops::ControlFlow;

use datafusion::common::{DataFusionError, Result, plan_err};
use datafusion::sql::sqlparser::ast::{
    ExcludeSelectItem, Expr, Ident, JoinConstraint, JoinOperator, ObjectName, Query, Select, SelectItem,
    SelectItemQualifiedWildcardKind, TableAlias, TableFactor, TableWithJoins, VisitMut, VisitorMut,
    WildcardAdditionalOptions,
};

use super::relations::called;
use super::template::{self, Copies};

pub(super) fn as_conditions(select: &mut Select) -> Result<()> {
    let is_wildcard = |item: &SelectItem| matches!(item, SelectItem::Wildcard(_));
    let expands = select.projection.iter().any(is_wildcard);
    if !select.from.iter().any(|item| needs_conditions(item) || !expands && is_of_two(item)) {
        return Ok(());
    }
    let (mut merged, mut copies): (Vec<Merged>, _) = (Vec::new(), Copies::default());
    let mut relations: Vec<(Vec<Ident>, Vec<Ident>)> = Vec::new();
    for item in &mut select.from {
        conditions(item, &mut merged, &mut relations, &mut copies)?;
    }
    expand_wildcards(select, &merged, &relations)?;
    for item in &mut select.projection {
        // What is selected keeps its name.
        if let SelectItem::UnnamedExpr(Expr::Identifier(name)) = item
            && let Some(known) = merged.iter().find(|known| same(&known.name, name))
        {
            *item = SelectItem::ExprWithAlias { expr: copies.of(&known.column)?, alias: name.clone() };
        } else {
            named_in(item, &merged, &mut copies)?;
        }
    }
    named_in(&mut select.selection, &merged, &mut copies)?;
    named_in(&mut select.group_by, &merged, &mut copies)?;
    named_in(&mut select.having, &merged, &mut copies)?;
    named_in(&mut select.qualify, &merged, &mut copies)?;
    named_in(&mut select.named_window, &merged, &mut copies)
}

/// Puts the merged columns where a part of a query names them.
fn named_in(part: &mut impl VisitMut, merged: &[Merged], copies: &mut Copies) -> Result<()> {
    match part.visit(&mut Names { merged, copies, depth: 0 }) {
        ControlFlow::Break(error) => Err(error),
        ControlFlow::Continue(()) => Ok(()),
    }
}

/// A column that several relations share.
struct Merged {
    name: Ident,
    column: Expr,
}

/// Whether this is a single USING of two tables.
fn is_of_two(item: &TableWithJoins) -> bool {
    let is_table = |relation: &TableFactor| matches!(relation, TableFactor::Table { .. } | TableFactor::Derived { .. });
    match item.joins.as_slice() {
        [join] => {
            let is_using = matches!(constraint(&join.join_operator), Some(JoinConstraint::Using(_)));
            is_using && is_table(&item.relation) && is_table(&join.relation)
        }
        _ => false,
    }
}

/// Whether a join is one in which the planner is misled.
fn needs_conditions(item: &TableWithJoins) -> bool {
    let mut seen: Vec<&Ident> = Vec::new();
    item.joins.iter().any(|join| {
        let Some(JoinConstraint::Using(names)) = constraint(&join.join_operator) else { return false };
        let names: Vec<&Ident> = names.iter().filter_map(column).collect();
        let again = names.iter().any(|name| seen.iter().any(|other| same(other, name)));
        seen.extend(names);
        again || !matches!(side(&join.join_operator), Side::Left)
    })
}

/// Which side's value the merged column has.
#[derive(Clone, Copy)]
enum Side {
    Left,
    Right,
    Either,
}

fn side(operator: &JoinOperator) -> Side {
    match operator {
        JoinOperator::Right(_) | JoinOperator::RightOuter(_) => Side::Right,
        JoinOperator::FullOuter(_) => Side::Either,
        _ => Side::Left,
    }
}

pub(super) fn constraint(operator: &JoinOperator) -> Option<&JoinConstraint> {
    match operator {
        JoinOperator::Join(constraint)
        | JoinOperator::Inner(constraint)
        | JoinOperator::Left(constraint)
        | JoinOperator::LeftOuter(constraint)
        | JoinOperator::Right(constraint)
        | JoinOperator::RightOuter(constraint)
        | JoinOperator::FullOuter(constraint) => Some(constraint),
        _ => None,
    }
}

pub(super) fn constraint_mut(operator: &mut JoinOperator) -> Option<&mut JoinConstraint> {
    match operator {
        JoinOperator::Join(constraint)
        | JoinOperator::Inner(constraint)
        | JoinOperator::Left(constraint)
        | JoinOperator::LeftOuter(constraint)
        | JoinOperator::Right(constraint)
        | JoinOperator::RightOuter(constraint)
        | JoinOperator::FullOuter(constraint) => Some(constraint),
        _ => None,
    }
}

/// Writes the conditions of one item of FROM, and notes its relations with the columns that they share with others.
fn conditions(
    item: &mut TableWithJoins,
    merged: &mut Vec<Merged>,
    relations: &mut Vec<(Vec<Ident>, Vec<Ident>)>,
    copies: &mut Copies,
) -> Result<()> {
    let first = relations.len();
    let name = named(&mut item.relation, first)?;
    relations.push((name, Vec::new()));
    for join in &mut item.joins {
        let right = named(&mut join.relation, relations.len())?;
        relations.push((right.clone(), Vec::new()));
        let side = side(&join.join_operator);
        let Some(constraint) = constraint_mut(&mut join.join_operator) else { continue };
        match constraint {
            JoinConstraint::Using(names) => {
                let mut condition: Option<Expr> = None;
                for name in names.iter().filter_map(column).cloned().collect::<Vec<_>>() {
                    let of_right = of(&right, &name);
                    let of_left = match merged.iter().find(|known| same(&known.name, &name)) {
                        Some(known) => copies.of(&known.column)?,
                        None if relations.len() - first == 2 => of(&relations[first].0, &name),
                        None => {
                            return plan_err!(
                                "USING ({name}) may mean a column of several tables: write `ON … = {name}`"
                            );
                        }
                    };
                    let equal = template::expression("$__0 = $__1", &[of_left.clone(), of_right.clone()])?;
                    condition = Some(match condition {
                        Some(others) => template::expression("$__0 AND $__1", &[others, equal])?,
                        None => equal,
                    });
                    let column = match side {
                        Side::Left => of_left,
                        Side::Right => of_right,
                        Side::Either => template::expression("coalesce($__0, $__1)", &[of_left, of_right])?,
                    };
                    for (_, shared) in &mut relations[first..] {
                        if !shared.iter().any(|other| same(other, &name)) {
                            shared.push(name.clone());
                        }
                    }
                    match merged.iter_mut().find(|known| same(&known.name, &name)) {
                        Some(known) => known.column = column,
                        None => merged.push(Merged { name, column }),
                    }
                }
                if let Some(condition) = condition {
                    *constraint = JoinConstraint::On(condition);
                }
            }
            JoinConstraint::On(condition) => {
                named_in(condition, merged, copies)?;
            }
            JoinConstraint::Natural | JoinConstraint::None => {}
        }
    }
    Ok(())
}

/// The name by which a relation's columns are called; one without a name gets one.
fn named(relation: &mut TableFactor, number: usize) -> Result<Vec<Ident>> {
    if let Some(name) = called(relation) {
        return Ok(name);
    }
    match relation {
        TableFactor::Derived { alias, .. } => {
            let name = Ident::new(format!("__joined_{number}"));
            *alias = Some(TableAlias { explicit: true, name: name.clone(), columns: Vec::new(), at: None });
            Ok(vec![name])
        }
        _ => plan_err!("USING beside this kind of relation: write ON"),
    }
}

fn of(relation: &[Ident], name: &Ident) -> Expr {
    Expr::CompoundIdentifier(relation.iter().cloned().chain([name.clone()]).collect())
}

fn column(name: &ObjectName) -> Option<&Ident> {
    match name.0.as_slice() {
        [part] => part.as_ident(),
        _ => None,
    }
}

fn same(one: &Ident, other: &Ident) -> bool {
    one.value.eq_ignore_ascii_case(&other.value)
}

/// `*` is the shared columns, and then what else each relation has.
fn expand_wildcards(select: &mut Select, merged: &[Merged], relations: &[(Vec<Ident>, Vec<Ident>)]) -> Result<()> {
    let mut items = Vec::new();
    for item in std::mem::take(&mut select.projection) {
        let SelectItem::Wildcard(options) = item else {
            items.push(item);
            continue;
        };
        if options.opt_exclude.is_some() || options.opt_except.is_some() || options.opt_replace.is_some() {
            return plan_err!("`*` without some columns, over USING in several joins: name the columns");
        }
        items.extend(
            merged
                .iter()
                .map(|known| SelectItem::ExprWithAlias { expr: known.column.clone(), alias: known.name.clone() }),
        );
        items.extend(relations.iter().map(|(name, shared)| {
            let name = SelectItemQualifiedWildcardKind::ObjectName(ObjectName::from(name.clone()));
            let shared: Vec<ObjectName> = shared.iter().map(|name| ObjectName::from(vec![name.clone()])).collect();
            let opt_exclude = (!shared.is_empty()).then_some(ExcludeSelectItem::Multiple(shared));
            SelectItem::QualifiedWildcard(name, WildcardAdditionalOptions { opt_exclude, ..options.clone() })
        }));
    }
    select.projection = items;
    Ok(())
}

/// Puts the merged columns where a name without a table stands, but not in subqueries, which may have such a column of their own.
struct Names<'a> {
    merged: &'a [Merged],
    copies: &'a mut Copies,
    depth: usize,
}

impl VisitorMut for Names<'_> {
    type Break = DataFusionError;

    fn pre_visit_query(&mut self, _: &mut Query) -> ControlFlow<DataFusionError> {
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<DataFusionError> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<DataFusionError> {
        if self.depth == 0
            && let Expr::Identifier(name) = expr
            && let Some(known) = self.merged.iter().find(|known| same(&known.name, name))
        {
            match self.copies.of(&known.column) {
                Ok(column) => *expr = column,
                Err(error) => return ControlFlow::Break(error),
            }
        }
        ControlFlow::Continue(())
    }
}
