//! The checked configuration. Its readers need not check it again; only SQL is still text.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::code::Code;
use crate::event::{DataType, FieldType, SourceSchema};
use crate::identity::{Identity, Specification};
use crate::progress::Slo;

/// The whole configuration of a daemon, checked.
#[derive(Debug, Clone)]
pub struct Config {
    pub nats: Option<Nats>,
    /// Checkpoints: a local path (already resolved against the config's folder) or an object-store URL.
    pub data_dir: String,
    /// How that is reached, if it is an object store.
    pub object_store: StoreAccess,
    /// The paths of the root file as they are written, by key.
    pub written_paths: BTreeMap<&'static str, String>,
    pub commit: Commit,
    pub search_commit: Duration,
    pub checkpoint_interval: Duration,
    pub http: Http,
    pub metrics_listen: String,
    /// For probes alone; none if they come over `http`.
    pub health_listen: Option<String>,
    /// None: nobody reads over the PostgreSQL protocol.
    pub postgres: Option<Postgres>,
    pub auth: Auth,
    pub parked: ParkedLimits,
    /// The NATS subject on which it is told that events were parked; none if nobody is told.
    pub parked_notify: Option<String>,
    pub limits: QueryLimits,
    /// From how many bytes of state on nothing more is built; none if nobody says so.
    pub state_limit: Option<u64>,
    pub verify: Verification,
    /// When what is built takes the place of what serves, where a projection does not say it.
    pub promotion: Option<Promotion>,
    /// For how long what was replaced is kept, where a projection does not say it. Zero keeps nothing.
    pub keep: Duration,
    pub sources: Vec<Source>,
    pub projections: Vec<Projection>,
    pub queries: Vec<Query>,
    pub policies: Vec<Policy>,
    /// The policies of every relation that is not public.
    pub required_policies: Vec<String>,
}

/// How projections are recomputed in batch and compared with their rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verification {
    /// Between two turns, each of one projection after the other; none if nothing is verified by itself.
    pub every: Option<Duration>,
    /// Shares that the keys of a projection are divided into; a turn looks at one of them.
    pub shares: u32,
    /// Bytes of events that a verification holds at the same time.
    pub memory_bytes: usize,
}

/// How servers of NATS are reached.
#[derive(Clone, PartialEq, Eq)]
pub struct Nats {
    /// Where the rest comes from, as far as the configuration does not say it.
    pub context: Option<NatsContext>,
    /// At least one.
    pub urls: Vec<String>,
    pub user: Option<String>,
    pub password: Option<String>,
    pub token: Option<String>,
    pub credentials_file: Option<PathBuf>,
    pub nkey_file: Option<PathBuf>,
    /// The text of a `.creds` file, which a context may have in the place of a file.
    pub credentials: Option<String>,
    /// The seed of an NKey, in the same way.
    pub nkey: Option<String>,
    /// A JSON Web Token of a user who need not prove to have a key.
    pub bearer_jwt: Option<String>,
    pub jetstream_domain: Option<String>,
    /// Where JetStream's API is imported from another account; not together with a domain.
    pub jetstream_api_prefix: Option<String>,
    /// What the subjects of answers begin with, in the place of `_INBOX`.
    pub inbox_prefix: Option<String>,
    pub tls: NatsTls,
}

/// A context of the command line tool `nats`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NatsContext {
    /// Its name, or a path that is already resolved against the config's folder.
    pub name: String,
    /// Its file.
    pub path: String,
    /// Whether it says who the daemon is, and not the configuration.
    pub authenticates: bool,
}

/// How the server of NATS proves itself, and this client to it. Paths are already resolved against the config's folder.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NatsTls {
    /// A PEM file of authorities, in place of the system's.
    pub ca: Option<PathBuf>,
    /// A PEM file of the client's certificate, together with its key.
    pub certificate: Option<PathBuf>,
    pub key: Option<PathBuf>,
    /// Whether TLS begins before the server says anything.
    pub first: bool,
}

/// How an object store is reached. What is not said here comes from the environment.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct StoreAccess {
    /// Another server than the provider's own.
    pub endpoint: Option<String>,
    /// Whether it may be reached without TLS.
    pub allow_http: bool,
    pub region: Option<String>,
    pub access_key_id: Option<String>,
    pub secret_access_key: Option<String>,
    pub session_token: Option<String>,
    /// The text of a key of a service account of Google's.
    pub service_account: Option<String>,
    /// The storage account of Azure's.
    pub account: Option<String>,
    pub account_key: Option<String>,
    /// Of one request.
    pub timeout: Option<Duration>,
}

