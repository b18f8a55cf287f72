//! One client: who it is, and what it prepares. What it gets is in [`run`]; how the library asks for it, in the other two.

mod handlers;
mod run;
mod startup;

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow::datatypes::{DataType, Field, SchemaRef};
use pgwire::api::Type;
use pgwire::error::{PgWireError, PgWireResult};

use self::run::shown_schema;
use super::Door;
use super::catalog::{self, Catalog, Question};
use super::errors::{fatal, of_query};
use super::messages::Known;
use super::session::Session;
use super::settings::SERVER_VERSION;
use super::statements::Statement;
use super::types::postgres_type;
use crate::access::Caller;
use crate::query::{ColumnNames, ErrorKind, ParsedQuery, QueryError};
use crate::serve::audit::Asking;
use crate::serve::auth::{Denied, Identity};
use crate::serve::tls::Certified;

/// What the audit log calls this door.
const ROUTE: &str = "postgres";

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

/// Who runs a statement, looked at once for each.
struct Reader {
    identity: Identity,
    caller: Caller,
}

/// What a query reads.
#[derive(Debug)]
enum Asked {
    /// Rows of relations.
    Relations(ParsedQuery, ColumnNames),
    /// What there is.
    Catalog(Arc<Question>),
}

impl Asked {
    fn question(&self) -> Option<Arc<Question>> {
        match self {
            Asked::Relations(..) => None,
            Asked::Catalog(question) => Some(question.clone()),
        }
    }

    /// The columns of an answer as the client knows them.
    fn told(&self, schema: &SchemaRef) -> SchemaRef {
        match self {
            Asked::Relations(_, names) => names.of(schema),
            Asked::Catalog(question) => question.typed(&question.names.of(schema)),
        }
    }
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

    /// Who reads, by what its token is worth now.
    fn reader(&self) -> PgWireResult<Reader> {
        let token = self.session().token.clone();
        let identity = self.identity(token.as_deref()).map_err(|denied| fatal("28000", denied.to_string()))?;
        let caller = identity.caller(self.peer.is_loopback());
        Ok(Reader { identity, caller })
    }

    /// An error as its client gets it. That something was denied is told.
    fn refused(&self, identity: &Identity, error: QueryError) -> PgWireError {
        if error.kind == ErrorKind::Denied {
            let asking = Asking { relation: error.relation.clone(), ..self.asking(Some(identity)) };
            self.door.audit.denied(&asking, error.kind.label());
        }
        of_query(error)
    }

    /// A statement that is run as it is, and who runs it if it reads. What is in it is looked at when it runs.
    async fn read_statement(&self, statement: Statement) -> PgWireResult<(Prepared, Option<Reader>)> {
        let (query, reader) = match statement.query() {
            Some(sql) => {
                let reader = self.reader()?;
                (Some((self.asked(sql, &reader.caller).await?, None)), Some(reader))
            }
            None => (None, None),
        };
        Ok((Prepared { statement, query, parameters: Vec::new() }, reader))
    }

    /// A statement with what it needs and gives, as far as the client has not said it.
    ///
    /// # Errors
    /// If the SQL cannot be planned for this client.
    async fn prepare(&self, statement: Statement, given: &[Option<Type>]) -> PgWireResult<Prepared> {
        let (mut prepared, reader) = self.read_statement(statement).await?;
        let Some(Reader { identity, caller }) = reader else { return Ok(prepared) };
        let Some((asked, described)) = &mut prepared.query else { return Ok(prepared) };
        let service = self.door.api.now().service().clone();
        let found = match asked {
            Asked::Catalog(question) => service.describe_system(caller, &question.system, question.sql.clone()).await,
            Asked::Relations(parsed, _) => service.describe(caller, parsed).await,
        };
        let found = found.map_err(|error| self.refused(&identity, error))?;
        let needed = found.parameters.iter().enumerate().map(|(place, needed)| {
            let of_field = |data_type: &DataType| postgres_type(&Field::new("parameter", data_type.clone(), true));
            let said = given.get(place).cloned().flatten().filter(|of| *of != Type::UNKNOWN);
            said.or_else(|| needed.as_ref().map(of_field)).unwrap_or(Type::TEXT)
        });
        prepared.parameters = needed.collect();
        *described = Some(asked.told(&found.schema));
        Ok(prepared)
    }

    async fn asked(&self, sql: &str, caller: &Caller) -> PgWireResult<Asked> {
        if let Some(question) = self.question(sql, caller).await? {
            return Ok(Asked::Catalog(Arc::new(question)));
        }
        let parsed = self.door.api.now().service().parse_named(sql.to_owned()).await;
        let (parsed, names) = parsed.map_err(of_query)?;
        Ok(Asked::Relations(parsed, names))
    }

    /// A text that asks what there is, and the tables that have it; None of one that asks for rows.
    async fn question(&self, sql: &str, caller: &Caller) -> PgWireResult<Option<Question>> {
        if !catalog::may_ask(sql) {
            return Ok(None);
        }
        let (user, settings) = {
            let session = self.session();
            (session.user.clone(), session.settings.all().map(|(name, value)| (name.to_owned(), value)).collect())
        };
        let service = self.door.api.now().service().clone();
        let asked = service.of_shapes(caller.clone(), sql.to_owned(), move |relations, sql| {
            Ok(Catalog::of(&relations, &user, SERVER_VERSION, settings)?.question(sql))
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
}
