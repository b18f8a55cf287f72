//! The definition of a generation: its projection's declaration as the engine needs it.

use std::sync::Arc;

use super::search_spec::search_spec;
use crate::identity::Identity;
use crate::plan::{self, PlannedProjection};
use crate::progress::{Reads, Slo};
use crate::read_model::search::SearchSpec;
use crate::read_model::table::TableSpec;

#[derive(Debug, Clone)]
pub struct Definition {
    pub owner: Option<String>,
    /// What is promised of its freshness.
    pub slo: Option<Slo>,
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
    /// The document that declares it, as it is written; none where that is not known.
    pub text: Option<Arc<str>>,
    /// What its rows are selected by; none of rows that an older build computed.
    pub sql: Option<Arc<str>>,
    /// The relations that this names.
    pub relations: Arc<[String]>,
}

impl Definition {
    /// Whether a generation of the other definition is one of this, but for what can be changed while it runs.
    pub fn is_kept_as(&self, other: &Definition) -> bool {
        self.rows == other.rows && self.table == other.table && self.search == other.search
    }

    /// Takes over what can be changed while the generation runs, of a definition that is else the same.
    pub(in crate::pipeline) fn adapt(&mut self, to: &Definition) {
        self.owner.clone_from(&to.owner);
        self.slo = to.slo;
        self.text.clone_from(&to.text);
        // The same rows may be written in other words.
        self.sql.clone_from(&to.sql);
        self.relations.clone_from(&to.relations);
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
            slo: config.slo,
            rows: Some(schema.identity),
            reads: schema.reads.clone(),
            upstream: planned.compiled.upstream.clone(),
            table: Arc::new(table),
            state_limit: config.state_limit,
            search: search_spec(config, schema),
            text: config.text.clone(),
            sql: Some(config.sql.as_str().into()),
            relations: plan::reads(&config.sql).into(),
        }
    }
}