/// Keys and tokens are never shown.
impl fmt::Debug for StoreAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreAccess").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

#[derive(Debug, Clone)]
pub struct Commit {
    /// Longest that a commit gathers what keeps arriving.
    pub max_delay: Duration,
    /// Most messages that it gathers.
    pub max_events: usize,
}

/// Who may ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Auth {
    /// The file of bearer tokens. None: nobody needs one.
    pub tokens: Option<PathBuf>,
    /// Whose JSON Web Tokens are taken. None: nobody's.
    pub jwt: Option<Jwt>,
    /// Whether certificates of clients say who they are.
    pub mtls: Option<Mtls>,
    /// Whether who has no token may read.
    pub anonymous: bool,
}

/// Certificates of clients, by an authority that the listener trusts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mtls {
    /// SPIFFE IDs, and common names of subjects without one, that administer.
    pub admins: Vec<String>,
}

/// What a listener proves itself by. Paths are already resolved against the config's folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// A PEM file of the certificate and those between it and its authority.
    pub certificate: PathBuf,
    /// A PEM file.
    pub key: PathBuf,
    /// A PEM file of the authorities of clients. None: no client is asked for a certificate.
    pub client_ca: Option<PathBuf>,
}

/// Which JSON Web Tokens are taken, and what they say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Jwt {
    /// A JSON Web Key Set: a path (already resolved against the config's folder) or a URL.
    pub keys: String,
    /// `iss` is one of these. Empty: it is not looked at.
    pub issuers: Vec<String>,
    /// `aud` is one of these. Empty: a token that has one is not taken.
    pub audiences: Vec<String>,
    /// By how much clocks may differ.
    pub leeway: Duration,
    /// The claim that has the roles.
    pub roles: String,
    /// The role whose holders administer. None: no token's holder does.
    pub admin_role: Option<String>,
}

/// The listener for readers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Http {
    pub listen: String,
    /// Names that readers may reach a loopback listener by, beside those that no stranger can point at it.
    pub hosts: Vec<String>,
    /// None: pages of no other origin.
    pub cors: Option<Cors>,
    /// None: without TLS.
    pub tls: Option<Tls>,
    pub connections: ConnectionLimits,
    /// Of all answers together that are rendered and not yet taken.
    pub answer_bytes: usize,
}

/// The listener for those who read as from PostgreSQL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Postgres {
    pub listen: String,
    /// None: without TLS.
    pub tls: Option<Tls>,
    pub connections: ConnectionLimits,
}

/// Pages of which other origins a browser lets read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cors {
    /// As browsers write them; or `*` alone, for all.
    pub origins: Vec<String>,
    /// How long a browser need not ask again whether a page may.
    pub max_age: Duration,
}

impl Cors {
    pub fn allows_any(&self) -> bool {
        self.origins.iter().any(|origin| origin == "*")
    }
}

/// What the connections of a listener may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionLimits {
    pub max: usize,
    pub max_per_peer: usize,
    /// From the first byte of a request to the end of its head; a new connection has as long for the whole.
    pub header_timeout: Duration,
    /// From the head of a request to the end of its body.
    pub body_timeout: Duration,
    /// Between requests.
    pub idle_timeout: Duration,
    /// For each part of an answer to be taken.
    pub write_timeout: Duration,
}

/// At either limit the source halts.
#[derive(Debug, Clone)]
pub struct ParkedLimits {
    pub max_events: usize,
    pub max_bytes: usize,
}

impl Default for ParkedLimits {
    fn default() -> Self {
        Self { max_events: 10_000, max_bytes: 64 << 20 }
    }
}

/// Limits of one query, and of all together.
#[derive(Debug, Clone)]
pub struct QueryLimits {
    pub max_rows: usize,
    pub memory_bytes: usize,
    pub timeout: Duration,
    pub concurrency: usize,
    /// A filter that no index serves is refused on a table of more rows.
    pub scan_limit: usize,
    /// Of the answers that are kept; 0 keeps none.
    pub result_cache_bytes: usize,
    pub per_principal: PrincipalLimits,
}

