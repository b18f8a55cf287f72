//! One client: who it is, what it prepares, and what it gets.

use std::collections::HashMap;
use std::fmt::Debug;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::common::ScalarValue;
use futures::{Sink, SinkExt, stream};
use pgwire::api::auth::{
    ServerParameterProvider, StartupHandler, finish_authentication, protocol_negotiation,
    save_startup_parameters_to_metadata,
};
use pgwire::api::portal::{Format, Portal};
use pgwire::api::query::{ExtendedQueryHandler, SimpleQueryHandler, send_describe_response};
use pgwire::api::results::{
    DescribePortalResponse, DescribeStatementResponse, FieldInfo, QueryResponse, Response, Tag,
};
use pgwire::api::stmt::{QueryParser, StoredStatement};
use pgwire::api::store::{Entry, PortalStore};
use pgwire::api::{
    ClientInfo, ClientPortalStore, ConnectionHandle, DEFAULT_NAME, METADATA_USER, PgWireConnectionState,
    PidSecretKeyGenerator, Type,
};
use pgwire::error::{ErrorInfo, PgWireError, PgWireResult};
use pgwire::messages::data::DataRow;
use pgwire::messages::extendedquery::{
    Bind, BindComplete, Close, CloseComplete, Describe, Execute, Parse, ParseComplete, TARGET_TYPE_BYTE_PORTAL,
    TARGET_TYPE_BYTE_STATEMENT,
};
use pgwire::messages::response::{NoticeResponse, TransactionStatus};
use pgwire::messages::startup::{Authentication, Startup};
use pgwire::messages::{PgWireBackendMessage, PgWireFrontendMessage};

use super::Door;
use super::catalog::{self, Catalog};
use super::errors::{error, fatal, of_query};
use super::messages::Known;
use super::parameters::value;
use super::rows::{Rendering, Rows, columns};
use super::session::{Cursor, Session, Transaction};
use super::settings::{Notice, SERVER_VERSION};
use super::statements::{Isolation, Statement, statements};
use super::types::postgres_type;
use crate::access::Caller;
use crate::query::{ErrorKind, Params, ParsedQuery, QueryError, ReadPoint, RowBatches, SqlRequest, SystemTables};
use crate::serve::audit::Asking;
use crate::serve::auth::{Denied, Identity};
use crate::serve::tls::Certified;
use crate::telemetry::count_limited;

/// Who reads without a token, where that is allowed, says so: others are asked for theirs.
const ANONYMOUS: &str = "anonymous";
/// What the audit log calls this door.
const ROUTE: &str = "postgres";
/// Rows of a portal that are taken at once.
const FETCH_ROWS_MAX: i32 = 65_536;
/// What a client says of a connection that is none of a session.
const OF_CONNECTION: [&str; 4] = ["user", "database", "options", "replication"];

/// What a client and the daemon say to each other on one connection.
pub(super) struct Conversation {
    door: Door,
    peer: IpAddr,
    certified: Option<Certified>,
    known: Known,
    session: Mutex<Session>,
}

/// A statement that may be run, with what it needs and gives.
#[derive(Debug)]
pub(super) struct Prepared {
    statement: Statement,
    /// With the columns that it gives, if they were asked for before it runs.
    query: Option<(Asked, Option<SchemaRef>)>,
    parameters: Vec<Type>,
}

/// What a query reads.
#[derive(Debug)]
enum Asked {
    /// Rows of relations.
    Relations(ParsedQuery),
    /// What there is, by these words and of these tables.
    Catalog(String, Arc<SystemTables>),
}

impl Conversation {
    pub(super) fn new(door: Door, peer: IpAddr, certified: Option<Certified>, known: Known) -> Self {
        Self { door, peer, certified, known, session: Mutex::default() }
    }

