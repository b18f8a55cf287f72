//! Rows of several selections together.

use super::super::syntax::Query;
use super::super::types::Type;
use super::items::Items;
use super::{Made, Queries};

impl Queries<'_> {
    /// Two selections with columns of like types.
    pub(super) fn union(&mut self, levels: usize) -> Made {
        self.features.insert("union all".into());
        let (one, other) = (self.relation(levels - 1), self.relation(levels - 1));
        let mut queries = Vec::new();
        let mut columns = Vec::new();
        let row_wise = one.row_wise && other.row_wise;
        let types: Vec<Type> = (0..self.random.usize(1..=3)).map(|_| self.expressions(&one).scalar(0).1).collect();
        for relation in [one, other] {
            let mut items = Items::default();
            for of in &types {
                items.push(self.expressions(&relation).of(of, 1), of.clone());
            }
            let filter = self.filter(&relation);
            let made = items.select(relation.from, filter);
            queries.push(made.query);
            columns = made.columns;
        }
        Made { query: Query::Union(queries), columns, key: None, in_stream_order: false, row_wise }
    }
}
