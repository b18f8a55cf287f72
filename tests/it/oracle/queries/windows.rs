//! Window functions.

use super::super::syntax::expr;
use super::super::types::Type;
use super::items::Items;
use super::{Made, Queries};

impl Queries<'_> {
    /// Functions over the rows that share a value.
    pub(super) fn window(&mut self, levels: usize) -> Made {
        let relation = self.relation(levels);
        self.features.insert("window".into());
        let mut items = Items::default();
        let filter = self.filter(&relation);
        let mut e = self.expressions(&relation);
        let by = e.key(0).0;
        for _ in 0..e.random.usize(1..=2) {
            let (item, of) = e.any(1);
            items.push(item, of);
        }
        for _ in 0..e.random.usize(1..=2) {
            let direction = ["", " DESC", " NULLS FIRST"][e.random.usize(..3)];
            let order = expr(format!("§{direction}"), [e.key(0).0]);
            let rows = "ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW";
            let by = by.clone();
            let (item, of) = match e.random.u8(..6) {
                0 => (expr("row_number() OVER (PARTITION BY § ORDER BY §)", [by, order]), Type::Int),
                1 => (expr("rank() OVER (PARTITION BY § ORDER BY §)", [by, order]), Type::Int),
                2 => {
                    let (x, of) = e.any(0);
                    (expr("lag(§) OVER (PARTITION BY § ORDER BY §)", [x, by, order]), of)
                }
                3 => {
                    let x = e.of(&Type::Int, 0);
                    (expr(format!("sum(§) OVER (PARTITION BY § ORDER BY § {rows})"), [x, by, order]), Type::Int)
                }
                4 => {
                    let (x, of) = e.scalar(0);
                    (expr("max(§) OVER (PARTITION BY §)", [x, by]), of)
                }
                _ => {
                    let (x, of) = e.any(0);
                    (expr(format!("last_value(§) OVER (PARTITION BY § ORDER BY § {rows})"), [x, by, order]), of)
                }
            };
            items.push(item, of);
        }
        items.select(relation.from, filter)
    }
}
