//! Questions of clients to the catalog, as the engine can answer them.
//!
//! Clients ask in PostgreSQL's own words: operators and types by their schema, names as numbers (`'t'::regclass`), values of arrays, and
//! subqueries of which each gives one value because the catalog is as it is. What is asked stays the same; only the words are others.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    AccessExpr, BinaryOperator, CastKind, DataType, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList,
    FunctionArguments, Ident, ObjectName, ObjectNamePart, Query, Select, SelectItem, SetExpr, Statement, Subscript,
    TableFactor, UnaryOperator, Value, Visit, VisitMut, Visitor, VisitorMut,
};
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::parser::Parser;

use super::sources::{self, last, strip};
use super::{calls, functions};
use crate::query::ColumnNames;

/// What the parser's own limit counts; it is never reached by a text within the limits of readers' SQL, which is looked at before.
const RECURSION_MAX: usize = 4_000;
const CATALOG: &str = "pg_catalog";
const INFORMATION: &str = "information_schema";
/// Types whose values are numbers of what has a name.
const NAMED: [&str; 8] =
    ["regclass", "regtype", "regnamespace", "regproc", "regprocedure", "regrole", "regoper", "regcollation"];

/// A question in words that the engine knows.
pub(super) struct Rewritten {
    pub(super) sql: String,
    pub(super) names: ColumnNames,
    /// Columns of the answer that are columns of the catalog under other names: their own, and those of the catalog.
    pub(super) aliases: Vec<(String, String)>,
}

/// A question to the catalog; None of what asks for rows of relations.
/// `is_relation`: whether a name without a schema is one that is declared. `number_of`: the number of a name, of a kind.
pub(super) fn rewritten(
    sql: &str,
    is_relation: impl Fn(&str) -> bool,
    number_of: impl Fn(&str, &str) -> Option<i64>,
) -> Option<Rewritten> {
    let parser = Parser::new(&PostgreSqlDialect {}).with_recursion_limit(RECURSION_MAX).try_with_sql(sql);
    // What cannot be read here is told by who reads all other SQL.
    let mut statement = parser.ok()?.parse_statement().ok()?;
    if !matches!(statement, Statement::Query(_)) {
        return None;
    }
    let mut asked = Asked { is_relation: &is_relation, catalog: false, rows: false };
    let _ = statement.visit(&mut asked);
    if !asked.catalog || asked.rows {
        return None;
    }
    let Statement::Query(query) = &mut statement else { return None };
    // What an expression is called is said by the words that the client wrote.
    let aliases = aliases(&query.body);
    let names = ColumnNames::take(query);
    let _ = VisitMut::visit(&mut statement, &mut Rewriting { number_of: &number_of });
    Some(Rewritten { sql: statement.to_string(), names, aliases })
}

fn aliases(body: &SetExpr) -> Vec<(String, String)> {
    let SetExpr::Select(select) = body else { return Vec::new() };
    let alias = |item: &SelectItem| {
        let SelectItem::ExprWithAlias { expr, alias } = item else { return None };
        let column = match expr {
            Expr::Identifier(name) => name,
            Expr::CompoundIdentifier(names) => names.last()?,
            _ => return None,
        };
        Some((meant(alias), meant(column)))
    };
    select.projection.iter().filter_map(alias).collect()
}

/// What a question is about.
struct Asked<'a> {
    is_relation: &'a dyn Fn(&str) -> bool,
    catalog: bool,
    rows: bool,
}

