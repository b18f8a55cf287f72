//! What a client gets: rows of a query, a cursor's next ones, what a setting is, and the end of a transaction.

use std::sync::Arc;
use std::time::Instant;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::ScalarValue;
use futures::{Sink, SinkExt, stream};
use pgwire::api::portal::Format;
use pgwire::api::results::{FieldInfo, QueryResponse, Response, Tag};
use pgwire::api::store::PortalStore;
use pgwire::api::{ClientInfo, ClientPortalStore};
use pgwire::error::{ErrorInfo, PgWireError, PgWireResult};
use pgwire::messages::PgWireBackendMessage;
use pgwire::messages::data::DataRow;
use pgwire::messages::response::{NoticeResponse, TransactionStatus};

use super::super::errors::{error, of_query};
use super::super::rows::{Rendering, Rows, columns};
use super::super::session::{Cursor, Transaction};
use super::super::settings::Notice;
use super::super::statements::{Isolation, Statement};
use super::super::types::postgres_type;
use super::{Asked, Conversation, Prepared, Reader};
use crate::query::{Params, QueryError, ReadPoint, RowBatches, SqlRequest};
use crate::telemetry::count_limited;

impl Conversation {
    /// Runs a statement. `reader`: who runs it, if that was looked at for it already.
    ///
    /// # Errors
    /// If it fails, or its transaction has.
    pub(super) async fn execute<C>(
        &self,
        client: &mut C,
        prepared: &Prepared,
        parameters: Vec<ScalarValue>,
        format: Format,
        reader: Option<Reader>,
    ) -> PgWireResult<Response>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let statement = &prepared.statement;
        let has_failed = client.transaction_status() == TransactionStatus::Error;
        if has_failed && !matches!(statement, Statement::Commit | Statement::Rollback) {
            let message = "current transaction is aborted, commands ignored until end of transaction block";
            return Err(error("25P02", message));
        }
        match statement {
            Statement::Query(_) => {
                let query = prepared.query.as_ref();
                let (asked, described) = query.ok_or_else(|| error("XX000", "the query was not prepared"))?;
                self.query(client, (asked, described.as_ref()), parameters, format, reader).await
            }
            Statement::Declare { cursor, holds, .. } => {
                let query = prepared.query.as_ref();
                let (asked, _) = query.ok_or_else(|| error("XX000", "the query was not prepared"))?;
                self.declare((cursor, *holds), asked, parameters, reader).await
            }
            Statement::Fetch { cursor, count } => self.fetch(cursor, *count, format),
            Statement::Show(name) => self.show(name, format),
            Statement::Set { name, value, is_local } => {
                self.session().settings.set(name, value.as_deref(), *is_local)?;
                Ok(done("SET"))
            }
            Statement::Reset(name) => {
                match name {
                    Some(name) => self.session().settings.set(name, None, false)?,
                    None => self.session().settings.reset(),
                }
                Ok(done("RESET"))
            }
            Statement::SetTransaction { isolation } => {
                if let (Some(isolation), Some(transaction)) = (isolation, &mut self.session().transaction) {
                    transaction.isolation = *isolation;
                }
                Ok(done("SET"))
            }
            Statement::Begin { isolation } => {
                let mut session = self.session();
                if session.transaction.is_none() {
                    let isolation = isolation.unwrap_or_else(|| session.settings.isolation());
                    session.transaction = Some(Transaction { isolation, at: None });
                }
                Ok(Response::TransactionStart(Tag::new("BEGIN")))
            }
            Statement::Commit | Statement::Rollback => {
                self.session().end_transaction();
                client.portal_store().clear_portals();
                let is_kept = *statement == Statement::Commit && !has_failed;
                Ok(Response::TransactionEnd(Tag::new(if is_kept { "COMMIT" } else { "ROLLBACK" })))
            }
            Statement::Savepoint(tag) => Ok(done(tag)),
            Statement::Close(name) => {
                self.session().close_cursor(name.as_deref())?;
                Ok(done("CLOSE CURSOR"))
            }
            Statement::Deallocate(name) => {
                let names = match name {
                    Some(name) => {
                        self.session().drop_statement(name);
                        [name.clone()].into()
                    }
                    None => self.session().drop_statements(),
                };
                names.iter().for_each(|name| client.portal_store().rm_statement(name));
                Ok(done("DEALLOCATE"))
            }
            Statement::Discard => {
                let names = self.session().drop_statements();
                names.iter().for_each(|name| client.portal_store().rm_statement(name));
                self.session().discard();
                Ok(done("DISCARD ALL"))
            }
        }
    }

    async fn query<C>(
        &self,
        client: &mut C,
        (asked, described): (&Asked, Option<&SchemaRef>),
        parameters: Vec<ScalarValue>,
        format: Format,
        reader: Option<Reader>,
    ) -> PgWireResult<Response>
    where
        C: Sink<PgWireBackendMessage> + Unpin + Send,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let limits = self.door.api.now().answer_limits();
        let (columns_format, question) = (format.clone(), asked.question());
        let (schema, rows) = self
            .read(asked, parameters, reader, async move |mut batches: RowBatches| {
                let mut rendering = Rendering::new(limits, format);
                while let Some(batch) = batches.next().await? {
                    match &question {
                        Some(question) => rendering.write(&question.typed_rows(&batch)?)?,
                        None => rendering.write(&batch)?,
                    }
                }
                Ok((batches.schema(), rendering.finish()))
            })
            .await?;
        let schema = asked.told(&schema);
        let is_same = |(one, other): (&Arc<Field>, &Arc<Field>)| postgres_type(one) == postgres_type(other);
        let fits = |described: &SchemaRef| {
            let (one, other) = (schema.fields(), described.fields());
            one.len() == other.len() && one.iter().zip(other).all(is_same)
        };
        if !described.is_none_or(fits) {
            // Its relations were declared in another way since it was prepared.
            return Err(error("0A000", "cached plan must not change result type"));
        }
        if matches!(asked, Asked::Relations(..))
            && let Some(notice) = self.freshness_notice()
        {
            client.feed(PgWireBackendMessage::NoticeResponse(notice)).await?;
        }
        Ok(response(columns(described.unwrap_or(&schema), &columns_format), rows))
    }

    /// Reads what a statement asks for, as its session demands it.
    async fn read<T, W>(
        &self,
        asked: &Asked,
        parameters: Vec<ScalarValue>,
        reader: Option<Reader>,
        render: impl FnOnce(RowBatches) -> W + Send + 'static,
    ) -> PgWireResult<T>
    where
        T: Send + 'static,
        W: Future<Output = Result<T, QueryError>> + Send + 'static,
    {
        let Reader { identity, caller } = reader.map_or_else(|| self.reader(), Ok)?;
        let service = self.door.api.now().service().clone();
        let admitted = self.door.api.quotas().admit(&caller, Some(self.peer), Instant::now());
        let _admitted = admitted.map_err(|exceeded| {
            count_limited(exceeded.label());
            error("53400", exceeded.to_string())
        })?;
        let (settings, pinned) = {
            let session = self.session();
            let pinned = session.transaction.as_ref().and_then(|transaction| transaction.at.clone());
            (session.settings.clone(), pinned)
        };
        let demand = settings.demand(service.streams(), service.limits())?;
        let mixed = settings.allows_mixed_cuts();
        let reading = async {
            let params = Params::Positional(parameters);
            let parsed = match asked {
                Asked::Relations(parsed, _) => parsed,
                Asked::Catalog(question) => {
                    let (tables, sql) = (&question.system, question.sql.clone());
                    return Ok((None, service.system(caller, tables, sql, params, render).await?));
                }
            };
            let at = match &pinned {
                Some(earlier) => service.at_sql_again(earlier, caller, parsed, mixed, &demand).await?,
                None => service.at_sql(caller, parsed, mixed, &demand).await?,
            };
            let request = SqlRequest { parsed: parsed.clone(), params };
            let answer = service.sql(&at, request, render).await?;
            Ok((Some(at), answer))
        };
        let read = match settings.timeout() {
            None => reading.await,
            Some(timeout) => match tokio::time::timeout(timeout, reading).await {
                Ok(read) => read,
                Err(_) => return Err(error("57014", "canceling statement due to statement timeout")),
            },
        };
        let (at, answer): (Option<ReadPoint>, T) = read.map_err(|error| self.refused(&identity, error))?;
        // What there is has no freshness.
        let Some(at) = at else { return Ok(answer) };
        let mut session = self.session();
        session.freshness = Some(at.freshness());
        if let Some(transaction) = &mut session.transaction
            && transaction.isolation == Isolation::Repeatable
        {
            transaction.at.get_or_insert(at);
        }
        Ok(answer)
    }

    fn freshness_notice(&self) -> Option<NoticeResponse> {
        let session = self.session();
        let freshness = session.freshness.as_ref()?;
        let is_told = match session.settings.notice() {
            Notice::Always => true,
            Notice::Never => false,
            Notice::Stale => freshness.is_stale() || freshness.incomplete,
        };
        let text = serde_json::to_string(freshness).ok().filter(|_| is_told)?;
        let state = freshness.state.label();
        let incomplete = if freshness.incomplete { ", incomplete" } else { "" };
        let mut info =
            ErrorInfo::new("NOTICE".to_owned(), "00000".to_owned(), format!("freshness: {state}{incomplete}"));
        info.detail = Some(text);
        Some(info.into())
    }

    async fn declare(
        &self,
        (name, holds): (&str, bool),
        asked: &Asked,
        parameters: Vec<ScalarValue>,
        reader: Option<Reader>,
    ) -> PgWireResult<Response> {
        let (limits, question) = (self.door.api.now().answer_limits(), asked.question());
        let (schema, read, held) = self
            .read(asked, parameters, reader, async move |mut batches: RowBatches| {
                let (mut read, mut bytes) = (Vec::new(), 0);
                while let Some(batch) = batches.next().await? {
                    bytes += batch.get_array_memory_size();
                    limits.check(bytes)?;
                    read.push(match &question {
                        Some(question) => question.typed_rows(&batch)?,
                        None => batch,
                    });
                }
                Ok((batches.schema(), read, limits.reserve(bytes)?))
            })
            .await?;
        let cursor = Cursor::new(asked.told(&schema), read, holds, held);
        self.session().open_cursor(name.to_owned(), cursor)?;
        Ok(done("DECLARE CURSOR"))
    }

    fn fetch(&self, name: &str, count: Option<usize>, format: Format) -> PgWireResult<Response> {
        let (schema, batches) = {
            let mut session = self.session();
            let cursor = session.cursor(name)?;
            (cursor.schema.clone(), cursor.fetch(count.unwrap_or(usize::MAX)))
        };
        self.render(&schema, &batches, format, "FETCH")
    }

    fn show(&self, name: &str, format: Format) -> PgWireResult<Response> {
        let schema = shown_schema(name);
        let shown = {
            let session = self.session();
            match name {
                "all" => session.settings.all().map(|(name, value)| vec![name.to_owned(), value]).collect(),
                _ => {
                    let (known, value) = session.settings.show(name)?;
                    let isolation = session.transaction.as_ref().map(|transaction| transaction.isolation);
                    let value = match known {
                        "transaction_isolation" => isolation.unwrap_or(session.settings.isolation()).text().to_owned(),
                        "readside.freshness" => {
                            let freshness = session.freshness.as_ref();
                            freshness.and_then(|one| serde_json::to_string(one).ok()).unwrap_or_default()
                        }
                        _ => value,
                    };
                    vec![vec![value]]
                }
            }
        };
        let shown: Vec<Vec<String>> = shown;
        let column = |place: usize| {
            let values = shown.iter().map(|row| row[place].as_str());
            Arc::new(arrow::array::StringArray::from_iter_values(values)) as arrow::array::ArrayRef
        };
        let columns = (0..schema.fields().len()).map(column).collect();
        let batch = RecordBatch::try_new(schema.clone(), columns).map_err(|cause| error("XX000", cause.to_string()))?;
        self.render(&schema, &[batch], format, "SHOW")
    }

    fn render(
        &self,
        schema: &SchemaRef,
        batches: &[RecordBatch],
        format: Format,
        tag: &'static str,
    ) -> PgWireResult<Response> {
        let mut rendering = Rendering::new(self.door.api.now().answer_limits(), format.clone());
        batches.iter().try_for_each(|batch| rendering.write(batch)).map_err(of_query)?;
        let mut response = query_response(columns(schema, &format), rendering.finish());
        response.set_command_tag(tag);
        Ok(Response::Query(response))
    }
}

fn done(tag: &str) -> Response {
    Response::Execution(Tag::new(tag))
}

fn response(columns: Vec<FieldInfo>, rows: Rows) -> Response {
    Response::Query(query_response(columns, rows))
}

fn query_response(columns: Vec<FieldInfo>, rows: Rows) -> QueryResponse {
    let Rows { rows, held } = rows;
    // What the rows hold of the budget is given back with the last of them.
    let rows = rows.into_iter().map(move |row| {
        let _ = &held;
        Ok::<DataRow, PgWireError>(row)
    });
    QueryResponse::new(Arc::new(columns), stream::iter(rows))
}

/// The columns of `SHOW name`.
pub(super) fn shown_schema(name: &str) -> SchemaRef {
    let text = |name: &str| Field::new(name, DataType::Utf8, false);
    let fields = match name {
        "all" => vec![text("name"), text("setting")],
        name => vec![text(name.strip_prefix("readside.").unwrap_or(name))],
    };
    Arc::new(Schema::new(fields))
}