    fn session(&self) -> MutexGuard<'_, Session> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn identity(&self, token: Option<&str>) -> Result<Identity, Denied> {
        let identity = self.door.gate.identity(token, self.certified.as_ref());
        if let Err(denied) = &identity {
            self.door.audit.denied(&Asking { credential: denied.credential(), ..self.asking(None) }, denied.label());
        }
        identity
    }

    fn asking(&self, identity: Option<&Identity>) -> Asking {
        Asking { route: Some(ROUTE.into()), peer: Some(self.peer), ..Asking::of(identity) }
    }

    /// Who reads, by what its token is worth now; and the right to be answered, while it lasts.
    fn caller(&self) -> PgWireResult<(Identity, Caller)> {
        let token = self.session().token.clone();
        let identity = self.identity(token.as_deref()).map_err(|denied| fatal("28000", denied.to_string()))?;
        let caller = identity.caller(self.peer.is_loopback());
        Ok((identity, caller))
    }

    /// An error as its client gets it. That something was denied is told.
    fn refused(&self, identity: &Identity, error: QueryError) -> PgWireError {
        if error.kind == ErrorKind::Denied {
            let asking = Asking { relation: error.relation.clone(), ..self.asking(Some(identity)) };
            self.door.audit.denied(&asking, error.kind.label());
        }
        of_query(error)
    }

    /// A statement that is run as it is. What is in it is looked at when it runs.
    async fn read_statement(&self, statement: Statement) -> PgWireResult<Prepared> {
        let query = match &statement {
            Statement::Query(sql) | Statement::Declare { query: sql, .. } => {
                let (_, caller) = self.caller()?;
                Some((self.asked(sql, &caller).await?, None))
            }
            _ => None,
        };
        Ok(Prepared { statement, query, parameters: Vec::new() })
    }

    /// A statement with what it needs and gives, as far as the client has not said it.
    ///
    /// # Errors
    /// If the SQL cannot be planned for this client.
    async fn prepare(&self, statement: Statement, given: &[Option<Type>]) -> PgWireResult<Prepared> {
        let mut prepared = self.read_statement(statement).await?;
        let Some((asked, described)) = &mut prepared.query else { return Ok(prepared) };
        let (service, (identity, caller)) = (self.door.api.now().service().clone(), self.caller()?);
        let found = match asked {
            Asked::Catalog(question, tables) => service.describe_system(caller, tables, question.clone()).await,
            Asked::Relations(parsed) => service.describe(caller, parsed).await,
        };
        let found = found.map_err(|error| self.refused(&identity, error))?;
        let needed = found.parameters.iter().enumerate().map(|(place, needed)| {
            let of_field = |data_type: &DataType| postgres_type(&Field::new("parameter", data_type.clone(), true));
            let said = given.get(place).cloned().flatten().filter(|of| *of != Type::UNKNOWN);
            said.or_else(|| needed.as_ref().map(of_field)).unwrap_or(Type::TEXT)
        });
        prepared.parameters = needed.collect();
        *described = Some(found.schema);
        Ok(prepared)
    }

    async fn asked(&self, sql: &str, caller: &Caller) -> PgWireResult<Asked> {
        if let Some((question, tables)) = self.question(sql, caller).await? {
            return Ok(Asked::Catalog(question, tables));
        }
        let parsed = self.door.api.now().service().parse(sql.to_owned()).await.map_err(of_query)?;
        Ok(Asked::Relations(parsed))
    }

    /// A text that asks what there is, and the tables that have it; None of one that asks for rows.
    async fn question(&self, sql: &str, caller: &Caller) -> PgWireResult<Option<(String, Arc<SystemTables>)>> {
        if !catalog::may_ask(sql) {
            return Ok(None);
        }
        let (user, settings) = {
            let session = self.session();
            (session.user.clone(), session.settings.all().map(|(name, value)| (name.to_owned(), value)).collect())
        };
        let service = self.door.api.now().service().clone();
        let asked = service.of_shapes(caller.clone(), sql.to_owned(), move |relations, sql| {
            let catalog = Catalog::of(relations, &user, SERVER_VERSION, settings)?;
            let question = catalog.question(sql);
            Ok(question.map(|question| (question, Arc::new(catalog.into_tables()))))
        });
        asked.await.map_err(of_query)
    }

    /// The columns that a statement gives; none where it gives no rows.
    fn schema(&self, prepared: &Prepared) -> PgWireResult<Option<SchemaRef>> {
        Ok(match (&prepared.statement, &prepared.query) {
            (Statement::Query(_), Some((_, described))) => described.clone(),
            (Statement::Show(name), _) => Some(shown_schema(name)),
            (Statement::Fetch { cursor, .. }, _) => Some(self.session().cursor(cursor)?.schema.clone()),
            _ => None,
        })
    }

    async fn execute<C>(
        &self,
        client: &mut C,
        prepared: &Prepared,
        parameters: Vec<ScalarValue>,
        format: Format,
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
                self.query(client, asked, described.as_ref(), parameters, format).await
            }
            Statement::Declare { cursor, holds, .. } => {
                let query = prepared.query.as_ref();
                let (asked, _) = query.ok_or_else(|| error("XX000", "the query was not prepared"))?;
                self.declare(cursor, *holds, asked, parameters).await
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
        asked: &Asked,
        described: Option<&SchemaRef>,
        parameters: Vec<ScalarValue>,
        format: Format,
    ) -> PgWireResult<Response>
    where
        C: Sink<PgWireBackendMessage> + Unpin + Send,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let limits = self.door.api.now().answer_limits();
        let columns_format = format.clone();
        let (schema, rows) = self
            .read(asked, parameters, async move |mut batches: RowBatches| {
                let mut rendering = Rendering::new(limits, format);
                while let Some(batch) = batches.next().await? {
                    rendering.write(&batch)?;
                }
                Ok((batches.schema(), rendering.finish()))
            })
            .await?;
        let is_same = |(one, other): (&Arc<Field>, &Arc<Field>)| postgres_type(one) == postgres_type(other);
        let fits = |described: &SchemaRef| {
            let (one, other) = (schema.fields(), described.fields());
            one.len() == other.len() && one.iter().zip(other).all(is_same)
        };
        if !described.is_none_or(fits) {
            // Its relations were declared in another way since it was prepared.
            return Err(error("0A000", "cached plan must not change result type"));
        }
        if matches!(asked, Asked::Relations(_))
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
        render: impl FnOnce(RowBatches) -> W + Send + 'static,
    ) -> PgWireResult<T>
    where
        T: Send + 'static,
        W: Future<Output = Result<T, QueryError>> + Send + 'static,
    {
        let (service, (identity, caller)) = (self.door.api.now().service().clone(), self.caller()?);
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
                Asked::Relations(parsed) => parsed,
                Asked::Catalog(question, tables) => {
                    return Ok((None, service.system(caller, tables, question.clone(), params, render).await?));
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
        name: &str,
        holds: bool,
        asked: &Asked,
        parameters: Vec<ScalarValue>,
    ) -> PgWireResult<Response> {
        let limits = self.door.api.now().answer_limits();
        let cursor = self
            .read(asked, parameters, async move |mut batches: RowBatches| {
                let (mut read, mut bytes) = (Vec::new(), 0);
                while let Some(batch) = batches.next().await? {
                    bytes += batch.get_array_memory_size();
                    limits.check(bytes)?;
                    read.push(batch);
                }
                Ok(Cursor::new(batches.schema(), read, holds, limits.reserve(bytes)?))
            })
            .await?;
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

fn shown_schema(name: &str) -> SchemaRef {
    let text = |name: &str| Field::new(name, DataType::Utf8, false);
    let fields = match name {
        "all" => vec![text("name"), text("setting")],
        name => vec![text(name.strip_prefix("readside.").unwrap_or(name))],
    };
    Arc::new(Schema::new(fields))
}

#[async_trait]
impl StartupHandler for Conversation {
    async fn on_startup<C>(&self, client: &mut C, message: PgWireFrontendMessage) -> PgWireResult<()>
    where
        C: ClientInfo + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        match message {
            PgWireFrontendMessage::Startup(startup) => {
                protocol_negotiation(client, &startup).await?;
                self.begin(&startup)?;
                self.session().user = startup.parameters.get(METADATA_USER).cloned().unwrap_or_default();
                save_startup_parameters_to_metadata(client, &startup);
                let is_anonymous = client.metadata().get(METADATA_USER).is_some_and(|user| user == ANONYMOUS);
                match self.door.gate.identity(None, self.certified.as_ref()) {
                    Ok(Identity::Anonymous) if !is_anonymous => self.ask(client).await,
                    Ok(_) => self.let_in(client).await,
                    Err(_) => self.ask(client).await,
                }
            }
            PgWireFrontendMessage::PasswordMessageFamily(message) => {
                let token = message.into_password()?.password;
                self.identity(Some(&token)).map_err(|denied| fatal("28P01", denied.to_string()))?;
                self.session().token = Some(token);
                self.let_in(client).await
            }
            _ => Err(fatal("08P01", "a startup message or a password is expected")),
        }
    }
}

impl Conversation {
    /// Takes what a client says of its session.
    fn begin(&self, startup: &Startup) -> PgWireResult<()> {
        if startup.parameters.get("replication").is_some_and(|value| !matches!(value.as_str(), "false" | "off" | "0")) {
            return Err(fatal("0A000", "there is no replication here; `readside tap` has what changes"));
        }
        let mut session = self.session();
        for (name, value) in &startup.parameters {
            if OF_CONNECTION.contains(&name.as_str()) {
                continue;
            }
            // A driver says where its clock hangs, and is told which zone holds.
            let result = session.settings.set(name, Some(value), false);
            if name.starts_with("readside.") {
                result.map_err(into_fatal)?;
            }
        }
        let options = startup.parameters.get("options").map(String::as_str).unwrap_or_default();
        let said = options.replace("-c ", "-c").replace("--", "-c");
        for option in said.split_whitespace() {
            let written = option.strip_prefix("-c").and_then(|option| option.split_once('='));
            let (name, value) = written.ok_or_else(|| fatal("22023", format!("the option `{option}` is none")))?;
            session.settings.set(name, Some(value), false).map_err(into_fatal)?;
        }
        Ok(())
    }

    async fn ask<C>(&self, client: &mut C) -> PgWireResult<()>
    where
        C: ClientInfo + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        client.set_state(PgWireConnectionState::AuthenticationInProgress);
        client.send(PgWireBackendMessage::Authentication(Authentication::CleartextPassword)).await?;
        Ok(())
    }

    async fn let_in<C>(&self, client: &mut C) -> PgWireResult<()>
    where
        C: ClientInfo + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        self.known.set();
        let (pid, key) = self.door.keys.generate(client);
        client.set_pid_and_secret_key(pid, key.clone());
        let (handle, guard) = self.door.cancels.register(pid, key);
        client.session_extensions().insert::<Arc<ConnectionHandle>>(handle);
        client.session_extensions().insert(guard);
        finish_authentication(client, self).await
    }
}