impl Visitor for Asked<'_> {
    type Break = ();

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<()> {
        let parts: Vec<String> = relation.0.iter().filter_map(ObjectNamePart::as_ident).map(meant).collect();
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        match parts.as_slice() {
            [.., CATALOG | INFORMATION, _] => self.catalog = true,
            [name] if name.starts_with("pg_") && !(self.is_relation)(name) => self.catalog = true,
            [.., name] => self.rows |= (self.is_relation)(name),
            [] => {}
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        match expr {
            Expr::Function(function) => {
                let name = function.name.0.iter().filter_map(ObjectNamePart::as_ident).collect::<Vec<_>>();
                let is_of_catalog = name.len() > 1 && [CATALOG, INFORMATION].contains(&meant(name[0]).as_str());
                self.catalog |= is_of_catalog || name.last().is_some_and(|name| functions::is_one(&name.value));
            }
            Expr::Cast { data_type, .. } => {
                self.catalog |= named_type(data_type).is_some();
            }
            Expr::Identifier(name) => self.catalog |= functions::is_word(&name.value) && name.quote_style.is_none(),
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

struct Rewriting<'a> {
    number_of: &'a dyn Fn(&str, &str) -> Option<i64>,
}

impl VisitorMut for Rewriting<'_> {
    type Break = ();

    fn post_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        name_all_apart(&mut query.body);
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        if let TableFactor::Table { name, args: Some(_), .. } | TableFactor::Function { name, .. } = factor {
            strip(name, &[CATALOG]);
        }
        if let Some(rewritten) = sources::rewritten(factor) {
            *factor = rewritten;
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        let taken = std::mem::replace(expr, null());
        *expr = self.expression(taken);
        ControlFlow::Continue(())
    }
}

impl Rewriting<'_> {
    /// An expression whose parts are rewritten.
    fn expression(&self, expr: Expr) -> Expr {
        match expr {
            Expr::Function(function) => call(function),
            Expr::Collate { expr, .. } => *expr,
            Expr::Like { negated, any: false, expr, pattern, escape_char: Some(escape) } => {
                let is_like = made(calls::LIKE, vec![*expr, *pattern, Expr::Value(escape)]);
                if negated { Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(is_like) } } else { is_like }
            }
            Expr::BinaryOp { left, op, right } => {
                let op = plain(op);
                let number = |one: &Expr, other: &Expr| {
                    digits(one).filter(|_| is_number(other)).map(|number| Box::new(numeral(number)))
                };
                let (of_left, of_right) = (number(&left, &right), number(&right, &left));
                Expr::BinaryOp { left: of_left.unwrap_or(left), op, right: of_right.unwrap_or(right) }
            }
            Expr::AnyOp { left, compare_op: BinaryOperator::Eq, right, .. } if !matches!(*right, Expr::Subquery(_)) => {
                made("array_has", vec![listed(*right), *left])
            }
            Expr::AllOp { left, compare_op: BinaryOperator::NotEq, right }
                if matches!(&*right, Expr::Value(_) | Expr::Nested(_) | Expr::Cast { .. }) =>
            {
                let is_one = made("array_has", vec![listed(*right), *left]);
                Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(is_one) }
            }
            Expr::CompoundFieldAccess { root, access_chain } => accessed(root, access_chain),
            // Of the elements of lists that belong to what is declared nowhere here.
            Expr::Subquery(query) if reads_function(&query) => null(),
            Expr::Subquery(mut query) => {
                one_value(&mut query);
                Expr::Subquery(query)
            }
            Expr::Cast { kind, expr, data_type, array, format } => self.cast(kind, *expr, data_type, array, format),
            Expr::Identifier(name) if name.quote_style.is_none() && functions::is_word(&name.value) => {
                made(&name.value.to_ascii_lowercase(), Vec::new())
            }
            other => other,
        }
    }

    fn cast(
        &self,
        kind: CastKind,
        expr: Expr,
        data_type: DataType,
        array: bool,
        format: Option<datafusion::sql::sqlparser::ast::CastFormat>,
    ) -> Expr {
        if let Some(named) = named_type(&data_type) {
            return match &expr {
                Expr::Value(value) => match &value.value {
                    Value::SingleQuotedString(text) => match text.parse::<i64>() {
                        Ok(number) => numeral(number),
                        // Of a name that is none there is nothing.
                        Err(_) => (self.number_of)(named, text).map_or_else(null, numeral),
                    },
                    Value::Placeholder(_) if named == "regclass" || named == "regtype" => {
                        made(&format!("to_{named}"), vec![expr])
                    }
                    _ => expr,
                },
                _ => made(&format!("{named}_name"), vec![expr]),
            };
        }
        let of = custom(&data_type);
        if of.as_deref() == Some("oid")
            && let Some(number) = number_of_name(&expr)
        {
            return number;
        }
        let data_type = match of.as_deref() {
            // The catalog has letters where PostgreSQL has characters.
            _ if matches!(data_type, DataType::Char(None) | DataType::Character(None)) => DataType::Text,
            Some("oid" | "xid" | "cid" | "int8") => DataType::BigInt(None),
            Some("text" | "name" | "char" | "cardinal_number" | "character_data" | "sql_identifier" | "yes_or_no") => {
                DataType::Text
            }
            Some("int2") => DataType::SmallInt(None),
            Some("int4") => DataType::Integer(None),
            Some("bool") => DataType::Boolean,
            // Nothing is done by what has no other form here.
            Some(_) => return expr,
            None => data_type,
        };
        Expr::Cast { kind, expr: Box::new(expr), data_type, array, format }
    }
}

