//! Functions in FROM that give a row an element: `FROM orders o, unnest(o.lines) AS line`. They may read what stands left of them.
//!
//! As in PostgreSQL the name after AS is that of the table and, where no other is given, of its column.

use datafusion::common::{Result, plan_err};
use datafusion::sql::sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, Ident, ObjectName, Query, SelectItem, SetExpr, TableAlias, TableFactor,
    TableFunctionArgs,
};

use super::template;

/// What gives the list, of which argument counts; `$__0` is the first argument.
const LISTS: [(&str, usize, &str); 19] = [
    ("generate_series", 2, "generate_series($__0, $__1)"),
    ("generate_series", 3, "generate_series($__0, $__1, $__2)"),
    ("range", 1, "range($__0)"),
    ("range", 2, "range($__0, $__1)"),
    ("range", 3, "range($__0, $__1, $__2)"),
    ("string_to_table", 2, "string_to_array($__0, $__1)"),
    ("regexp_split_to_table", 2, "regexp_split_to_array($__0, $__1)"),
    ("regexp_matches", 2, "regexp_match_lists($__0, $__1)"),
    ("regexp_matches", 3, "regexp_match_lists($__0, $__1, $__2)"),
    ("generate_subscripts", 2, "generate_series(1, CAST(array_length($__0, $__1) AS BIGINT))"),
    ("json_array_elements", 1, "json_elements($__0)"),
    ("jsonb_array_elements", 1, "json_elements($__0)"),
    ("json_array_elements_text", 1, "json_elements_text($__0)"),
    ("jsonb_array_elements_text", 1, "json_elements_text($__0)"),
    ("json_object_keys", 1, "json_object_keys($__0)"),
    ("jsonb_object_keys", 1, "json_object_keys($__0)"),
    ("map_keys", 1, "map_keys($__0)"),
    ("map_values", 1, "map_values($__0)"),
    ("map_entries", 1, "map_entries($__0)"),
];

/// A call of such a function as what reads its neighbours.
pub(super) fn as_subquery(factor: &mut TableFactor) -> Result<()> {
    let Some(Call { name, lists, alias, with_ordinality }) = call(factor)? else { return Ok(()) };
    let columns = lists.len() + usize::from(with_ordinality);
    let mut names: Vec<Ident> = match &alias {
        Some(alias) if alias.columns.len() > columns => {
            let named = alias.columns.len();
            let fields = alias.name.value.as_str();
            return match columns {
                1 => plan_err!(
                    "`{name}` gives one column, and {named} are named; where that is a struct, its fields are `{fields}.…` without names in parentheses"
                ),
                _ => plan_err!("`{name}` gives {columns} columns, and {named} are named"),
            };
        }
        Some(alias) => alias.columns.iter().map(|column| column.name.clone()).collect(),
        None => Vec::new(),
    };
    for index in names.len()..lists.len() {
        let first = alias.as_ref().map_or_else(|| Ident::new(&name), |alias| alias.name.clone());
        names.push(if index == 0 { first } else { Ident::new(format!("{}_{}", first.value, index + 1)) });
    }
    if names.len() < columns {
        names.push(Ident::new("ordinality"));
    }
    // What is taken out of a list is no longer marked as JSON.
    let is_json = matches!(name.as_str(), "json_array_elements" | "jsonb_array_elements");
    let element =
        |index: usize| if is_json { format!("json(unnest($__{index}))") } else { format!("unnest($__{index})") };
    let mut items: Vec<String> = (0..lists.len()).map(element).collect();
    if with_ordinality {
        let all: Vec<String> = (0..lists.len()).map(|index| format!("$__{index}")).collect();
        items.push(format!("unnest(list_ordinals({}))", all.join(", ")));
    }
    let mut subquery = template::query(&format!("SELECT {}", items.join(", ")), &lists)?;
    name_items(&mut subquery, names);
    let name = alias.map_or_else(|| Ident::new(&name), |alias| alias.name);
    let alias = TableAlias { explicit: true, name, columns: Vec::new(), at: None };
    *factor = TableFactor::Derived { lateral: true, subquery: Box::new(subquery), alias: Some(alias), sample: None };
    Ok(())
}

/// What a function in FROM that gives one column is called, where that column has the same name.
pub(super) fn list_name(factor: &TableFactor) -> Option<Ident> {
    let Call { name, lists, alias, with_ordinality } = call(factor).ok()??;
    let has_own_names = alias.as_ref().is_some_and(|alias| !alias.columns.is_empty());
    let is_list = lists.len() == 1 && !with_ordinality && !has_own_names;
    is_list.then(|| alias.map_or_else(|| Ident::new(name), |alias| alias.name))
}

/// A call of a function that is a set.
struct Call {
    name: String,
    lists: Vec<Expr>,
    alias: Option<TableAlias>,
    with_ordinality: bool,
}

fn call(factor: &TableFactor) -> Result<Option<Call>> {
    let (name, arguments, alias, with_ordinality) = match factor {
        TableFactor::UNNEST { alias, array_exprs, with_offset: false, with_ordinality, .. } => {
            let (alias, lists) = (alias.clone(), array_exprs.clone());
            return Ok(Some(Call { name: "unnest".to_owned(), lists, alias, with_ordinality: *with_ordinality }));
        }
        TableFactor::Table { name, args: Some(TableFunctionArgs { args, .. }), alias, with_ordinality, .. } => {
            (name, args, alias, *with_ordinality)
        }
        TableFactor::Function { name, args, alias, with_ordinality, .. } => (name, args, alias, *with_ordinality),
        _ => return Ok(None),
    };
    let Some(name) = plain_name(name) else { return Ok(None) };
    let Some(arguments) = values(arguments) else { return Ok(None) };
    let lists = if name == "unnest" {
        arguments
    } else {
        let of_name = || LISTS.iter().filter(|(known, _, _)| *known == name);
        match of_name().find(|(_, count, _)| *count == arguments.len()) {
            Some((_, _, list)) => vec![template::expression(list, &arguments)?],
            None if of_name().next().is_some() => return plan_err!("`{name}` takes another number of arguments"),
            None => return Ok(None),
        }
    };
    if lists.is_empty() {
        return plan_err!("`{name}` takes a list");
    }
    Ok(Some(Call { name, lists, alias: alias.clone(), with_ordinality }))
}

/// The name of a function that is in no schema, in lower case.
pub(super) fn plain_name(name: &ObjectName) -> Option<String> {
    let [part] = name.0.as_slice() else { return None };
    Some(part.as_ident()?.value.to_ascii_lowercase())
}

/// Arguments without names.
pub(super) fn values(arguments: &[FunctionArg]) -> Option<Vec<Expr>> {
    let value = |argument: &FunctionArg| match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr.clone()),
        _ => None,
    };
    arguments.iter().map(value).collect()
}

/// Names for the expressions that a query selects.
fn name_items(query: &mut Query, names: Vec<Ident>) {
    let SetExpr::Select(select) = query.body.as_mut() else { return };
    for (item, alias) in select.projection.iter_mut().zip(names) {
        if let SelectItem::UnnamedExpr(expr) = item {
            *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias };
        }
    }
}
