//! Questions of what there is, in place of what is in it: SQL over tables that a protocol makes of the relations that a caller sees.
//!
//! None of them has a row of a relation, so no policy has anything to say; the limits of all queries hold.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::catalog::{MemorySchemaProvider, SchemaProvider};
use datafusion::common::DataFusionError;
use datafusion::datasource::{MemTable, TableType};
use datafusion::logical_expr::ScalarUDF;

use super::QueryError;
use super::session::{DescribedQuery, SCHEMA, Session, Sessions};
use super::sql::{Params, RowBatches};
use crate::read_model::ReadView;

/// What a relation is like.
#[derive(Debug, Clone)]
pub struct RelationShape {
    pub name: String,
    pub is_view: bool,
    pub schema: SchemaRef,
    /// The columns of its key.
    pub key: Vec<usize>,
}

/// The tables and functions of schemas in place of that of the relations.
#[derive(Debug)]
pub struct SystemTables {
    /// Names without a schema are of the first one.
    pub schemas: Vec<(&'static str, Vec<(String, RecordBatch)>)>,
    pub functions: Vec<Arc<ScalarUDF>>,
}

impl Sessions {
    /// What the relations that a caller sees are like. One that cannot be planned is left out.
    pub(super) async fn shapes(&self, view: ReadView) -> Vec<RelationShape> {
        let session = self.open(view);
        let names: Vec<String> = session.view().names().map(str::to_owned).collect();
        let mut shapes = Vec::new();
        for name in names {
            let Ok(provider) = session.register(self, &name, 0).await else { continue };
            let key = session.view().open(&name).ok().and_then(|relation| relation.table());
            let key = key.map(|table| table.spec().key.clone()).unwrap_or_default();
            let is_view = provider.table_type() == TableType::View;
            shapes.push(RelationShape { name, is_view, schema: provider.schema(), key });
        }
        shapes
    }

    /// A session over such tables alone.
    fn over_system(&self, view: ReadView, system: &SystemTables) -> Result<Session, QueryError> {
        let session = self.open(view).without_information_schema();
        let added = || -> Result<Session, DataFusionError> {
            for (schema, tables) in &system.schemas {
                let of_schema = MemorySchemaProvider::new();
                for (name, rows) in tables {
                    let table = MemTable::try_new(rows.schema(), vec![vec![rows.clone()]])?;
                    of_schema.register_table(name.clone(), Arc::new(table))?;
                }
                session.add_schema(schema, Arc::new(of_schema))?;
            }
            let first = system.schemas.first().map(|(schema, _)| *schema);
            session.with_functions(first.unwrap_or(SCHEMA), &system.functions)
        };
        added().map_err(QueryError::planning)
    }

    pub(super) async fn describe_system(
        &self,
        view: ReadView,
        system: &SystemTables,
        sql: &str,
    ) -> Result<DescribedQuery, QueryError> {
        let parsed = self.parse(sql)?.without_references();
        self.over_system(view, system)?.describe(self, &parsed).await
    }

    pub(super) async fn run_system(
        &self,
        view: ReadView,
        system: &SystemTables,
        sql: &str,
        params: Params,
        rows_max: usize,
    ) -> Result<RowBatches, QueryError> {
        let parsed = self.parse(sql)?.without_references();
        let session = self.over_system(view, system)?;
        super::sql::start(self, &session, &parsed, params, rows_max, None).await
    }
}