/// How much one principal may ask; none is no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PrincipalLimits {
    pub requests_per_second: Option<usize>,
    pub concurrent: Option<usize>,
}

#[derive(Debug, Clone)]
pub struct Source {
    pub schema: SourceSchema,
    /// By the name of an event type, the paths of its sensitive fields. Nothing is computed otherwise because of them, so they are no part of
    /// the schema.
    pub sensitive: BTreeMap<String, Vec<Vec<String>>>,
    pub input: SourceKind,
    pub node: NodePath,
    /// The document that declares it, as it is written; none where that is not known.
    pub text: Option<Arc<str>>,
}

impl Source {
    /// Of everything that decides which messages are admitted, with which values. A file is known by its content, which
    /// the source looks at when it opens it, so its path does not count: files are moved.
    pub fn identity(&self) -> Identity {
        let specification = match &self.input {
            SourceKind::JetStream { stream, filter_subjects } => {
                let filters: BTreeSet<&String> = filter_subjects.iter().collect();
                let stream = Specification::of("jetstream/1").text(stream);
                stream.list(filters.into_iter(), |specification, filter| specification.text(filter))
            }
            SourceKind::File { lines, .. } => Specification::of("file/2").text(lines.name()),
        };
        self.schema.specify(specification).finish()
    }

    /// The same, whatever event types there are.
    pub fn identity_but_types(&self) -> Identity {
        let schema = SourceSchema { types: Vec::new(), ..self.schema.clone() };
        Source { schema, ..self.clone() }.identity()
    }
}

#[derive(Debug, Clone)]
pub enum SourceKind {
    JetStream {
        stream: String,
        filter_subjects: Vec<String>,
    },
    File {
        path: PathBuf,
        /// The path as it is written: where the configuration lies elsewhere it is resolved to another one.
        written: String,
        follow: bool,
        lines: LineFormat,
    },
}

/// What a line of a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LineFormat {
    /// A message if it has no members but those of one, else a payload.
    #[default]
    Auto,
    /// A message: `{"subject", "headers", "data", "published_at"}`.
    Message,
    /// A payload as a whole.
    Payload,
    /// A CloudEvent in structured mode.
    CloudEvents,
}

impl LineFormat {
    pub(crate) const ALL: [(&'static str, LineFormat); 4] = [
        ("auto", LineFormat::Auto),
        ("message", LineFormat::Message),
        ("payload", LineFormat::Payload),
        ("cloudevents", LineFormat::CloudEvents),
    ];

    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            LineFormat::Auto => "auto",
            LineFormat::Message => "message",
            LineFormat::Payload => "payload",
            LineFormat::CloudEvents => "cloudevents",
        }
    }
}

#[derive(Debug, Clone)]
pub struct Projection {
    pub name: String,
    pub kind: ProjectionKind,
    pub owner: Option<String>,
    pub sql: String,
    /// The columns that tell its rows apart, none for a table of one row. None where the SQL is to prove them.
    pub key: Option<Vec<String>>,
    /// Tables only: what becomes of rows that are equal; none where the key tells all rows apart.
    pub duplicates: Option<Duplicates>,
    pub indexes: Vec<Vec<String>>,
    /// The output contract: columns that must come out with exactly this type.
    pub columns: BTreeMap<String, FieldType>,
    pub on_stale: OnStale,
    /// What is promised of its freshness.
    pub slo: Option<Slo>,
    /// Search only: how each column is indexed. Columns not named are stored only.
    pub fields: BTreeMap<String, SearchField>,
    /// Search only: words that mean the same in free text.
    pub synonyms: Vec<Vec<String>>,
    /// Search only: words of free text that need not be found.
    pub stop_words: StopWords,
    /// Its own policies, beside those of every relation.
    pub policies: Vec<String>,
    /// What is seen in the place of columns, in SQL.
    pub masks: BTreeMap<String, String>,
    /// Whether everybody sees all of it, whatever is required of others.
    pub is_public: bool,
    /// Most bytes of state before it fails.
    pub state_limit: u64,
    /// When what is built of it takes the place of what serves; none where that follows from what has changed.
    pub promotion: Option<Promotion>,
    /// For how long what was replaced is kept; none for as long as the configuration says.
    pub keep: Option<Duration>,
    pub node: NodePath,
    /// The document that declares it, as it is written; none where that is not known.
    pub text: Option<Arc<str>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProjectionKind {
    Table,
    Search,
    View,
}

/// What becomes of rows that are equal in all columns. Each kind names the column that it adds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Duplicates {
    /// One row stays, with how many there are.
    Count(String),
    /// Every row stays, numbered from 1 among its equals.
    Number(String),
}

