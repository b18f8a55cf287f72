//! Subqueries as conditions and as values.

use super::super::expressions::Column;
use super::super::syntax::{Expr, From, expr};
use super::super::types::Type;
use super::Queries;
use super::relations::Relation;

impl Queries<'_> {
    /// A condition over a relation's rows that reads another one.
    pub(super) fn subquery_condition(&mut self, relation: &Relation) -> Expr {
        let condition = match self.random.u8(..17) {
            0..=2 => self.is_in(relation, "IN"),
            3..=6 => self.is_in(relation, "NOT IN"),
            7..=10 => self.exists(relation, "EXISTS"),
            11..=14 => self.exists(relation, "NOT EXISTS"),
            _ => {
                let (value, of) = self.scalar_subquery(relation);
                let sign = ["=", "<>", "<", ">="][self.random.usize(..4)];
                let compared = expr(format!("(§ {sign} §)"), [self.expressions(relation).of(&of, 0), value]);
                // Most have nothing to be compared with.
                if self.random.u8(..4) == 0 { compared } else { expr("coalesce(§, true)", [compared]) }
            }
        };
        if self.random.u8(..5) < 2 {
            self.reached("subquery beside OR");
            return expr("(§ OR §)", [condition, self.expressions(relation).bool(1)]);
        }
        condition
    }

    /// The only value that an aggregate gives: of all rows, or of those that have something in common.
    pub(super) fn scalar_subquery(&mut self, relation: &Relation) -> (Expr, Type) {
        let other = self.other();
        let mut e = self.expressions(&other);
        let (call, of) = match e.random.u8(..4) {
            0 => (expr("count(*)", []), Type::Int),
            1 => (expr("sum(§)", [e.of(&Type::Decimal, 0)]), Type::Decimal),
            2 => {
                let (x, of) = e.scalar(0);
                (expr("max(§)", [x]), of)
            }
            _ => {
                let (x, of) = e.scalar(0);
                (expr("min(§)", [x]), of)
            }
        };
        let value = match relation.qualified && self.random.u8(..4) > 0 {
            true if self.random.u8(..3) == 0 => {
                self.reached("scalar subquery of the first row");
                let mut e = self.expressions(&other);
                let ((x, of), order) = (e.scalar(0), e.key(0).0);
                let condition = self.correlated(&other, relation);
                let first = format!("(SELECT § FROM {} WHERE § ORDER BY §, § LIMIT 1)", other.from);
                return (expr(first, [x.clone(), condition, order, x]), of);
            }
            true => {
                self.reached("correlated scalar subquery");
                let condition = self.correlated(&other, relation);
                expr(format!("(SELECT § FROM {} WHERE §)", other.from), [call, condition])
            }
            false => {
                self.reached("scalar subquery");
                expr(format!("(SELECT § FROM {})", other.from), [call])
            }
        };
        (value, of)
    }

    fn is_in(&mut self, relation: &Relation, word: &str) -> Expr {
        let other = self.other();
        let (mut one, mut many, of) = self.alike(relation, &other);
        // NOT IN is about NULLs: where there are many, it holds for nothing.
        let (one_null, many_null) = match word {
            "IN" => (true, true),
            _ => [(false, false), (true, false), (true, true), (true, true), (true, true)][self.random.usize(..5)],
        };
        if !one_null {
            one = expr("coalesce(§, §)", [one, self.expressions(relation).literal(&of)]);
        }
        if !many_null {
            many = expr("coalesce(§, §)", [many, self.expressions(&other).literal(&of)]);
        }
        if word == "IN" && self.random.u8(..4) == 0 {
            self.reached("IN of pairs");
            let (another, others, _) = self.alike(relation, &other);
            return expr(format!("((§, §) IN (SELECT §, § FROM {}))", other.from), [one, another, many, others]);
        }
        let is_about_null = word == "NOT IN" && one_null && many_null;
        self.reached(if is_about_null { "NOT IN over what can be NULL" } else { word });
        if self.random.u8(..if is_about_null { 2 } else { 6 }) == 0 {
            let condition = self.expressions(&other).bool(1);
            return expr(format!("(§ {word} (SELECT § FROM {} WHERE §))", other.from), [one, many, condition]);
        }
        expr(format!("(§ {word} (SELECT § FROM {}))", other.from), [one, many])
    }

    fn exists(&mut self, relation: &Relation, word: &str) -> Expr {
        let other = self.other();
        self.reached(word);
        let mut condition = match relation.qualified {
            true => self.correlated(&other, relation),
            false => self.expressions(&other).bool(1),
        };
        if self.random.u8(..4) == 0 {
            condition = expr("(§ AND §)", [condition, self.expressions(&other).mostly(1)]);
        }
        if relation.qualified && self.random.u8(..3) > 0 {
            condition = self.further(condition, &other, relation);
        }
        expr(format!("({word} (SELECT 1 FROM {} WHERE §))", other.from), [condition])
    }

    /// A subquery's relation, under a name of its own.
    fn other(&mut self) -> Relation {
        let other = self.simple_relation(0);
        self.named(other)
    }

    /// A condition between a subquery's rows and the outer ones: mostly equality.
    fn correlated(&mut self, inner: &Relation, outer: &Relation) -> Expr {
        let (one, other, _) = self.alike(inner, outer);
        if self.random.u8(..3) > 0 {
            return expr("(§ = §)", [one, other]);
        }
        self.reached("subquery correlated by a comparison");
        let sign = ["<=", ">", "<>", "IS NOT DISTINCT FROM"][self.random.usize(..4)];
        expr(format!("(§ {sign} §)"), [one, other])
    }

    /// Whether there is a row, or a value among others, as a value: unknown where it may be NULL.
    pub(super) fn subquery_truth(&mut self, relation: &Relation) -> (Expr, Type) {
        self.reached("subquery as a truth value");
        let truth = match self.random.u8(..4) {
            0 => self.exists(relation, "EXISTS"),
            1 => self.exists(relation, "NOT EXISTS"),
            2 => self.is_in(relation, "IN"),
            _ => {
                let other = self.other();
                let (one, many, _) = self.alike(relation, &other);
                let sign = ["<", ">=", "<>"][self.random.usize(..3)];
                let word = ["ANY", "ALL"][self.random.usize(..2)];
                expr(format!("(§ {sign} {word} (SELECT § FROM {}))", other.from), [one, many])
            }
        };
        (truth, Type::Bool)
    }

    /// The relation beside rows of another one that belong to each of its own: a total, or the first of an order.
    pub(super) fn lateral(&mut self, relation: Relation) -> Relation {
        let outer = if relation.qualified { relation } else { self.named(relation) };
        let kind = ["INNER", "LEFT"][self.random.usize(..2)];
        let name = self.name();
        if let Some((list, item)) = self.a_list(&outer) {
            self.reached("unnest in FROM");
            let columns = [
                Column { sql: format!("{name}.v"), column_type: item },
                Column { sql: format!("{name}.place"), column_type: Type::Int },
            ];
            let left = Box::new(outer.from);
            let named = format!("{name}(v, place)");
            let rows = expr("unnest(§) WITH ORDINALITY", [list]);
            let columns = outer.columns.into_iter().chain(columns).collect();
            let from = From::Lateral { left, kind, rows, name: named };
            return Relation {
                from,
                columns,
                append_only: false,
                in_stream_order: false,
                row_wise: false,
                key: None,
                qualified: true,
            };
        }
        let other = self.other();
        let condition = self.correlated(&other, &outer);
        let mut e = self.expressions(&other);
        let (rows, of) = if e.random.bool() {
            let ((x, of), order) = (e.scalar(0), e.key(0).0);
            let first = format!(
                "LATERAL (SELECT § AS v, count(*) OVER (PARTITION BY §) AS n FROM {} WHERE § ORDER BY §, §, n LIMIT 2)",
                other.from
            );
            (expr(first, [x.clone(), order.clone(), condition, order, x]), of)
        } else {
            let x = e.of(&Type::Int, 0);
            (
                expr(
                    format!("LATERAL (SELECT sum(§) AS v, count(*) AS n FROM {} WHERE §)", other.from),
                    [x, condition],
                ),
                Type::Int,
            )
        };
        self.reached("lateral join");
        let columns = [
            Column { sql: format!("{name}.v"), column_type: of },
            Column { sql: format!("{name}.n"), column_type: Type::Int },
        ];
        let columns = outer.columns.into_iter().chain(columns).collect();
        let from = From::Lateral { left: Box::new(outer.from), kind, rows, name };
        Relation {
            from,
            columns,
            append_only: false,
            in_stream_order: false,
            row_wise: false,
            key: None,
            qualified: true,
        }
    }

    /// A list among the columns, now and then.
    fn a_list(&mut self, relation: &Relation) -> Option<(Expr, Type)> {
        let lists = relation.columns.iter().filter_map(|column| match &column.column_type {
            Type::List(item) => Some((expr(&column.sql, []), (**item).clone())),
            _ => None,
        });
        let lists: Vec<_> = lists.collect();
        if lists.is_empty() || self.random.bool() {
            None
        } else {
            Some(lists[self.random.usize(..lists.len())].clone())
        }
    }
}
