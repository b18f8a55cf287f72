//! What there is to ask for: relations and declared queries with the columns of their rows, for whoever makes clients of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;

use super::named;
use super::session::Sessions;
use super::system::RelationShape;
use crate::config::Query;
use crate::read_model::ReadView;
use crate::read_model::search::FieldSpec;

/// All that a caller may ask for, as far as its columns are known: what has nothing to serve yet, or cannot be planned, is left out.
#[derive(Debug, Clone, Default)]
pub struct Offered {
    /// By name.
    pub relations: BTreeMap<String, OfferedRelation>,
    /// The columns of declared queries, by name.
    pub queries: BTreeMap<String, SchemaRef>,
}

/// A relation, and of a search projection what can be searched.
#[derive(Debug, Clone)]
pub struct OfferedRelation {
    pub shape: RelationShape,
    pub index: Option<OfferedIndex>,
}

/// What a search can ask for, and what it gives.
#[derive(Debug, Clone)]
pub struct OfferedIndex {
    /// Without what is masked.
    pub fields: Vec<FieldSpec>,
    /// The columns of hits.
    pub shown: Vec<usize>,
}

impl Sessions {
    /// What is offered to those who see this. Columns of what they may not read are as `whole` has them: which relations and columns
    /// there are is told to everybody who reads, as the listing of projections does, and rows alone are hidden.
    pub(super) async fn offered(&self, seen: ReadView, whole: ReadView, queries: Vec<Arc<Query>>) -> Offered {
        let mut offered = Offered::default();
        let names = seen.names().count();
        for view in [seen, whole] {
            for shape in self.shapes(view.clone()).await {
                let index = view.open(&shape.name).ok().and_then(|relation| relation.index());
                let index = index.map(|index| OfferedIndex { fields: index.fields(), shown: index.shown_columns() });
                offered.relations.entry(shape.name.clone()).or_insert(OfferedRelation { shape, index });
            }
            let session = self.open(view);
            for query in &queries {
                if offered.queries.contains_key(&query.name) {
                    continue;
                }
                match named::columns(self, &session, query).await {
                    Ok(columns) => drop(offered.queries.insert(query.name.clone(), columns)),
                    Err(error) => tracing::debug!(name = %query.name, %error, "its columns are not known"),
                }
            }
            if offered.relations.len() == names && offered.queries.len() == queries.len() {
                break;
            }
        }
        offered
    }
}
