//! Forms of SQL that DataFusion's planner does not know, written as forms that it knows. A statement is changed after it is parsed
//! and before anything is planned, so all that plans SQL takes the same forms: projections, views and readers' queries.
//!
//! | File | Form | becomes |
//! |---|---|---|
//! | `set_functions` | `unnest(…)`, `generate_series(…)` and the like in FROM, `WITH ORDINALITY` | `LATERAL (SELECT unnest(…))` |
//! | `event_windows` | `TUMBLE`, `HOP`, `SESSION` in FROM | subqueries with `date_bin`, or with window functions |
//! | `as_of` | `ASOF JOIN` | a lateral join with the first row of an order |
//! | `semi_joins` | `SEMI JOIN`, `ANTI JOIN` | `LEFT SEMI JOIN`, `LEFT ANTI JOIN` |
//! | `using` | `USING` in chains of joins, right and full ones | `ON`, and the merged column where it is named |
//! | `natural` | `NATURAL` | `USING` |
//! | `dependent` | columns that follow from the key of a table in GROUP BY | columns of that GROUP BY |
//! | `arrays` | `ARRAY(SELECT x …)` | `array_agg(x)` |
//! | `named_windows` | `OVER (w ORDER BY x)` | the window written out |
//! | `neighbours` | `FROM a, unnest(a.l) AS e LEFT JOIN b ON …` | `FROM a CROSS JOIN unnest(a.l) AS e LEFT JOIN b ON …` |
//! | `item_names` | `SELECT a.x::int`, `SELECT a.row.field` | `… AS x`, `… AS field` |
//! | `offset_defaults` | `lag(x, 1, y)` where `y` is computed | `CASE` over whether there is such a row |
//! | `no_columns` | `SELECT FROM t` | `SELECT 1 FROM t` |
//! | `overlaps` | `(a, b) OVERLAPS (c, d)` | comparisons of their first and last moments |
//! | `records` | `jsonb_to_record[set](j) AS r(a int, b text)`, `jsonb_each(j)` in FROM | `j ->> 'a'`, cast |
//! | `pairs` | `(a, b) IN (SELECT …)` in conditions | `EXISTS` |
//! | `tokens` | `AS MATERIALIZED`, `TABLE(TUMBLE(TABLE t, …))` | without these words |
//! | `fields` | `lines[1].sku`, `(line).sku` | `lines[1]['sku']` |
//! | `casts_apart` | `sum(x), sum(x::int)` | `sum(x), sum(cast_apart(x::int, 'INT'))` |
//! | `whole_rows` | `jsonb_agg(t)`, where `t` is a relation | `jsonb_agg({'a': t.a, …})` |
//! | `fetch` | `FETCH FIRST … ROWS ONLY`, `WITH TIES` | `LIMIT`, or a condition on the rank |

mod arrays;
mod as_of;
mod casts_apart;
mod dependent;
mod event_windows;
mod fetch;
mod fields;
mod item_names;
mod named_windows;
mod natural;
mod neighbours;
mod no_columns;
mod offset_defaults;
mod overlaps;
mod pairs;
mod records;
mod relations;
mod replacements;
mod semi_joins;
mod set_functions;
mod template;
mod tokens;
mod using;
mod whole_rows;

use std::ops::ControlFlow;

use datafusion::common::{DataFusionError, Result};
use datafusion::sql::sqlparser::ast::{Expr, Query, Select, Statement, TableFactor, VisitMut, VisitorMut};

pub(in crate::sql) use as_of::as_parsed;
pub use relations::RelationKeys;
pub(in crate::sql) use relations::Relations;
pub(in crate::sql) use tokens::without_hints;

/// Rewrites a statement where it stands: what follows from the text alone, and where `relations` are given, what follows from them too.
///
/// # Errors
/// If one of the forms cannot be written otherwise, with what to write instead.
pub(super) fn desugar(statement: &mut Statement, relations: Option<Relations<'_>>) -> Result<()> {
    match statement.visit(&mut Forms { relations }) {
        ControlFlow::Break(error) => Err(error),
        ControlFlow::Continue(()) => Ok(()),
    }
}

struct Forms<'a> {
    relations: Option<Relations<'a>>,
}

impl VisitorMut for Forms<'_> {
    type Break = DataFusionError;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Self::Break> {
        self.relations.iter_mut().for_each(|relations| relations.enter(query));
        proceed(fetch::as_limit(query))
    }

    fn post_visit_query(&mut self, query: &mut Query) -> ControlFlow<Self::Break> {
        if let Some(relations) = &mut self.relations {
            casts_apart::as_named(query, relations);
            relations.leave();
        }
        ControlFlow::Continue(())
    }

    /// Before what it joins is looked at: an as-of join copies none of it.
    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<Self::Break> {
        no_columns::as_constant(select);
        item_names::as_written(select);
        neighbours::as_joins(select);
        let joined = semi_joins::as_left(select)
            .and_then(|()| pairs::as_exists(select))
            .and_then(|()| self.with_relations(select))
            .and_then(|()| as_of::as_lateral(select))
            .and_then(|()| {
                // What NATURAL means is not known yet, and decides what USING means beside it.
                match self.relations.is_none() && natural::is_in(select) {
                    true => Ok(()),
                    false => using::as_conditions(select),
                }
            });
        proceed(joined.and_then(|()| named_windows::as_written_out(select)))
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Self::Break> {
        fields::as_subscripts(expr);
        proceed(
            pairs::refuse(expr)
                .and_then(|()| overlaps::as_conditions(expr))
                .and_then(|()| arrays::as_aggregate(expr))
                .and_then(|()| offset_defaults::as_case(expr)),
        )
    }

    fn post_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Self::Break> {
        proceed(
            event_windows::as_subquery(factor)
                .and_then(|()| records::as_subquery(factor))
                .and_then(|()| set_functions::as_subquery(factor)),
        )
    }
}

impl Forms<'_> {
    fn with_relations(&self, select: &mut Select) -> Result<()> {
        let Some(relations) = &self.relations else { return Ok(()) };
        replacements::refuse_unknown(select, relations)?;
        whole_rows::as_structs(select, relations);
        dependent::as_grouped(select, relations);
        natural::as_using(select, relations)
    }
}

/// A visitor goes on, or stops at what is refused.
pub(in crate::sql) fn proceed(result: Result<()>) -> ControlFlow<DataFusionError> {
    match result {
        Ok(()) => ControlFlow::Continue(()),
        Err(error) => ControlFlow::Break(error),
    }
}
