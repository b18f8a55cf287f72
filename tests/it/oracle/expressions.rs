//! Random expressions of a wanted type over given columns. Where asked for, some fail on some rows.

use super::syntax::{Expr, expr};
use super::types::Type;

/// A column that a query may use, as it is written there.
#[derive(Debug, Clone)]
pub(super) struct Column {
    pub(super) sql: String,
    pub(super) column_type: Type,
}

/// Makes expressions over some columns.
pub(super) struct Expressions<'a> {
    pub(super) random: &'a mut fastrand::Rng,
    pub(super) columns: &'a [Column],
    /// Whether division by zero and failing casts are allowed.
    pub(super) may_fail: bool,
}

impl Expressions<'_> {
    /// An expression of any type, and its type.
    pub(super) fn any(&mut self, depth: usize) -> (Expr, Type) {
        if self.random.u8(..3) > 0 && !self.columns.is_empty() {
            let column = &self.columns[self.random.usize(..self.columns.len())];
            return (expr(&column.sql, []), column.column_type.clone());
        }
        let of = self.scalar_type();
        (self.of(&of, depth), of)
    }

    /// An expression of a type that has an order, and its type.
    pub(super) fn scalar(&mut self, depth: usize) -> (Expr, Type) {
        let of = self.scalar_type();
        (self.of(&of, depth), of)
    }

    /// The same, over some column unless luck is against it: a constant is no key and no order.
    pub(super) fn key(&mut self, depth: usize) -> (Expr, Type) {
        for _ in 0..8 {
            let (key, of) = self.scalar(depth);
            let text = key.to_string();
            if self.columns.iter().any(|column| text.contains(&column.sql)) {
                return (key, of);
            }
        }
        self.scalar(depth)
    }

    fn scalar_type(&mut self) -> Type {
        let scalars: Vec<&Column> = self.columns.iter().filter(|column| column.column_type.is_scalar()).collect();
        match scalars.is_empty() || self.random.u8(..5) == 0 {
            true => {
                let types = [Type::Int, Type::Text, Type::Bool, Type::Float, Type::Decimal];
                types[self.random.usize(..types.len())].clone()
            }
            false => scalars[self.random.usize(..scalars.len())].column_type.clone(),
        }
    }

    /// A column of the type, if there is one.
    pub(super) fn column(&mut self, of: &Type) -> Option<Expr> {
        let fitting: Vec<&Column> = self.columns.iter().filter(|column| column.column_type.is_like(of)).collect();
        if fitting.is_empty() { None } else { Some(expr(&fitting[self.random.usize(..fitting.len())].sql, [])) }
    }

    pub(super) fn of(&mut self, of: &Type, depth: usize) -> Expr {
        if depth == 0 || self.random.u8(..3) == 0 {
            return match self.column(of) {
                Some(column) if self.random.u8(..6) > 0 => column,
                _ => self.literal(of),
            };
        }
        let depth = depth - 1;
        match self.random.u8(..10) {
            0 => {
                return expr(
                    "CASE WHEN § THEN § ELSE § END",
                    [self.bool(depth), self.of(of, depth), self.of(of, depth)],
                );
            }
            1 => return expr("coalesce(§, §)", [self.of(of, depth), self.of(of, depth)]),
            2 if of.is_scalar() => {
                let one = self.of(of, depth);
                let other = self.other_than(&one, of, 0);
                return expr("nullif(§, §)", [one, other]);
            }
            3 => return expr("CASE WHEN § THEN § END", [self.bool(depth), self.of(of, depth)]),
            _ => {}
        }
        match of {
            Type::Int | Type::Int32 => self.int(depth),
            Type::Float => self.float(depth),
            Type::Decimal => self.decimal(depth),
            Type::Text => self.text(depth),
            Type::Bool => self.bool(depth),
            Type::Date => expr("CAST(§ AS DATE)", [self.of(&Type::Timestamp, depth)]),
            Type::Timestamp => match self.random.u8(..3) {
                0 => expr("date_bin(INTERVAL '1 hour', §)", [self.of(of, depth)]),
                1 => expr("date_trunc('day', §)", [self.of(of, depth)]),
                _ => expr("(§ + INTERVAL '90 minutes')", [self.of(of, depth)]),
            },
            Type::Json => match self.column(of) {
                Some(json) => expr("(§ -> 'b')", [json]),
                None => self.literal(of),
            },
            _ => self.column(of).unwrap_or_else(|| self.literal(of)),
        }
    }

    /// An expression to be compared with `one`: what is compared with itself is so always or never.
    fn other_than(&mut self, one: &Expr, of: &Type, depth: usize) -> Expr {
        let other = self.of(of, depth);
        if other == *one && self.random.u8(..8) > 0 { self.literal(of) } else { other }
    }

    fn int(&mut self, depth: usize) -> Expr {
        let int = Type::Int;
        if self.may_fail && self.random.bool() {
            // A constant that fails does so over no rows, too.
            let failing = match self.random.bool() {
                true => self.column(&int).map(|divisor| expr("(100 / §)", [divisor])),
                false => self.column(&Type::Text).map(|text| expr("CAST(§ AS BIGINT)", [text])),
            };
            if let Some(failing) = failing {
                return failing;
            }
        }
        match self.random.u8(..7) {
            0 => expr("(§ + §)", [self.of(&int, depth), self.of(&int, depth)]),
            1 => expr("(§ - §)", [self.of(&int, depth), self.of(&int, depth)]),
            2 => expr("(§ * 3)", [self.of(&int, depth)]),
            3 => expr("(§ % 3)", [self.of(&int, depth)]),
            4 => expr("character_length(§)", [self.of(&Type::Text, depth)]),
            5 => expr("CAST(§ AS BIGINT)", [self.bool(depth)]),
            6 => expr("CAST(date_part('hour', §) AS BIGINT)", [self.of(&Type::Timestamp, depth)]),
            _ => expr("try_cast(§ AS BIGINT)", [self.of(&Type::Text, depth)]),
        }
    }

    fn float(&mut self, depth: usize) -> Expr {
        let float = Type::Float;
        match self.random.u8(..6) {
            0 => expr("(§ + §)", [self.of(&float, depth), self.of(&float, depth)]),
            1 => expr("(§ * §)", [self.of(&float, depth), self.of(&float, depth)]),
            2 => expr("(§ / §)", [self.of(&float, depth), self.of(&float, depth)]),
            3 => expr("(-§)", [self.of(&float, depth)]),
            4 => expr("sqrt(abs(§))", [self.of(&float, depth)]),
            _ => expr("CAST(§ AS DOUBLE)", [self.of(&Type::Int, depth)]),
        }
    }

    fn decimal(&mut self, depth: usize) -> Expr {
        match self.random.u8(..4) {
            0 => expr("(§ + §)", [self.of(&Type::Decimal, depth), self.of(&Type::Decimal, 0)]),
            1 => expr("(§ * 2)", [self.of(&Type::Decimal, depth)]),
            2 => expr("abs(§)", [self.of(&Type::Decimal, depth)]),
            _ => expr("try_cast(§ AS DECIMAL(9, 2))", [self.of(&Type::Int, depth)]),
        }
    }

    fn text(&mut self, depth: usize) -> Expr {
        let json = self.column(&Type::Json);
        match (self.random.u8(..6), json) {
            (0, _) => expr("upper(§)", [self.of(&Type::Text, depth)]),
            (1, _) => expr("(§ || §)", [self.of(&Type::Text, depth), self.of(&Type::Text, depth)]),
            (2, _) => expr("substr(§, 1, 1)", [self.of(&Type::Text, depth)]),
            (3, _) => {
                let (part, _) = self.scalar(depth);
                expr("CAST(§ AS VARCHAR)", [part])
            }
            (4, Some(json)) => expr("json_get_str(§, 'b')", [json]),
            (5, Some(json)) => expr("(§ ->> 'b')", [json]),
            _ => expr("lower(§)", [self.of(&Type::Text, depth)]),
        }
    }

    /// A condition that most rows fulfil: what is selective in several places leaves nothing.
    pub(super) fn mostly(&mut self, depth: usize) -> Expr {
        match self.random.u8(..6) {
            0 => self.bool(depth),
            1 | 2 => expr("coalesce(§, true)", [self.bool(depth)]),
            3 => expr("(§ IS NOT NULL)", [self.key(depth).0]),
            _ => {
                let (value, of) = self.key(depth);
                expr("(§ IS DISTINCT FROM §)", [value, self.literal(&of)])
            }
        }
    }

    /// A condition.
    pub(super) fn bool(&mut self, depth: usize) -> Expr {
        if depth == 0 {
            return match self.column(&Type::Bool) {
                Some(column) if self.random.bool() => column,
                _ => self.comparison(0),
            };
        }
        let depth = depth - 1;
        let json = self.column(&Type::Json);
        match (self.random.u8(..8), json) {
            (5, Some(json)) if self.random.bool() => expr("(§ @> '{\"b\": \"x\"}')", [json]),
            (5, Some(json)) => expr("(§ ? 'b')", [json]),
            (0, _) => expr("(§ AND §)", [self.bool(depth), self.bool(depth)]),
            (1, _) => expr("(§ OR §)", [self.bool(depth), self.bool(depth)]),
            (2, _) => expr("(NOT §)", [self.bool(depth)]),
            (3, _) => expr("(§ IS NULL)", [self.any(depth).0]),
            (4, _) => expr("(§ IN ('a', 'b'))", [self.of(&Type::Text, depth)]),
            _ => self.comparison(depth),
        }
    }

    fn comparison(&mut self, depth: usize) -> Expr {
        let (left, of) = self.key(depth);
        // Most conditions keep most rows.
        let signs = ["=", "<>", "<>", "<", ">=", ">=", "IS DISTINCT FROM", "IS NOT DISTINCT FROM"];
        let sign = signs[self.random.usize(..signs.len())];
        let right = self.other_than(&left, &of, depth);
        expr(format!("(§ {sign} §)"), [left, right])
    }

    pub(super) fn literal(&mut self, of: &Type) -> Expr {
        let choice: &[&str] = match of {
            Type::Int | Type::Int32 => &["0", "1", "2", "-1"],
            Type::Float => {
                &["CAST(0 AS DOUBLE)", "CAST(1.5 AS DOUBLE)", "CAST('NaN' AS DOUBLE)", "CAST('-0.0' AS DOUBLE)"]
            }
            Type::Decimal => &["1.10", "0.00", "-2.50"],
            Type::Text => &["'a'", "'b'", "''", "'12'"],
            Type::Bool => &["true", "false"],
            Type::Date => &["DATE '2024-01-01'", "DATE '2024-02-29'"],
            Type::Timestamp => &["CAST('2024-01-01T00:00:00Z' AS TIMESTAMP WITH TIME ZONE)"],
            Type::Json => &["'{\"b\": \"x\"}'"],
            Type::List(_) | Type::Map(_) | Type::Struct(_) => &["NULL"],
        };
        expr(choice[self.random.usize(..choice.len())], [])
    }
}
