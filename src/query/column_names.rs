//! The names that PostgreSQL gives the columns of an answer: of a function its own, of a cast that of what is cast.
//!
//! The engine names a column by all of its expression, and takes no two of one name. For protocols whose clients know PostgreSQL's names
//! they are told, and columns of one name are called apart inside of the query. Nothing else of a query changes.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arrow::datatypes::{Fields, Schema, SchemaRef};
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{
    self, AccessExpr, DataType, Expr, FunctionArguments, Ident, ObjectNamePart, Query, Select, SelectItem, SetExpr,
    TimezoneInfo, TrimWhereField, Value,
};

use super::ParsedQuery;

/// What PostgreSQL calls what has no name.
const NAMELESS: &str = "?column?";
/// Between a name and the place that tells it from others of its name; no client writes it.
const MARK: char = '\u{1}';

/// The names of an answer's columns, as far as the query alone tells them.
#[derive(Debug, Clone, Default)]
pub struct ColumnNames {
    /// Of the columns before the first `*`.
    first: Vec<String>,
    /// Of those behind the last one.
    last: Vec<String>,
    has_all: bool,
}

impl ColumnNames {
    /// Takes the names of a query's columns, and calls those apart in it that have the same.
    pub fn take(query: &mut Query) -> Self {
        of_body(&mut query.body)
    }

    /// The columns as they are called in PostgreSQL. The engine's order is that of the query.
    pub fn of(&self, schema: &SchemaRef) -> SchemaRef {
        let (count, known) = (schema.fields().len(), self.first.len() + self.last.len());
        let is_known = if self.has_all { known <= count } else { known == count };
        let fields = schema.fields().iter().enumerate().map(|(place, field)| {
            let of_last = || self.last.get((place + self.last.len()).checked_sub(count)?);
            let known = if is_known { self.first.get(place).or_else(of_last) } else { None };
            let own = field.name().split_once(MARK).map_or(field.name().as_str(), |(name, _)| name);
            let name = known.map_or(own, String::as_str);
            if name == field.name() { field.clone() } else { Arc::new(field.as_ref().clone().with_name(name)) }
        });
        Arc::new(Schema::new_with_metadata(fields.collect::<Fields>(), schema.metadata().clone()))
    }
}

impl ParsedQuery {
    /// The same query with its columns called apart, and what PostgreSQL calls them.
    pub(super) fn named_as_in_postgres(mut self) -> (Self, ColumnNames) {
        let names = match Arc::make_mut(&mut self.statement) {
            Statement::Statement(statement) => match statement.as_mut() {
                ast::Statement::Query(query) => ColumnNames::take(query),
                _ => ColumnNames::default(),
            },
            _ => ColumnNames::default(),
        };
        // Its rows have other names than those of the query as it is written, so it is another question.
        self.text = format!("as PostgreSQL names columns: {}", self.text).into();
        (self, names)
    }
}

fn of_body(body: &mut SetExpr) -> ColumnNames {
    match body {
        SetExpr::Select(select) => of_select(select),
        SetExpr::Query(query) => of_body(&mut query.body),
        // The first of several gives the names; each has to tell its own columns apart.
        SetExpr::SetOperation { left, right, .. } => {
            of_body(right);
            of_body(left)
        }
        _ => ColumnNames::default(),
    }
}

fn of_select(select: &mut Select) -> ColumnNames {
    let is_all = |item: &SelectItem| matches!(item, SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..));
    let has_all = select.projection.iter().any(is_all);
    let (mut names, mut taken) = (ColumnNames { has_all, ..ColumnNames::default() }, Taken::default());
    let mut is_behind = false;
    for (place, item) in select.projection.iter_mut().enumerate() {
        let name = match item {
            SelectItem::UnnamedExpr(expr) => {
                let name = named(expr).map_or_else(|| NAMELESS.to_owned(), |(name, _)| name);
                if taken.by(expr, &name, has_all) {
                    let expr = std::mem::replace(expr, Expr::Value(Value::Null.into()));
                    *item = SelectItem::ExprWithAlias { expr, alias: apart(&name, place) };
                }
                name
            }
            SelectItem::ExprWithAlias { alias, .. } => {
                let name = text(alias);
                if taken.by_name(&name) {
                    *alias = apart(&name, place);
                }
                name
            }
            _ => {
                // What stands between two of these has no place of its own.
                names.last.clear();
                is_behind = true;
                continue;
            }
        };
        if is_behind { &mut names.last } else { &mut names.first }.push(name);
    }
    names
}

fn apart(name: &str, place: usize) -> Ident {
    Ident::with_quote('"', format!("{name}{MARK}{place}"))
}

/// The names that the engine would give twice.
#[derive(Default)]
struct Taken {
    texts: HashSet<String>,
    /// With whether all that have the name are columns of a relation that is written with them.
    names: HashMap<String, bool>,
}