fn into_fatal(error: PgWireError) -> PgWireError {
    let info = ErrorInfo::from(error);
    fatal(&info.code, info.message)
}

impl ServerParameterProvider for Conversation {
    fn server_parameters<C: ClientInfo>(&self, client: &C) -> Option<HashMap<String, String>> {
        let session = self.session();
        let told = session.settings.told_at_start().map(|(name, value)| (name.to_owned(), value));
        let user = client.metadata().get(METADATA_USER).map(|user| ("session_authorization".to_owned(), user.clone()));
        Some(told.chain(user).collect())
    }
}

#[async_trait]
impl SimpleQueryHandler for Conversation {
    async fn do_query<C>(&self, client: &mut C, query: &str) -> PgWireResult<Vec<Response>>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let mut responses = Vec::new();
        for statement in statements(query)? {
            let response = async {
                let prepared = self.read_statement(statement).await?;
                self.execute(client, &prepared, Vec::new(), Format::UnifiedText).await
            };
            match response.await {
                Ok(response) => {
                    // The statements behind it are of that transaction, or of none.
                    let status = client.transaction_status();
                    match response {
                        Response::TransactionStart(_) => {
                            client.set_transaction_status(status.to_in_transaction_state())
                        }
                        Response::TransactionEnd(_) => client.set_transaction_status(status.to_idle_state()),
                        _ => {}
                    }
                    responses.push(response);
                }
                Err(error) if error.is_fatal() => return Err(error),
                Err(error) => {
                    responses.push(Response::Error(Box::new(error.into())));
                    break;
                }
            }
        }
        if responses.is_empty() {
            responses.push(Response::EmptyQuery);
        }
        Ok(responses)
    }
}

