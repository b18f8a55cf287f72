//! Subqueries as conditions and as values.

use super::super::syntax::{Expr, expr};
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
            true => {
                self.reached("correlated scalar subquery");
                let equal = self.equal_only(&other, relation);
                expr(format!("(SELECT § FROM {} WHERE §)", other.from), [call, equal])
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
            true => self.equal_only(&other, relation),
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

    /// A subquery can be told from its outer rows by plain equality only.
    fn equal_only(&mut self, inner: &Relation, outer: &Relation) -> Expr {
        let (one, other, _) = self.alike(inner, outer);
        expr("(§ = §)", [one, other])
    }
}
