//! What the library asks of a conversation: texts that are run as they are, and statements that are prepared, bound, described and run.

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use futures::{Sink, SinkExt};
use pgwire::api::portal::{Format, Portal};
use pgwire::api::query::{ExtendedQueryHandler, SimpleQueryHandler, send_describe_response};
use pgwire::api::results::{DescribePortalResponse, DescribeStatementResponse, FieldInfo, Response};
use pgwire::api::stmt::{QueryParser, StoredStatement};
use pgwire::api::store::{Entry, PortalStore};
use pgwire::api::{ClientInfo, ClientPortalStore, DEFAULT_NAME, Type};
use pgwire::error::{PgWireError, PgWireResult};
use pgwire::messages::PgWireBackendMessage;
use pgwire::messages::extendedquery::{
    Bind, BindComplete, Close, CloseComplete, Describe, Execute, Parse, ParseComplete, TARGET_TYPE_BYTE_PORTAL,
    TARGET_TYPE_BYTE_STATEMENT,
};

use super::super::errors::{error, of_query};
use super::super::parameters::value;
use super::super::rows::columns;
use super::super::statements::statements;
use super::{Conversation, Prepared};

/// Rows of a portal that are taken at once.
const FETCH_ROWS_MAX: i32 = 65_536;

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
                let (prepared, reader) = self.read_statement(statement).await?;
                self.execute(client, &prepared, Vec::new(), Format::UnifiedText, reader).await
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
pub(in crate::serve::postgres) struct Parser;

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
        match statements.pop() {
            Some(statement) => {
                let given: Vec<Option<Type>> = message.type_oids.iter().map(|oid| Type::from_oid(*oid)).collect();
                let prepared = self.prepare(statement, &given).await?;
                // One that cannot be prepared has no place among them.
                self.session().keep_statement(&name)?;
                let types = prepared.parameters.iter().cloned().map(Some).collect();
                let stored = StoredStatement::new(name, Arc::new(prepared), types);
                client.portal_store().put_statement(Arc::new(stored));
            }
            None => {
                self.session().keep_statement(&name)?;
                client.portal_store().put_empty_statement(&name);
            }
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
                let bound = Arc::new(Portal::try_new(&message, stored)?);
                self.session().keep_portal(portal)?;
                client.portal_store().put_portal(bound);
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
        self.execute(client, prepared, values, portal.result_column_format.clone(), None).await
    }
}
