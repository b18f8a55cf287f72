//! Window functions, and the first rows of each partition by their ranks.

use super::super::expressions::Expressions;
use super::super::syntax::{Expr, Query, expr};
use super::super::types::Type;
use super::items::Items;
use super::{Made, Queries};

const RUNNING: &str = "ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW";

impl Queries<'_> {
    /// Functions over the rows that share a value.
    pub(super) fn window(&mut self, levels: usize) -> Made {
        let relation = self.relation(levels);
        let (relation, filter) = self.filtered(relation);
        let mut items = Items::default();
        let mut e = self.expressions(&relation);
        let (by, of) = e.key(0);
        items.push(by.clone(), of);
        for _ in 0..e.random.usize(1..=2) {
            let (item, of) = e.any(1);
            items.push(item, of);
        }
        let mut names = Vec::new();
        for _ in 0..e.random.usize(1..=4) {
            let (item, of, name) = function(&mut e, &by);
            items.push(item, of);
            names.push(name);
        }
        names.into_iter().for_each(|name| self.reached(format!("{name} over a partition")));
        if self.random.u8(..8) == 0 {
            self.reached("window over all rows");
            let mut e = self.expressions(&relation);
            let order = order(&mut e);
            items.push(
                expr(format!("sum(§) OVER (ORDER BY §, § {RUNNING})"), [e.of(&Type::Int, 0), order, e.key(0).0]),
                Type::Int,
            );
        }
        items.select(relation.from, filter)
    }

    /// The rows of each partition that rank first.
    pub(super) fn top(&mut self, levels: usize) -> Made {
        let relation = self.relation(levels);
        let (relation, filter) = self.filtered(relation);
        let mut items = Items::default();
        let mut e = self.expressions(&relation);
        let (by, of) = e.key(0);
        let order = order(&mut e);
        items.push(by.clone(), of);
        for _ in 0..e.random.usize(1..=2) {
            let (item, of) = e.any(1);
            items.push(item, of);
        }
        let name = ["row_number", "rank", "dense_rank"][e.random.usize(..3)];
        let first = e.random.u8(1..=3);
        let rank = expr(format!("{name}() OVER (PARTITION BY § ORDER BY §)"), [by, order]);
        self.reached(format!("first rows by {name}"));
        if self.random.bool() {
            let mut made = items.select(relation.from, filter);
            if let Query::Select(select) = &mut made.query {
                select.qualify = Some(expr(format!("(§ <= {first})"), [rank]));
            }
            return made;
        }
        items.push(rank, Type::Int);
        let names = items.names();
        let ranked = items.select(relation.from, filter);
        let with = self.random.bool();
        let ranked = self.subquery(ranked, with);
        let columns = ranked.columns.iter().filter(|column| names.contains(&column.sql));
        let mut items = Items::default();
        // The rank itself, which is the last, is shown or not.
        let shown = names.len() - self.random.usize(..2);
        for column in columns.take(shown) {
            items.push(expr(&column.sql, []), column.column_type.clone());
        }
        let condition = expr(format!("({} <= {first})", names[names.len() - 1]), []);
        items.select(ranked.from.clone(), Some(condition))
    }
}

fn order(e: &mut Expressions<'_>) -> Expr {
    let direction = ["", " DESC", " NULLS FIRST", " DESC NULLS LAST"][e.random.usize(..4)];
    expr(format!("§{direction}"), [e.key(0).0])
}

/// A call over the rows with the same `by`, its type and its name.
fn function(e: &mut Expressions<'_>, by: &Expr) -> (Expr, Type, &'static str) {
    let order = order(e);
    let by = by.clone();
    let ranked = |name: &str| expr(format!("{name} OVER (PARTITION BY § ORDER BY §)"), [by.clone(), order.clone()]);
    let over = |x: Expr, name: &str, frame: &str| {
        expr(format!("{name} OVER (PARTITION BY § ORDER BY § {frame})"), [x, by.clone(), order.clone()])
    };
    match e.random.u8(..13) {
        0 => (ranked("row_number()"), Type::Int, "row_number"),
        1 => (ranked("rank()"), Type::Int, "rank"),
        2 => (ranked("dense_rank()"), Type::Int, "dense_rank"),
        3 => (ranked("ntile(2)"), Type::Int, "ntile"),
        4 => (ranked("percent_rank()"), Type::Float, "percent_rank"),
        5 => {
            let (x, of) = e.any(0);
            (over(x, "lag(§)", ""), of, "lag")
        }
        6 => {
            let (x, of) = e.any(0);
            (over(x, "lead(§, 2)", ""), of, "lead")
        }
        7 => (over(e.of(&Type::Int, 0), "sum(§)", RUNNING), Type::Int, "running sum"),
        8 => (over(e.of(&Type::Int, 0), "sum(§)", ""), Type::Int, "sum of peers"),
        9 => {
            let (x, of) = e.scalar(0);
            (expr("max(§) OVER (PARTITION BY §)", [x, by]), of, "max")
        }
        10 => {
            let (x, of) = e.any(0);
            (over(x, "first_value(§)", RUNNING), of, "first_value")
        }
        11 => (expr("count(*) OVER (PARTITION BY §)", [by]), Type::Int, "count"),
        _ => {
            let (x, of) = e.any(0);
            (over(x, "last_value(§)", RUNNING), of, "last_value")
        }
    }
}
