//! Forms of SQL that DataFusion's planner does not know, written as forms that it knows. A statement is changed after it is parsed
//! and before anything is planned, so all that plans SQL takes the same forms: projections, views and readers' queries.
//!
//! | File | Form | becomes |
//! |---|---|---|
//! | `set_functions` | `unnest(…)`, `generate_series(…)` and the like in FROM, `WITH ORDINALITY` | `LATERAL (SELECT unnest(…))` |
//! | `event_windows` | `TUMBLE`, `HOP` in FROM | a subquery with `date_bin` |
//! | `as_of` | `ASOF JOIN` | a lateral join with the first row of an order |
//! | `using` | `USING` in chains of joins, right and full ones | `ON`, and the merged column where it is named |
//! | `natural` | `NATURAL` | `USING` |
//! | `dependent` | columns that follow from the key of a table in GROUP BY | columns of that GROUP BY |
//! | `fetch` | `FETCH FIRST … ROWS ONLY`, `WITH TIES` | `LIMIT`, or a condition on the rank |

mod as_of;
mod dependent;
mod event_windows;
mod fetch;
mod natural;
mod relations;
mod set_functions;
mod template;
mod using;

use std::ops::ControlFlow;

use datafusion::common::{DataFusionError, Result};
use datafusion::sql::sqlparser::ast::{Query, Select, Statement, TableFactor, VisitMut, VisitorMut};

pub(in crate::sql) use as_of::as_parsed;
pub use relations::RelationKeys;
pub(in crate::sql) use relations::Relations;

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

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<Self::Break> {
        self.relations.iter_mut().for_each(Relations::leave);
        ControlFlow::Continue(())
    }

    /// Before what it joins is looked at: an as-of join copies none of it.
    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<Self::Break> {
        proceed(self.with_relations(select).and_then(|()| as_of::as_lateral(select)).and_then(|()| {
            // What NATURAL means is not known yet, and decides what USING means beside it.
            match self.relations.is_none() && natural::is_in(select) {
                true => Ok(()),
                false => using::as_conditions(select),
            }
        }))
    }

    fn post_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Self::Break> {
        proceed(event_windows::as_subquery(factor).and_then(|()| set_functions::as_subquery(factor)))
    }
}

impl Forms<'_> {
    fn with_relations(&self, select: &mut Select) -> Result<()> {
        let Some(relations) = &self.relations else { return Ok(()) };
        dependent::as_grouped(select, relations);
        natural::as_using(select, relations)
    }
}

fn proceed(result: Result<()>) -> ControlFlow<DataFusionError> {
    match result {
        Ok(()) => ControlFlow::Continue(()),
        Err(error) => ControlFlow::Break(error),
    }
}