impl Taken {
    /// Whether an expression would have a name that another one has; it has it from now on.
    fn by(&mut self, expr: &Expr, name: &str, has_all: bool) -> bool {
        let is_repeated = !self.texts.insert(expr.to_string().to_lowercase());
        match expr {
            Expr::CompoundIdentifier(_) => {
                let others = self.names.insert(name.to_owned(), *self.names.get(name).unwrap_or(&true));
                is_repeated || has_all || others == Some(false)
            }
            // The engine calls these by what they are of, too.
            Expr::Identifier(_) | Expr::Cast { .. } | Expr::CompoundFieldAccess { .. } | Expr::Nested(_) => {
                self.by_name(name) || is_repeated || has_all
            }
            _ => is_repeated,
        }
    }

    fn by_name(&mut self, name: &str) -> bool {
        self.names.insert(name.to_owned(), false).is_some()
    }
}

/// What PostgreSQL calls an expression; and whether a cast of it keeps that. None of what has no name.
fn named(expr: &Expr) -> Option<(String, bool)> {
    let own = |name: &str| Some((name.to_owned(), true));
    match expr {
        Expr::Identifier(name) => own(&text(name)),
        Expr::CompoundIdentifier(names) => own(&text(names.last()?)),
        Expr::Function(function) => {
            let name = text(function.name.0.last().and_then(ObjectNamePart::as_ident)?);
            own(if matches!(function.args, FunctionArguments::Subquery(_)) { "array" } else { &name })
        }
        Expr::CompoundFieldAccess { root, access_chain } => {
            let field = access_chain.iter().rev().find_map(|access| match access {
                AccessExpr::Dot(field) => Some(field),
                AccessExpr::Subscript(_) => None,
            });
            named(field.unwrap_or(root))
        }
        Expr::Nested(inner) | Expr::Collate { expr: inner, .. } => named(inner),
        Expr::Cast { expr, data_type, .. } => match named(expr) {
            Some((name, true)) => Some((name, true)),
            _ => Some((type_name(data_type), false)),
        },
        Expr::TypedString(typed) => Some((type_name(&typed.data_type), false)),
        Expr::Interval(_) => Some(("interval".to_owned(), false)),
        Expr::Case { else_result, .. } => match else_result.as_deref().and_then(named) {
            Some((name, true)) => Some((name, true)),
            _ => Some(("case".to_owned(), false)),
        },
        Expr::Subquery(query) => of_first(&query.body),
        Expr::Exists { .. } => own("exists"),
        Expr::Array(_) => own("array"),
        Expr::AtTimeZone { .. } => own("timezone"),
        Expr::Extract { .. } => own("extract"),
        Expr::Ceil { .. } => own("ceil"),
        Expr::Floor { .. } => own("floor"),
        Expr::Position { .. } => own("position"),
        Expr::Substring { .. } => own("substring"),
        Expr::Overlay { .. } => own("overlay"),
        Expr::Trim { trim_where: Some(TrimWhereField::Leading), .. } => own("ltrim"),
        Expr::Trim { trim_where: Some(TrimWhereField::Trailing), .. } => own("rtrim"),
        Expr::Trim { .. } => own("btrim"),
        _ => None,
    }
}

/// The name of a subquery for one value is that of its column.
fn of_first(body: &SetExpr) -> Option<(String, bool)> {
    match body {
        SetExpr::Select(select) => match select.projection.first()? {
            SelectItem::ExprWithAlias { alias, .. } => Some((text(alias), true)),
            SelectItem::UnnamedExpr(expr) => named(expr),
            _ => None,
        },
        SetExpr::Query(query) => of_first(&query.body),
        SetExpr::SetOperation { left, .. } => of_first(left),
        _ => None,
    }
}

/// A name as it is meant: in small letters where it is not quoted.
fn text(name: &Ident) -> String {
    if name.quote_style.is_some() { name.value.clone() } else { name.value.to_lowercase() }
}

