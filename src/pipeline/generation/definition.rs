//! The definition of a generation: its projection's declaration as the engine needs it.

use std::sync::Arc;

use super::search_spec::search_spec;
use crate::identity::Identity;
use crate::plan::PlannedProjection;
use crate::progress::Reads;
use crate::read_model::search::SearchSpec;
use crate::read_model::table::TableSpec;

#[derive(Debug, Clone)]
pub struct Definition {
    pub owner: Option<String>,
    /// Of everything that decides its rows; none of rows that an older build computed.
    pub rows: Option<Identity>,
    pub reads: Reads,
    /// Projections that it reads.
    pub upstream: Vec<String>,
    pub table: Arc<TableSpec>,
    /// Most bytes of state before it fails.
    pub state_limit: u64,
    /// Only of a search projection.
    pub search: Option<SearchSpec>,
}

impl Definition {
    /// Whether a generation of the other definition is one of this, but for what can be changed while it runs.
    pub fn is_kept_as(&self, other: &Definition) -> bool {
        self.rows == other.rows && self.table == other.table && self.search == other.search
    }

    /// Whether what can be changed while it runs is another.
    pub fn differs_in_settings(&self, other: &Definition) -> bool {
        self.owner != other.owner || self.state_limit != other.state_limit
    }

    /// What is another, in words.
    pub fn difference(&self, to: &Definition) -> String {
        let columns = |definition: &Definition| -> Vec<(String, String)> {
            let fields = definition.table.schema.fields().iter();
            fields.map(|field| (field.name().clone(), field.data_type().to_string())).collect()
        };
        let (old, new) = (columns(self), columns(to));
        let named = |columns: &[(String, String)], others: &[(String, String)]| -> Vec<String> {
            let own = columns.iter().filter(|(name, _)| !others.iter().any(|(other, _)| other == name));
            own.map(|(name, _)| format!("`{name}`")).collect()
        };
        let retyped = old.iter().filter_map(|(name, data_type)| {
            let (_, other) = new.iter().find(|(other, _)| other == name)?;
            (other != data_type).then(|| format!("column `{name}` becomes {other}, and was {data_type}"))
        });
        let mut parts: Vec<String> = retyped.collect();
        let (added, dropped) = (named(&new, &old), named(&old, &new));
        if !added.is_empty() {
            parts.push(format!("new columns {}", added.join(", ")));
        }
        if !dropped.is_empty() {
            parts.push(format!("without {}", dropped.join(", ")));
        }
        if self.table.key != to.table.key {
            parts.push("another key".to_owned());
        }
        if self.table.indexes != to.table.indexes {
            parts.push("other indexes".to_owned());
        }
        if self.search != to.search {
            parts.push("other search fields".to_owned());
        }
        if self.rows != to.rows && parts.is_empty() {
            parts.push("its rows are computed otherwise".to_owned());
        }
        parts.join("; ")
    }

    /// Takes over what can be changed while the generation runs, of a definition that is else the same.
    pub(in crate::pipeline) fn adapt(&mut self, to: &Definition) {
        self.owner.clone_from(&to.owner);
        self.state_limit = to.state_limit;
    }

    pub fn of(planned: &PlannedProjection) -> Self {
        let config = &planned.config;
        let schema = &planned.compiled.schema;
        let table = TableSpec {
            name: config.name.clone(),
            schema: schema.schema.clone(),
            key: schema.key.clone(),
            key_proven: schema.key_proven,
            indexes: planned.indexes.clone(),
        };
        Self {
            owner: config.owner.clone(),
            rows: Some(schema.identity),
            reads: schema.reads.clone(),
            upstream: planned.compiled.upstream.clone(),
            table: Arc::new(table),
            state_limit: config.state_limit,
            search: search_spec(config, schema),
        }
    }
}
