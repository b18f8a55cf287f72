//! Functions where a relation could stand (`FROM generate_series(1, 3) AS s(r)`), as the engine reads them: subqueries that give their rows.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, FunctionArg, Ident, ObjectName, ObjectNamePart, Statement, TableAlias, TableFactor, Visit, Visitor,
};
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::parser::Parser;

use super::calls::SERIES;
use super::functions::is_word;

/// Those that give rows of the catalog's own, by the name of a table of it.
const TABLES: [&str; 1] = ["pg_get_keywords"];
/// Those that give one row.
const VALUES: [&str; 5] = ["string_to_array", "parse_ident", "current_schemas", "current_setting", "version"];

/// What stands in place of a function without its schema; None of one that stays. One whose arguments are columns stays.
pub(super) fn rewritten(factor: &TableFactor) -> Option<TableFactor> {
    let (name, args, alias) = match factor {
        TableFactor::Table { name, args: Some(args), alias, with_ordinality: false, .. } => (name, &args.args, alias),
        TableFactor::Function { name, args, alias, with_ordinality: false, .. } => (name, args, alias),
        _ => return None,
    };
    let [name] = name.0.as_slice() else { return None };
    let function = name.as_ident()?.value.to_ascii_lowercase();
    if TABLES.contains(&function.as_str()) {
        return read(&format!("SELECT * FROM {function}"), alias.as_ref(), &function);
    }
    if args.iter().any(has_column) {
        return None;
    }
    let arguments: Vec<String> = args.iter().map(FunctionArg::to_string).collect();
    let arguments = arguments.join(", ");
    let column = column(alias.as_ref(), &function);
    let value = match function.as_str() {
        "generate_series" => format!("unnest({SERIES}({arguments}))"),
        value if VALUES.contains(&value) => format!("{value}({arguments})"),
        _ => return None,
    };
    read(&format!("SELECT {value} AS {column}"), alias.as_ref(), &function)
}

/// The name of the one column of a function: the alias's own, or that of the alias.
fn column(alias: Option<&TableAlias>, function: &str) -> Ident {
    match alias {
        None => Ident::new(function),
        Some(alias) => alias.columns.first().map_or(&alias.name, |column| &column.name).clone(),
    }
}

fn read(sql: &str, alias: Option<&TableAlias>, function: &str) -> Option<TableFactor> {
    let statement = Parser::parse_sql(&PostgreSqlDialect {}, sql).ok()?.pop()?;
    let Statement::Query(subquery) = statement else { return None };
    let name = alias.map_or_else(|| Ident::new(function), |alias| alias.name.clone());
    let alias = TableAlias { explicit: true, name, columns: Vec::new(), at: None };
    Some(TableFactor::Derived { lateral: false, subquery, alias: Some(alias), sample: None })
}

/// Whether an argument has a column in it, or another relation's row.
fn has_column(argument: &FunctionArg) -> bool {
    struct Columns;
    impl Visitor for Columns {
        type Break = ();

        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            let is_one = match expr {
                Expr::Identifier(name) => !is_word(&name.value),
                Expr::CompoundIdentifier(_) => true,
                _ => false,
            };
            if is_one { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        }
    }
    argument.visit(&mut Columns).is_break()
}

/// Takes the catalog's own schema off a name.
pub(super) fn strip(name: &mut ObjectName, schemas: &[&str]) {
    let schema = if name.0.len() > 1 { name.0[0].as_ident().map(super::rewriting::meant) } else { None };
    if schema.is_some_and(|schema| schemas.contains(&schema.as_str())) {
        name.0.remove(0);
    }
}

/// The last part of a name, as it is meant.
pub(super) fn last(name: &ObjectName) -> Option<String> {
    name.0.last().and_then(ObjectNamePart::as_ident).map(super::rewriting::meant)
}