/// Prepares for the library what it asks of a parser.
pub(super) struct Parser;

#[async_trait]
impl QueryParser for Parser {
    type Statement = Arc<Prepared>;

    async fn parse_sql<C>(&self, _: &C, _: &str, _: &[Option<Type>]) -> PgWireResult<Option<Arc<Prepared>>>
    where
        C: ClientInfo + Unpin + Send + Sync,
    {
        Err(error("XX000", "statements are prepared by their session"))
    }

    fn get_parameter_types(&self, prepared: &Arc<Prepared>) -> PgWireResult<Vec<Type>> {
        Ok(prepared.parameters.clone())
    }

    fn get_result_schema(&self, _: &Arc<Prepared>, _: Option<&Format>) -> PgWireResult<Vec<FieldInfo>> {
        Err(error("XX000", "columns are described by their session"))
    }
}

#[async_trait]
impl ExtendedQueryHandler for Conversation {
    type Statement = Arc<Prepared>;
    type QueryParser = Parser;

    fn query_parser(&self) -> Arc<Parser> {
        Arc::new(Parser)
    }

    async fn on_parse<C>(&self, client: &mut C, message: Parse) -> PgWireResult<()>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore<Statement = Arc<Prepared>>,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let name = message.name.unwrap_or_else(|| DEFAULT_NAME.to_owned());
        let mut statements = statements(&message.query)?;
        if statements.len() > 1 {
            return Err(error("42601", "cannot insert multiple commands into a prepared statement"));
        }
        self.session().keep_statement(&name)?;
        match statements.pop() {
            Some(statement) => {
                let given: Vec<Option<Type>> = message.type_oids.iter().map(|oid| Type::from_oid(*oid)).collect();
                let prepared = self.prepare(statement, &given).await?;
                let types = prepared.parameters.iter().cloned().map(Some).collect();
                let stored = StoredStatement::new(name, Arc::new(prepared), types);
                client.portal_store().put_statement(Arc::new(stored));
            }
            None => client.portal_store().put_empty_statement(&name),
        }
        client.send(PgWireBackendMessage::ParseComplete(ParseComplete::new())).await?;
        Ok(())
    }

    async fn on_bind<C>(&self, client: &mut C, message: Bind) -> PgWireResult<()>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore<Statement = Arc<Prepared>>,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let statement = message.statement_name.as_deref().unwrap_or(DEFAULT_NAME);
        let portal = message.portal_name.as_deref().unwrap_or(DEFAULT_NAME);
        let given = message.parameters.len();
        let check = |needed: usize| {
            let formats = message.parameter_format_codes.len();
            if given != needed {
                let message = format!("bind message supplies {given} parameters, but the statement requires {needed}");
                return Err(error("08P01", message));
            }
            if formats > 1 && formats != given {
                return Err(error("08P01", format!("bind message has {formats} formats for {given} parameters")));
            }
            Ok(())
        };
        match client.portal_store().get_statement(statement) {
            Some(Entry::Value(stored)) => {
                check(stored.statement.parameters.len())?;
                self.session().keep_portal(portal)?;
                client.portal_store().put_portal(Arc::new(Portal::try_new(&message, stored)?));
            }
            Some(Entry::Empty) => {
                check(0)?;
                self.session().keep_portal(portal)?;
                client.portal_store().put_empty_portal(portal);
            }
            None => return Err(error("26000", format!("prepared statement \"{statement}\" does not exist"))),
        }
        client.send(PgWireBackendMessage::BindComplete(BindComplete::new())).await?;
        Ok(())
    }

    async fn on_execute<C>(&self, client: &mut C, mut message: Execute) -> PgWireResult<()>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore<Statement = Arc<Prepared>>,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        // The library makes room for as many rows as a client says; no limit stays none.
        message.max_rows = message.max_rows.clamp(0, FETCH_ROWS_MAX);
        self._on_execute(client, message).await
    }

    async fn on_close<C>(&self, client: &mut C, message: Close) -> PgWireResult<()>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore<Statement = Arc<Prepared>>,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let name = message.name.as_deref().unwrap_or(DEFAULT_NAME);
        match message.target_type {
            TARGET_TYPE_BYTE_STATEMENT => {
                self.session().drop_statement(name);
                client.portal_store().rm_statement(name);
            }
            TARGET_TYPE_BYTE_PORTAL => {
                self.session().drop_portal(name);
                client.portal_store().rm_portal(name);
            }
            _ => {}
        }
        client.send(PgWireBackendMessage::CloseComplete(CloseComplete::new())).await?;
        Ok(())
    }

    async fn on_describe<C>(&self, client: &mut C, message: Describe) -> PgWireResult<()>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore<Statement = Arc<Prepared>>,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let name = message.name.as_deref().unwrap_or(DEFAULT_NAME);
        if message.target_type == TARGET_TYPE_BYTE_PORTAL && client.portal_store().get_portal(name).is_none() {
            // A cursor that was declared in SQL is a portal as well.
            let schema = self.session().cursor(name)?.schema.clone();
            let described = DescribePortalResponse::new(columns(&schema, &Format::UnifiedText));
            return send_describe_response(client, &described).await;
        }
        self._on_describe(client, message).await
    }

    async fn do_describe_statement<C>(
        &self,
        _: &mut C,
        target: &StoredStatement<Arc<Prepared>>,
    ) -> PgWireResult<DescribeStatementResponse>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore<Statement = Arc<Prepared>>,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let schema = self.schema(&target.statement)?;
        let columns = schema.map(|schema| columns(&schema, &Format::UnifiedText)).unwrap_or_default();
        Ok(DescribeStatementResponse::new(target.statement.parameters.clone(), columns))
    }

    async fn do_describe_portal<C>(
        &self,
        _: &mut C,
        target: &Portal<Arc<Prepared>>,
    ) -> PgWireResult<DescribePortalResponse>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore<Statement = Arc<Prepared>>,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let schema = self.schema(&target.statement.statement)?;
        let columns = schema.map(|schema| columns(&schema, &target.result_column_format)).unwrap_or_default();
        Ok(DescribePortalResponse::new(columns))
    }

    async fn do_query<C>(&self, client: &mut C, portal: &Portal<Arc<Prepared>>, _: usize) -> PgWireResult<Response>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore<Statement = Arc<Prepared>>,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let prepared = &portal.statement.statement;
        let values = prepared.parameters.iter().zip(&portal.parameters).enumerate();
        let values = values.map(|(place, (of, bytes))| {
            value(place, of, bytes.as_deref(), portal.parameter_format.is_binary(place)).map_err(of_query)
        });
        let values = values.collect::<PgWireResult<Vec<_>>>()?;
        self.execute(client, prepared, values, portal.result_column_format.clone()).await
    }
}