/// When what was built takes the place of what serves. Of what is built together the strictest counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Promotion {
    /// As soon as it stands at the live cut.
    Auto,
    /// Once it stands there, if its rows are the same.
    WhenEqual,
    /// When a person says so.
    Manual,
}

impl Promotion {
    /// As they are written.
    pub(super) const ALL: [(&'static str, Promotion); 3] =
        [("auto", Promotion::Auto), ("when-equal", Promotion::WhenEqual), ("manual", Promotion::Manual)];
}

/// What becomes of an answer from a source that is catching up, disconnected or halted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnStale {
    /// Say so in the answer.
    Mark,
    /// Refuse the answer.
    Refuse,
}

/// How a column of a search projection is indexed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchField {
    pub kind: SearchKind,
    /// How much a match counts, from 1 to 100.
    pub weight: u8,
    /// Can be sorted by.
    pub sort: bool,
    /// Counted per value in answers.
    pub facet: bool,
}

/// Words that need not be found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StopWords {
    None,
    /// The list of a language, by its English name.
    Of(String),
    Words(Vec<String>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SearchKind {
    /// Tokenised full text. The tokenizer is one of the search index's.
    Text { tokenizer: String },
    /// One exact term.
    Keyword,
    /// Only kept, or only sorted by.
    Stored,
    /// Found by how near it is to a vector of so many dimensions.
    Vector { dimensions: usize, distance: Distance },
}

/// How far apart two vectors are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Distance {
    /// One less the cosine of the angle between them.
    Cosine,
    /// The length of the straight line between them.
    L2,
    /// Their dot product, negated: the greater it is, the nearer they are.
    Dot,
}

#[derive(Debug, Clone)]
pub struct Query {
    pub name: String,
    pub params: BTreeMap<String, QueryParam>,
    pub sql: String,
    /// Column and whether it descends.
    pub sort: Vec<(String, bool)>,
    pub page_default: usize,
    pub page_max: usize,
    pub node: NodePath,
}

#[derive(Debug, Clone)]
pub struct QueryParam {
    pub param_type: DataType,
    pub required: bool,
    pub default: Option<serde_json::Value>,
}

#[derive(Debug, Clone)]
pub struct Policy {
    pub name: String,
    pub row_filter: String,
    pub node: NodePath,
}

/// A place in the configuration: which document of which file, and the JSON pointer of the YAML node within it
/// (`/sql`, `/events/OrderPlaced/history/1/to_next/set/total`).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NodePath {
    pub file: String,
    /// The document's place in the file, from 0.
    pub document: usize,
    pub pointer: String,
}

impl NodePath {
    /// The node at `pointer` below this one.
    pub fn below(&self, pointer: &str) -> NodePath {
        NodePath { pointer: format!("{}{pointer}", self.pointer), ..self.clone() }
    }
}

/// Something wrong with the configuration, before its place is turned into line and column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub code: Code,
    pub node: NodePath,
    /// Line and column within the node's text, both from 1, for SQL.
    pub within: Option<(u64, u64)>,
    pub message: String,
    pub hint: Option<String>,
}

impl Nats {
    /// A server without credentials.
    pub fn at(url: &str) -> Self {
        Self {
            context: None,
            urls: vec![url.to_owned()],
            user: None,
            password: None,
            token: None,
            credentials_file: None,
            nkey_file: None,
            credentials: None,
            nkey: None,
            bearer_jwt: None,
            jetstream_domain: None,
            jetstream_api_prefix: None,
            inbox_prefix: None,
            tls: NatsTls::default(),
        }
    }

    /// What the subjects of JetStream's API begin with.
    pub fn api_prefix(&self) -> String {
        match (&self.jetstream_api_prefix, &self.jetstream_domain) {
            (Some(prefix), _) => prefix.clone(),
            (None, Some(domain)) => format!("$JS.{domain}.API"),
            (None, None) => "$JS.API".to_owned(),
        }
    }
}

/// Passwords, tokens and keys are never shown, and a URL may have one.
impl fmt::Debug for Nats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Nats").field("context", &self.context).field("tls", &self.tls).finish_non_exhaustive()
    }
}