/// The name of a type that is written by a name alone, in small letters and without its schema.
fn custom(data_type: &DataType) -> Option<String> {
    match data_type {
        DataType::Custom(name, _) => Some(name.0.last()?.as_ident()?.value.to_ascii_lowercase()),
        DataType::Regclass => Some("regclass".to_owned()),
        _ => None,
    }
}

/// `x::regclass::oid`: the number of a name that is computed.
fn number_of_name(expr: &Expr) -> Option<Expr> {
    let Expr::Function(function) = expr else { return None };
    let made = match last(&function.name)?.as_str() {
        "regclass_name" => "to_regclass",
        "regtype_name" => "to_regtype",
        _ => return None,
    };
    Some(Expr::Function(Function { name: ObjectName::from(vec![Ident::new(made)]), ..function.clone() }))
}

fn named_type(data_type: &DataType) -> Option<&'static str> {
    let name = custom(data_type)?;
    NAMED.into_iter().find(|named| *named == name)
}

/// A name as it is meant: in small letters where it is not quoted.
pub(super) fn meant(name: &Ident) -> String {
    if name.quote_style.is_some() { name.value.clone() } else { name.value.to_ascii_lowercase() }
}

fn call(mut function: Function) -> Expr {
    strip(&mut function.name, &[CATALOG, INFORMATION]);
    let name = function.name.0.last().and_then(ObjectNamePart::as_ident).map(|name| name.value.to_ascii_lowercase());
    if name.as_deref() == Some("_pg_expandarray") && matches!(function.args, FunctionArguments::List(_)) {
        function.name = ObjectName::from(vec![Ident::new(calls::EXPANDED)]);
        return made("unnest", vec![Expr::Function(function)]);
    }
    // `ARRAY(SELECT …)`: what stands in such lists is declared nowhere here.
    if name.as_deref() == Some("array") && matches!(function.args, FunctionArguments::Subquery(_)) {
        return elements(&Value::SingleQuotedString("{}".to_owned()));
    }
    if name.as_deref() == Some("generate_subscripts") && matches!(function.args, FunctionArguments::List(_)) {
        function.name = ObjectName::from(vec![Ident::new(calls::SUBSCRIPTS)]);
        return made("unnest", vec![Expr::Function(function)]);
    }
    match name {
        // What PostgreSQL writes without parentheses is a function like others.
        Some(name) if matches!(function.args, FunctionArguments::None) && functions::is_word(&name) => {
            made(&name, Vec::new())
        }
        _ => Expr::Function(function),
    }
}

/// Columns whose values are lists that begin at 0.
const VECTORS: [&str; 9] =
    ["indkey", "indoption", "indclass", "indcollation", "proargtypes", "tgattr", "prattrs", "partattrs", "stxkeys"];

/// A field or an element of something, whose parts are rewritten.
fn accessed(root: Box<Expr>, mut chain: Vec<AccessExpr>) -> Expr {
    // A field of what a list is expanded to: its elements, or their places.
    if let ([AccessExpr::Dot(Expr::Identifier(field))], Some(list)) = (chain.as_slice(), expanded(&root)) {
        let rows = if meant(field) == "n" { made(calls::PLACES, vec![list.clone()]) } else { list.clone() };
        return made("unnest", vec![rows]);
    }
    // Of `i.indkey[0]` the relation is the root, and the column a field of it.
    let column = match (chain.as_slice(), root.as_ref()) {
        ([.., AccessExpr::Dot(Expr::Identifier(name)), _], _) => Some(name.clone()),
        ([_], Expr::Identifier(name)) => Some(name.clone()),
        ([_], Expr::CompoundIdentifier(names)) => names.last().cloned(),
        _ => None,
    };
    if let (Some(AccessExpr::Subscript(Subscript::Index { index })), Some(column)) = (chain.last_mut(), column)
        && VECTORS.contains(&meant(&column).as_str())
    {
        let from_zero = std::mem::replace(index, null());
        let (left, right) = (Box::new(Expr::Nested(Box::new(from_zero))), Box::new(numeral(1)));
        *index = Expr::BinaryOp { left, op: BinaryOperator::Plus, right };
    }
    Expr::CompoundFieldAccess { root, access_chain: chain }
}

