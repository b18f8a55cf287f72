//! `* REPLACE (x AS a)` where no relation in FROM has a column `a`, which the planner passes over: refused.

use datafusion::common::{Result, plan_err};
use datafusion::sql::sqlparser::ast::{Select, SelectItem, TableFactor};

use super::relations::{Relations, normal};
use super::semi_joins::is_one_sided;

/// # Errors
/// If a column is replaced that no relation has. Where the columns of a relation are not known, nothing is.
pub(super) fn refuse_unknown(select: &Select, relations: &Relations<'_>) -> Result<()> {
    let replaced = select.projection.iter().filter_map(|item| match item {
        SelectItem::Wildcard(options) | SelectItem::QualifiedWildcard(_, options) => options.opt_replace.as_ref(),
        _ => None,
    });
    let mut names = replaced.flat_map(|replaced| &replaced.items).map(|item| normal(&item.column_name)).peekable();
    if names.peek().is_none() {
        return Ok(());
    }
    let all = |from: &TableFactor| relations.columns(from);
    let tables = select.from.iter().flat_map(|from| {
        std::iter::once(&from.relation)
            .chain(from.joins.iter().filter(|join| !is_one_sided(join)).map(|join| &join.relation))
    });
    let Some(columns) = tables.map(all).collect::<Option<Vec<_>>>() else { return Ok(()) };
    let columns = columns.concat();
    match names.find(|name| !name.starts_with('_') && !columns.contains(name)) {
        Some(name) => plan_err!(
            "REPLACE is of columns that are there, and there is no `{name}`: write `SELECT *, x AS {name}`, or one of {}",
            columns.join(", ")
        ),
        None => Ok(()),
    }
}