fn type_name(data_type: &DataType) -> String {
    let known = match data_type {
        DataType::Boolean | DataType::Bool => "bool",
        DataType::SmallInt(_) | DataType::Int2(_) => "int2",
        DataType::Int(_) | DataType::Integer(_) | DataType::Int4(_) => "int4",
        DataType::BigInt(_) | DataType::Int8(_) => "int8",
        DataType::Real | DataType::Float4 => "float4",
        DataType::Float(_) | DataType::Float8 | DataType::Double(_) | DataType::DoublePrecision => "float8",
        DataType::Numeric(_) | DataType::Decimal(_) | DataType::Dec(_) => "numeric",
        DataType::Char(_) | DataType::Character(_) => "bpchar",
        DataType::Varchar(_) | DataType::CharVarying(_) | DataType::CharacterVarying(_) => "varchar",
        DataType::Text => "text",
        DataType::Bytea => "bytea",
        DataType::Uuid => "uuid",
        DataType::JSON => "json",
        DataType::JSONB => "jsonb",
        DataType::Date => "date",
        DataType::Time(..) => "time",
        DataType::Timestamp(_, TimezoneInfo::WithTimeZone | TimezoneInfo::Tz) => "timestamptz",
        DataType::Timestamp(..) => "timestamp",
        DataType::Interval { .. } => "interval",
        DataType::Regclass => "regclass",
        DataType::Custom(name, _) => {
            let name = name.0.last().and_then(ObjectNamePart::as_ident);
            return name.map_or_else(|| NAMELESS.to_owned(), text);
        }
        DataType::Array(
            ast::ArrayElemTypeDef::SquareBracket(element, _)
            | ast::ArrayElemTypeDef::AngleBracket(element)
            | ast::ArrayElemTypeDef::Parenthesis(element),
        ) => return type_name(element),
        other => return other.to_string().to_lowercase(),
    };
    known.to_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use arrow::datatypes::Field;
    use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
    use datafusion::sql::sqlparser::parser::Parser;

    use super::*;

    /// The names of a query's columns, and what it looks like then. `engine`: how the engine names them.
    fn check(sql: &str, engine: &[&str], expected: &[&str], apart: &str) {
        let mut statement = Parser::parse_sql(&PostgreSqlDialect {}, sql).unwrap().remove(0);
        let ast::Statement::Query(query) = &mut statement else { panic!("no query") };
        let names = ColumnNames::take(query);
        let fields: Vec<Field> =
            engine.iter().map(|name| Field::new(*name, arrow::datatypes::DataType::Int64, true)).collect();
        let named = names.of(&Arc::new(Schema::new(fields)));
        let named: Vec<&str> = named.fields().iter().map(|field| field.name().as_str()).collect();
        assert_eq!(named, expected, "{sql}");
        assert_eq!(statement.to_string().replace(MARK, "#"), apart, "{sql}");
    }

    fn names(sql: &str, expected: &[&str]) {
        check(sql, &vec!["engine"; expected.len()], expected, sql);
    }

    #[test]
    fn a_column_has_the_name_that_postgresql_gives_it() {
        names(
            "SELECT n, t.m, count(*), pg_catalog.lower(a), 1 + 1, NULL FROM t",
            &["n", "m", "count", "lower", "?column?", "?column?"],
        );
        names("SELECT a AS b, c AS \"D\", E FROM t", &["b", "D", "e"]);
        names(
            "SELECT CAST(a AS TEXT), 1::BIGINT, lower(a)::TEXT, 'x'::REGCLASS FROM t",
            &["a", "int8", "lower", "regclass"],
        );
        names(
            "SELECT CASE WHEN a THEN 1 END, CASE WHEN a THEN 1 ELSE b END, (a), a IS NULL FROM t",
            &["case", "b", "a", "?column?"],
        );
        names(
            "SELECT (SELECT max(x) FROM u), EXISTS (SELECT 1), (a).b, (f(a))[1] FROM t",
            &["max", "exists", "b", "f"],
        );
        names(
            "SELECT DATE '2024-01-01', INTERVAL '1 day', TRIM(a), CEIL(a), EXTRACT(HOUR FROM a) FROM t",
            &["date", "interval", "btrim", "ceil", "extract"],
        );
        names("SELECT count(*) FROM t UNION ALL SELECT max(n) FROM t", &["count"]);
    }

    #[test]
    fn columns_of_one_name_are_called_apart_inside() {
        check("SELECT n, n FROM t", &["n", "n\u{1}1"], &["n", "n"], "SELECT n, n AS \"n#1\" FROM t");
        check("SELECT 1, 1", &["1", "?column?\u{1}1"], &["?column?", "?column?"], "SELECT 1, 1 AS \"?column?#1\"");
        check("SELECT a AS x, b AS x FROM t", &["x", "x\u{1}1"], &["x", "x"], "SELECT a AS x, b AS \"x#1\" FROM t");
        check("SELECT n, n::TEXT FROM t", &["n", "n\u{1}1"], &["n", "n"], "SELECT n, n::TEXT AS \"n#1\" FROM t");
        // The engine tells these by their relations.
        check("SELECT a.n, b.n FROM a, b", &["n", "n"], &["n", "n"], "SELECT a.n, b.n FROM a, b");
    }

    #[test]
    fn a_star_has_the_names_of_its_own_columns() {
        let engine = ["oid\u{1}0", "oid", "relname", "max(x)"];
        let apart = "SELECT c.oid AS \"oid#0\", c.*, max(x) FROM c";
        check("SELECT c.oid, c.*, max(x) FROM c", &engine, &["oid", "oid", "relname", "max"], apart);
        check("SELECT * FROM t", &["a", "b"], &["a", "b"], "SELECT * FROM t");
    }
}