/// The list that an expression expands with the places of its elements.
fn expanded(expr: &Expr) -> Option<&Expr> {
    let mut expr = expr;
    while let Expr::Nested(inner) = expr {
        expr = inner;
    }
    let (outer, rows) = called(expr)?;
    let (inner, list) = called(rows)?;
    (outer == "unnest" && inner == calls::EXPANDED).then_some(list)
}

/// A function of one argument.
fn called(expr: &Expr) -> Option<(String, &Expr)> {
    let Expr::Function(Function { name, args: FunctionArguments::List(list), .. }) = expr else { return None };
    let [FunctionArg::Unnamed(FunctionArgExpr::Expr(argument))] = list.args.as_slice() else { return None };
    Some((last(name)?, argument))
}

/// An operator without its schema.
fn plain(op: BinaryOperator) -> BinaryOperator {
    let BinaryOperator::PGCustomBinaryOperator(parts) = &op else { return op };
    match parts.last().map(String::as_str) {
        Some("=") => BinaryOperator::Eq,
        Some("<>" | "!=") => BinaryOperator::NotEq,
        Some("~") => BinaryOperator::PGRegexMatch,
        Some("!~") => BinaryOperator::PGRegexNotMatch,
        Some("~*") => BinaryOperator::PGRegexIMatch,
        Some("!~*") => BinaryOperator::PGRegexNotIMatch,
        Some("~~") => BinaryOperator::PGLikeMatch,
        Some("!~~") => BinaryOperator::PGNotLikeMatch,
        _ => op,
    }
}

/// `'16384'`, which is compared with a column of numbers, as a number.
fn digits(expr: &Expr) -> Option<i64> {
    match expr {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) => text.parse().ok(),
            _ => None,
        },
        _ => None,
    }
}

/// Whether an expression is a column that has numbers of the catalog, by how such columns are named.
fn is_number(expr: &Expr) -> bool {
    let name = match expr {
        Expr::Identifier(name) => &name.value,
        Expr::CompoundIdentifier(names) => match names.last() {
            Some(name) => &name.value,
            None => return false,
        },
        _ => return false,
    };
    ["oid", "relid", "typid", "classid", "namespace", "inhparent"].iter().any(|end| name.ends_with(end))
}

/// A list as an expression; one that is written as a text (`'{a,b}'::text[]`) by its elements.
fn listed(expr: Expr) -> Expr {
    match expr {
        Expr::Value(value) => elements(&value.value),
        Expr::Nested(inner) => listed(*inner),
        Expr::Cast { expr: inner, data_type: DataType::Array(_), .. } if matches!(*inner, Expr::Value(_)) => {
            listed(*inner)
        }
        other => other,
    }
}

/// `{a,b}` as a list.
fn elements(value: &Value) -> Expr {
    let Value::SingleQuotedString(text) = value else { return Expr::Value(value.clone().into()) };
    let inner = text.trim_start_matches('{').trim_end_matches('}');
    let texts = inner.split(',').filter(|text| !text.is_empty());
    made("make_array", texts.map(|text| Expr::Value(Value::SingleQuotedString(text.to_owned()).into())).collect())
}

fn reads_function(query: &Query) -> bool {
    let SetExpr::Select(select) = query.body.as_ref() else { return false };
    let mut read = select
        .from
        .iter()
        .flat_map(|from| std::iter::once(&from.relation).chain(from.joins.iter().map(|join| &join.relation)));
    read.any(|factor| {
        matches!(
            factor,
            TableFactor::Table { args: Some(_), .. } | TableFactor::Function { .. } | TableFactor::UNNEST { .. }
        )
    })
}

/// A subquery for one value, of which the engine has to see that it gives one: the greatest of those that there are, of which there is one.
fn one_value(query: &mut Query) {
    let SetExpr::Select(select) = query.body.as_mut() else { return };
    let is_plain = query.limit_clause.is_none() && query.order_by.is_none() && !select.from.is_empty();
    let [SelectItem::UnnamedExpr(value) | SelectItem::ExprWithAlias { expr: value, .. }] =
        select.projection.as_mut_slice()
    else {
        return;
    };
    if is_plain && !is_aggregate(value) {
        let inner = std::mem::replace(value, null());
        *value = made("max", vec![inner]);
    }
}

