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
use super::catalog::{self, Catalog};
use super::errors::{fatal, of_query};
use super::messages::Known;
use super::session::Session;
use super::settings::SERVER_VERSION;
use super::statements::Statement;
use super::types::postgres_type;
use crate::access::Caller;
use crate::query::{ErrorKind, ParsedQuery, QueryError, SystemTables};
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

    /// Who reads, by what its token is worth now.
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
}
