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

/// A relation, and what of it can be searched.
#[derive(Debug, Clone)]
pub struct OfferedRelation {
    pub shape: RelationShape,
    /// Of a search projection, without what is masked.
    pub fields: Vec<FieldSpec>,
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
                let fields = index.map(|index| index.fields()).unwrap_or_default();
                offered.relations.entry(shape.name.clone()).or_insert(OfferedRelation { shape, fields });
            }
            let session = self.open(view);
            for query in &queries {
                if offered.queries.contains_key(&query.name) {
                    continue;
                }
                match named::columns(self, &session, query).await {
                    Ok(columns) => drop(offered.queries.insert(query.name.clone(), columns)),
                    Err(error) => tracing::debug!(query = %query.name, %error, "its columns are not known"),
                }
            }
            if offered.relations.len() == names && offered.queries.len() == queries.len() {
                break;
            }
        }
        offered
    }
}