fn is_aggregate(expr: &Expr) -> bool {
    struct Aggregates(bool);
    impl Visitor for Aggregates {
        type Break = ();

        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            if let Expr::Function(function) = expr {
                let name = function.name.to_string().to_ascii_lowercase();
                self.0 |= ["count", "max", "min", "sum", "array_agg", "string_agg", "bool_or", "bool_and", "json_agg"]
                    .contains(&name.as_str());
            }
            ControlFlow::Continue(())
        }
    }
    let mut aggregates = Aggregates(false);
    let _ = expr.visit(&mut aggregates);
    aggregates.0
}

fn name_all_apart(body: &mut SetExpr) {
    match body {
        SetExpr::Select(select) => name_apart(select),
        SetExpr::SetOperation { left, right, .. } => {
            name_all_apart(left);
            name_all_apart(right);
        }
        _ => {}
    }
}

/// Gives columns names of their own where two are written alike by now, such as two NULLs.
fn name_apart(select: &mut Select) {
    let mut written: Vec<String> = Vec::new();
    for (place, item) in select.projection.iter_mut().enumerate() {
        let SelectItem::UnnamedExpr(expr) = item else { continue };
        let text = expr.to_string();
        if written.contains(&text) {
            let expr = std::mem::replace(expr, null());
            *item = SelectItem::ExprWithAlias { expr, alias: Ident::with_quote('"', format!("?column?{place}")) };
        } else {
            written.push(text);
        }
    }
}

fn null() -> Expr {
    Expr::Value(Value::Null.into())
}

fn numeral(number: i64) -> Expr {
    Expr::Value(Value::Number(number.to_string(), false).into())
}

/// A call of a function.
fn made(name: &str, arguments: Vec<Expr>) -> Expr {
    let args = arguments.into_iter().map(|expr| FunctionArg::Unnamed(FunctionArgExpr::Expr(expr))).collect();
    let args = FunctionArguments::List(FunctionArgumentList { duplicate_treatment: None, args, clauses: Vec::new() });
    Expr::Function(Function {
        name: ObjectName::from(vec![Ident::new(name)]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args,
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn question(sql: &str) -> Option<String> {
        let number_of = |kind: &str, name: &str| (kind == "regclass" && name == "things").then_some(7);
        rewritten(sql, |name| name == "things", number_of).map(|asked| asked.sql)
    }

    #[test]
    fn words_of_postgresql_become_those_of_the_engine() {
        for (asked, expected) in [
            (
                "SELECT (information_schema._pg_expandarray(i.indkey)).n FROM pg_index i",
                "SELECT unnest(catalog_places(i.indkey)) FROM pg_index i",
            ),
            ("SELECT (INFORMATION_SCHEMA._PG_EXPANDARRAY(k)).x FROM pg_index", "SELECT unnest(k) FROM pg_index"),
            ("SELECT i.indkey[0] FROM pg_catalog.pg_index i", "SELECT i.indkey[(0) + 1] FROM pg_catalog.pg_index i"),
            (
                "SELECT r FROM pg_class, pg_catalog.generate_series(1, 2) AS s(r)",
                "SELECT r FROM pg_class, (SELECT unnest(catalog_series(1, 2)) AS r) AS s",
            ),
            ("SELECT contype = 'f'::char FROM pg_constraint", "SELECT contype = 'f'::TEXT FROM pg_constraint"),
            (
                "SELECT CAST(CAST(relname AS regclass) AS oid) FROM pg_class",
                "SELECT to_regclass(relname) FROM pg_class",
            ),
            ("SELECT 'things'::regclass", "SELECT 7"),
            ("SELECT PG_CATALOG.PG_GET_EXPR(a, b) FROM pg_class", "SELECT PG_GET_EXPR(a, b) FROM pg_class"),
            (
                "SELECT 1 FROM pg_class WHERE relname <> ALL ('{a,b}'::text[])",
                "SELECT 1 FROM pg_class WHERE NOT array_has(make_array('a', 'b'), relname)",
            ),
            (
                "SELECT 1 FROM pg_class WHERE relname <> ALL ('{a,b}')",
                "SELECT 1 FROM pg_class WHERE NOT array_has(make_array('a', 'b'), relname)",
            ),
        ] {
            assert_eq!(question(asked).as_deref(), Some(expected), "{asked}");
        }
        for rows in ["SELECT * FROM things", "SELECT * FROM things, pg_class", "SELECT 1", "DELETE FROM pg_class"] {
            assert_eq!(question(rows), None, "{rows}");
        }
    }
}
