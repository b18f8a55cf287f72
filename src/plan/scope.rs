//! What SQL may read: the relations of the sources, and the other projections.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::common::TableReference;

use crate::event::{SourceRelation, SourceSchema};
use crate::identity::Identity;
use crate::progress::Reads;
use crate::sql::RelationKeys;

/// The relations that a projection's SQL may name.
#[derive(Debug, Clone, Default)]
pub struct Scope {
    pub sources: BTreeMap<String, ScopeSource>,
    pub projections: BTreeMap<String, ProjectionSchema>,
}

/// A source whose relations may be read.
#[derive(Debug, Clone)]
pub struct ScopeSource {
    pub schema: Arc<SourceSchema>,
    /// Of everything that decides which events are admitted, with which values.
    pub identity: Identity,
}

/// What other projections need to know of one.
#[derive(Debug, Clone)]
pub struct ProjectionSchema {
    pub schema: SchemaRef,
    /// Indices of the key columns.
    pub key: Vec<usize>,
    pub key_proven: bool,
    /// The sources and types below it.
    pub reads: Reads,
    /// Whether its delta never retracts.
    pub append_only: bool,
    /// Of everything that decides its rows.
    pub identity: Identity,
}

/// A relation that a table scan names.
#[derive(Debug, Clone, Copy)]
pub(in crate::plan) enum Scanned<'a> {
    Events { source: &'a ScopeSource, relation: SourceRelation },
    Projection { name: &'a str, projection: &'a ProjectionSchema },
}

impl Scope {
    pub(in crate::plan) fn find(&self, table: &TableReference) -> Option<Scanned<'_>> {
        match table.schema() {
            Some(source) if self.sources.contains_key(source) => {
                let source = &self.sources[source];
                Some(Scanned::Events { source, relation: source.schema.relation(table.table())? })
            }
            _ => {
                let (name, projection) = self.projections.get_key_value(table.table())?;
                Some(Scanned::Projection { name, projection })
            }
        }
    }

    /// The columns that tell the rows of each projection apart. Events have no key that an author groups by.
    pub(in crate::plan) fn keys(&self) -> RelationKeys {
        let key = |(name, projection): (&String, &ProjectionSchema)| {
            let column = |&index: &usize| projection.schema.field(index).name().clone();
            (!projection.key.is_empty()).then(|| (name.clone(), projection.key.iter().map(column).collect()))
        };
        RelationKeys(self.projections.iter().filter_map(key).collect())
    }

    /// Names as they are written in SQL, for hints.
    pub(in crate::plan) fn names(&self) -> Vec<String> {
        let events = self.sources.iter().flat_map(|(name, source)| {
            let tables = source.schema.types.iter().map(|event_type| event_type.table.as_str());
            tables.chain(["events"]).map(move |table| format!("{name}.{table}"))
        });
        events.chain(self.projections.keys().cloned()).collect()
    }
}
