//! Who may use what: the rooms of the source tree, and what the code of each may name outside its tests.
//!
//! What is not listed for a room is forbidden to it, as far as [`WATCHED`] names it.

mod scan;

use std::path::Path;

use scan::Module;

/// A part of the source tree with its own rules.
struct Room {
    name: &'static str,
    /// The modules that it consists of, by the beginning of their path. The longest one counts.
    modules: &'static [&'static str],
    /// Other rooms that it may use. With a `::` only that item of it.
    rooms: &'static [&'static str],
    /// What of [`WATCHED`] it may use.
    outside: &'static [&'static str],
}

const ROOMS: &[Room] = &[
    // Pure: no tokio, clock, files or network.
    Room { name: "identity", modules: &["identity"], rooms: &[], outside: &["arrow"] },
    Room { name: "progress", modules: &["progress"], rooms: &[], outside: &[] },
    Room {
        name: "sql",
        modules: &["sql"],
        rooms: &["identity"],
        outside: &["arrow", "datafusion", "datafusion_functions_json", "serde", "serde_json"],
    },
    Room {
        name: "event",
        modules: &["event"],
        rooms: &["identity", "progress", "sql"],
        // An expression has to be analysed and simplified before it can be evaluated; no query runs here.
        outside: &["arrow", "datafusion"],
    },
    Room { name: "access", modules: &["access"], rooms: &[], outside: &["arrow", "datafusion", "serde_json"] },
    Room { name: "state", modules: &["state"], rooms: &[], outside: &["arrow"] },
    Room {
        name: "circuit",
        modules: &["circuit"],
        rooms: &["identity", "event", "state", "sql::cause"],
        outside: &["arrow", "datafusion"],
    },
    // Keeps DataFusion's operators from waiting for the task that runs the step.
    Room {
        name: "circuit, running operators",
        modules: &["circuit::unbudgeted"],
        rooms: &[],
        outside: &["tokio::task::unconstrained"],
    },
    Room {
        name: "lifecycle",
        modules: &["lifecycle"],
        rooms: &["identity", "event", "progress", "state"],
        outside: &["arrow"],
    },
    Room {
        name: "pipeline, one step",
        modules: &[
            "pipeline::continuation",
            "pipeline::engine",
            "pipeline::error",
            "pipeline::generation",
            "pipeline::intake",
            "pipeline::quota",
        ],
        rooms: &[
            "config",
            "identity",
            "event",
            "progress",
            "plan",
            "state",
            "circuit",
            "lifecycle",
            "read_model",
            "pipeline::continuation",
            "pipeline::error",
            "pipeline::generation",
            "pipeline::engine",
            "pipeline::intake",
            "pipeline::quota",
            // What a checkpoint keeps of a step, as data; the saver writes it.
            "checkpoint::Content",
            "checkpoint::DiskBytes",
            "checkpoint::Draft",
            "checkpoint::GenerationEntry",
            "checkpoint::HeldEntry",
            "checkpoint::IndexDraft",
            "checkpoint::KeptEntry",
            "checkpoint::OperatorEntry",
            "checkpoint::Pause",
            "checkpoint::PinnedFile",
            "checkpoint::SourceEntry",
            "checkpoint::errors_store",
            "checkpoint::held_store",
            "checkpoint::kept_parked_store",
            "checkpoint::store_prefix",
            "checkpoint::table_store",
            // Counts what it parks; nothing is read back.
            "telemetry",
        ],
        outside: &["arrow", "tracing"],
    },
    Room {
        name: "config",
        modules: &["config"],
        rooms: &["identity", "event", "progress"],
        // Whether an address is a loopback one.
        outside: &["saphyr_parser", "std::net::IpAddr"],
    },
    Room {
        name: "plan",
        modules: &["plan"],
        rooms: &["access", "config", "identity", "sql", "event", "progress", "state", "circuit"],
        outside: &["arrow", "datafusion"],
    },
    // What is known of a plan changes none, and is asked by all others.
    Room {
        name: "plan, facts",
        modules: &["plan::facts"],
        rooms: &["event", "plan::Scope", "plan::scope"],
        outside: &["arrow", "datafusion"],
    },
    Room {
        name: "plan, DataFusion",
        modules: &["plan::datafusion"],
        // Here and below: a refusal says of which kind it is.
        rooms: &["config::Code", "event", "plan::Refusal", "plan::Scope", "plan::facts", "plan::functions", "sql"],
        outside: &["arrow", "datafusion"],
    },
    Room {
        name: "plan, functions",
        modules: &["plan::functions"],
        rooms: &["circuit", "sql::register_functions"],
        outside: &["arrow", "datafusion"],
    },
    Room {
        name: "plan, rewriting",
        modules: &["plan::rewrite"],
        // An argument that is refused is told in words of SQL.
        rooms: &["config::Code", "event", "plan::Refusal", "plan::facts", "plan::functions", "sql::in_words"],
        outside: &["arrow", "datafusion"],
    },
    Room {
        name: "plan, decorrelation",
        modules: &["plan::decorrelate"],
        rooms: &["config::Code", "plan::Refusal", "plan::Scope", "plan::datafusion", "plan::facts"],
        outside: &["datafusion"],
    },
    Room {
        name: "plan, lowering",
        modules: &["plan::lower"],
        rooms: &[
            "circuit",
            "config::Code",
            "event",
            "identity",
            "progress",
            "plan::Refusal",
            "plan::Scope",
            "plan::facts",
            "plan::functions",
            "plan::scope",
            "sql",
        ],
        outside: &["arrow", "datafusion"],
    },
    // DataFusion's own operators want a runtime; nothing but tests and checks runs them over projections.
    Room {
        name: "plan, in batch",
        modules: &["plan::program::batch"],
        rooms: &["config::Code", "plan", "state::KeyShare"],
        outside: &["arrow", "datafusion", "tokio::runtime", "std::thread"],
    },
    // What reaches outside.
    Room {
        name: "source",
        modules: &["source"],
        rooms: &["config", "event", "progress", "telemetry::count_torn_batches"],
        outside: &["async_nats", "tokio", "tracing", "clock", "std::fs", "std::thread"],
    },
    Room {
        name: "read_model",
        modules: &["read_model"],
        rooms: &["access", "event", "progress", "state", "circuit", "lifecycle::Parked", "lifecycle::Step"],
        // Tantivy's own files, and the channel on which the catalog announces snapshots.
        outside: &["arrow", "datafusion", "tantivy", "std::fs", "tokio::sync"],
    },
    // A commit of an index has a thread of its own.
    Room {
        name: "read_model, commits of an index",
        modules: &["read_model::search::background"],
        rooms: &["progress", "read_model"],
        outside: &["std::thread"],
    },
    Room {
        name: "checkpoint",
        modules: &["checkpoint"],
        rooms: &[
            "identity",
            "event",
            "progress",
            "state",
            "config::StoreAccess",
            "lifecycle::Actor",
            "lifecycle::RolledBack",
        ],
        outside: &["arrow", "object_store", "tokio", "tracing", "clock", "std::fs", "std::process::id"],
    },
    // The client of object stores is given its TLS.
    Room {
        name: "checkpoint, object stores over HTTP",
        modules: &["checkpoint::remote"],
        rooms: &["checkpoint", "config::StoreAccess"],
        outside: &["object_store", "rustls"],
    },
    // What a build takes is given to it: sources and the loop are the builder's.
    Room {
        name: "pipeline, what is built beside",
        modules: &["pipeline::build"],
        rooms: &[
            // What was built becomes one with what runs.
            "circuit::share",
            "lifecycle",
            "progress",
            "read_model",
            "pipeline::engine",
            "pipeline::generation",
            "pipeline::intake",
        ],
        outside: &[],
    },
    Room {
        name: "pipeline",
        modules: &[
            "pipeline",
            "pipeline::build::builder",
            "pipeline::build::ground",
            "pipeline::build::keeping",
            "pipeline::build::kept",
            "pipeline::build::pace",
            "pipeline::build::reader",
            "pipeline::build::storing",
        ],
        rooms: &[
            "config",
            "identity",
            "event",
            "progress",
            "plan",
            "state",
            "circuit",
            "lifecycle",
            "read_model",
            "checkpoint",
            "source",
            "telemetry",
        ],
        // The folders of the search indexes are made here.
        outside: &["arrow", "tokio", "tracing", "clock", "std::fs", "std::thread"],
    },
    Room {
        name: "notice",
        modules: &["notice"],
        rooms: &[
            "config::Nats",
            "lifecycle::Parked",
            "progress",
            // What is parked by now, as readers see it.
            "read_model::ReadView",
            "read_model::catalog::Catalog",
            "read_model::catalog::Snapshot",
            "source::Publisher",
            "telemetry",
        ],
        outside: &["tokio", "tracing", "clock"],
    },
    // What is compared for it, and how many there may be.
    Room { name: "notice, what is new", modules: &["notice::difference"], rooms: &["lifecycle::Parked"], outside: &[] },
    Room { name: "notice, how many", modules: &["notice::ration"], rooms: &[], outside: &[] },
    Room { name: "priority", modules: &["priority"], rooms: &[], outside: &["tracing"] },
    Room {
        name: "query",
        modules: &["query"],
        // Declared queries and limits from the configuration; names and types of columns from `event`; how a session is
        // made so that its results are right, and what keeps a condition where it is written. Rows are reached through a
        // `ReadView` alone.
        rooms: &[
            "config",
            "event",
            "progress",
            "access",
            "read_model::NotServed",
            "read_model::OpenRelation",
            "read_model::OpenTable",
            "read_model::OrderedRead",
            "read_model::OrderedRows",
            "read_model::ReadView",
            "read_model::RelationRows",
            "read_model::RowsVersion",
            "read_model::SortColumn",
            "read_model::catalog::Catalog",
            // Handed through to a `ReadView`.
            "read_model::catalog::Snapshot",
            "read_model::search::FieldSpec",
            "read_model::search::SearchAnswer",
            "read_model::search::SearchError",
            "read_model::search::SearchRequest",
            "sql::cause",
            "sql::RelationKeys",
            "sql::over_relations",
            "sql::parse_statement",
            "plan::opaque",
            "plan::Refusal",
            "plan::numbered",
            "plan::readable",
            "plan::readers",
            "plan::rewrite_own_aggregates",
            "priority",
        ],
        outside: &["arrow", "datafusion", "datafusion_functions_json", "tokio", "tracing", "clock", "std::thread"],
    },
    Room {
        name: "telemetry",
        modules: &["telemetry"],
        rooms: &[
            "event",
            "lifecycle::GenerationId",
            "progress",
            "read_model::ReadView",
            "read_model::catalog::BuildState",
            "read_model::catalog::BuildStatus",
            "read_model::catalog::KeptState",
            "read_model::catalog::KeptStatus",
        ],
        outside: &["metrics", "metrics_exporter_prometheus", "tokio"],
    },
    // Collectors are asked for by variables, and sent to from threads of their own.
    Room {
        name: "telemetry, over OTLP",
        modules: &["telemetry::otlp"],
        rooms: &["telemetry", "tls"],
        outside: &[
            "opentelemetry",
            "opentelemetry_appender_tracing",
            "opentelemetry_http",
            "opentelemetry_otlp",
            "opentelemetry_proto",
            "opentelemetry_sdk",
            "prost",
            "tracing",
            "ureq",
            "clock",
            "std::env",
            "std::fs::read",
            "std::thread",
        ],
    },
    Room {
        name: "telemetry, spans",
        modules: &["telemetry::spans"],
        // A commit is linked with what its messages' headers say, and with nothing else of them.
        rooms: &["event::Headers", "event::Message"],
        outside: &["opentelemetry", "opentelemetry_sdk", "clock"],
    },
    Room {
        name: "telemetry, the log",
        modules: &["telemetry::logging"],
        rooms: &["telemetry"],
        outside: &["tracing_appender", "tracing_subscriber", "std::io::stderr"],
    },
    // Shared by those who ask others over HTTPS.
    Room { name: "tls", modules: &["tls"], rooms: &[], outside: &["rustls", "rustls_native_certs", "ureq::tls"] },
    // Writes texts from what is declared; the metrics in them are those of telemetry.
    Room { name: "generate", modules: &["generate"], rooms: &["config", "telemetry"], outside: &[] },
    // What a daemon needs, tried without one: by what the daemon itself asks with.
    Room {
        name: "check",
        modules: &["check"],
        rooms: &[
            "checkpoint::Manifest",
            "checkpoint::Place",
            "checkpoint::newest_manifest",
            "checkpoint::probe",
            "config",
            "event::Reason",
            // The files by which readers are known and the listener proves itself.
            "serve::auth::Gate",
            "serve::auth::keys_there",
            "serve::tls::faults",
            "source",
            "telemetry::memory_limit",
            "trial::ParkedBecause",
            "trial::Tap",
        ],
        // Addresses are tried by listening there, and whoever has one is asked who it is.
        outside: &["std::fs", "std::net", "ureq"],
    },
    // Asks the system how much memory there is, and when it starts.
    Room {
        name: "telemetry, the process",
        modules: &["telemetry::process"],
        rooms: &["telemetry"],
        outside: &["clock", "std::fs"],
    },
    Room {
        name: "serve",
        modules: &["serve"],
        rooms: &[
            "query",
            "progress",
            "telemetry",
            "config::Auth",
            "config::ConnectionLimits",
            "config::Cors",
            "config::Http",
            "config::PrincipalLimits",
            "config::Query",
            "config::QueryLimits",
            "event::JSON_MARK",
            // Shown to whoever has to mend what they do not fit.
            "event::Body",
            "event::Message",
            "event::Reason",
            "lifecycle::Action",
            "lifecycle::Actor",
            "lifecycle::Decision",
            "lifecycle::Parked",
            "lifecycle::ParkedFilter",
            "lifecycle::Step",
            // Handed through to `query`, or shown.
            "access",
            "read_model::ReadView",
            "read_model::catalog::Catalog",
            "read_model::catalog::ProjectionState",
            "read_model::catalog::ProjectionStatus",
            "read_model::search::Condition",
            "read_model::search::Cuts",
            "read_model::search::FieldKind",
            "read_model::search::Fusion",
            "read_model::search::Highlight",
            "read_model::search::Nearest",
            "read_model::search::Parts",
            "read_model::search::RangeCount",
            "read_model::search::SearchAnswer",
            "read_model::search::SearchFilter",
            "read_model::search::SearchRequest",
            "read_model::search::Snippet",
            "read_model::search::VectorPart",
            "read_model::search::WordsPart",
            "state::KeyShare",
        ],
        // Texts become values of a column's type. Connections that cannot be accepted, and limits of the system, are told.
        outside: &[
            "http_body",
            "hyper",
            "hyper_util",
            "rlimit",
            "tracing",
            "arrow::datatypes",
            "datafusion::common::ScalarValue",
            "axum",
            "base64",
            "metrics_exporter_prometheus",
            "tokio",
            "clock",
            "std::net",
        ],
    },
    // Shared by all protocols.
    Room {
        name: "serve, who may ask",
        modules: &["serve::auth"],
        rooms: &["access", "config::Auth", "config::Jwt", "serve::file_version", "serve::tls::Certified", "tls"],
        // Keys of others are asked for where they say.
        outside: &[
            "base64",
            "getrandom",
            "jsonwebtoken",
            "ring",
            "std::fs",
            "std::io",
            "tokio",
            "tracing",
            "clock",
            "ureq",
        ],
    },
    // The library has the messages; rows are written as PostgreSQL has them.
    Room {
        name: "serve, the PostgreSQL protocol",
        modules: &["serve::postgres"],
        rooms: &[
            "query",
            "progress::Freshness",
            "telemetry",
            "access::Caller",
            "config::Postgres",
            "event::JSON_MARK",
            "serve::audit",
            "serve::auth",
            "serve::byte_budget",
            "serve::connections",
            "serve::http::CurrentApi",
            "serve::json",
            "serve::tls",
        ],
        outside: &["arrow", "datafusion", "pgwire", "std::io", "std::net", "tokio", "tokio_util", "clock"],
    },
    // Shared by all protocols.
    Room {
        name: "serve, TLS",
        modules: &["serve::tls"],
        rooms: &["config::Tls", "serve::file_version"],
        outside: &["rustls", "std::io", "tokio", "tokio_rustls", "tracing", "clock", "x509_parser"],
    },
    // Files that are followed while the daemon runs.
    Room {
        name: "serve, versions of files",
        modules: &["serve::file_version"],
        rooms: &[],
        outside: &["std::fs", "std::io", "tokio"],
    },
    // Shared by the protocols that speak it.
    Room {
        name: "serve, JSON",
        modules: &["serve::json"],
        rooms: &["query", "event::JSON_MARK", "serve::answer_bytes"],
        outside: &["arrow", "datafusion::common::ScalarValue", "datafusion_functions_json"],
    },
    // Rows in any format; what stands around them is a protocol's.
    Room {
        name: "serve, formats of rows",
        modules: &["serve::formats"],
        rooms: &["query", "serve::answer_bytes", "serve::json"],
        outside: &["arrow"],
    },
    // Looks at payloads through `event`, and tries what it writes as the daemon would read it.
    Room { name: "infer", modules: &["infer"], rooms: &["config", "event", "progress"], outside: &["arrow"] },
    // What an author asks before anything runs: it is computed with what the daemon computes with.
    Room {
        name: "trial",
        modules: &["trial"],
        rooms: &[
            // A restart of a case is one from a checkpoint.
            "checkpoint::CheckpointError",
            "checkpoint::Checkpointer",
            "checkpoint::OpenError",
            "checkpoint::ReadStoresError",
            "checkpoint::Restored",
            "circuit::CircuitError",
            "circuit::OperatorReport",
            "circuit::ZBatch",
            "config",
            "event",
            "lifecycle::Parked",
            "pipeline::AssembleError",
            "pipeline::Assembly",
            "pipeline::Deltas",
            "pipeline::Engine",
            "pipeline::EngineError",
            "pipeline::Fetched",
            "pipeline::Generation",
            "pipeline::IndexRoot",
            "pipeline::Intake",
            "pipeline::Means",
            "pipeline::RowDifference",
            "pipeline::RowFault",
            "pipeline::Subject",
            "pipeline::Verified",
            "pipeline::assemble",
            "pipeline::begin",
            "pipeline::fresh",
            "plan",
            "progress",
            // What readers are answered is a part of a case.
            "query::Limits",
            "query::NamedRequest",
            "query::QueryError",
            "query::QueryService",
            "query::parse_value",
            "access",
            "read_model::ReadView",
            "read_model::catalog::Catalog",
            "read_model::catalog::RowErrorStatus",
            "read_model::search::SearchRequest",
            "read_model::table::TableSpec",
            "serve::json",
            "source",
            "state::KeyShare",
        ],
        outside: &["arrow", "chrono", "tempfile"],
    },
    // What an editor is told. Files come from whoever starts it, and what it says goes out by the protocol's library.
    Room {
        name: "lsp",
        modules: &["lsp"],
        rooms: &[
            "config",
            "event",
            "plan::FunctionKind",
            "plan::OfferedFunction",
            "plan::Program",
            "plan::ProjectionSchema",
            "plan::cards",
            "plan::offered_functions",
            "plan::program_so_far",
            "sql::Draft",
            "sql::Item",
            "sql::Relation",
            "sql::Select",
            "sql::Spot",
            "sql::Table",
            "sql::Wanted",
        ],
        // Types of columns, and the thread on which the configuration is looked at.
        outside: &["arrow::datatypes", "crossbeam_channel", "ls_types", "lsp_server", "std::thread"],
    },
    Room {
        name: "cli",
        modules: &["cli"],
        // `events` is JetStream as the event store, without a daemon; the other verbs ask one over HTTP or start it.
        rooms: &[
            // Who sees what, without a daemon.
            "access",
            "app",
            // Looked at and copied without a daemon.
            "checkpoint::CopyError",
            "checkpoint::Found",
            "checkpoint::Inspected",
            "checkpoint::Manifest",
            "checkpoint::Place",
            "checkpoint::copy",
            "checkpoint::inspect",
            "checkpoint::list",
            "config",
            "event",
            "progress",
            "source",
            // What validation says of a projection.
            "plan::Card",
            "plan::PlannedProjection",
            "plan::cards",
            "plan::program",
            "plan::Program",
            // What reads what.
            "plan::relations",
            "pipeline::LoopEnd",
            "check",
            "generate",
            "infer",
            "lsp",
            // Tokens are made here, and looked at there.
            "serve::auth::NewToken",
            "serve::auth::Role",
            "telemetry::Exports",
            "telemetry::start_logging",
            "tls",
            "trial",
        ],
        outside: &[
            "async_nats",
            "clap",
            "clap_complete",
            "clap_mangen",
            "indicatif",
            "jsonwebtoken",
            // The demo's own JetStream and checkpoints.
            "tempfile",
            "tokio",
            "tracing",
            "ureq",
            "clock",
            "std::env",
            "std::fs",
            "std::io",
            // Nobody else reads a new file of tokens.
            "std::os::unix::fs::OpenOptionsExt",
            "std::process",
            // Between looks at what a daemon builds.
            "std::thread::sleep",
            // The demo's own folder.
            "tempfile",
        ],
    },
    Room {
        name: "app",
        modules: &["app"],
        rooms: &[
            "checkpoint",
            "config",
            "identity",
            "lifecycle",
            "notice",
            "pipeline",
            "plan",
            "priority",
            "progress",
            "query",
            // How fresh readers find each projection is measured as it is for them.
            "access",
            "read_model::ReadView",
            "read_model::catalog::BuildState",
            "read_model::catalog::Catalog",
            "read_model::catalog::Snapshot",
            "serve",
            "source",
            "state::KeyShare",
            "telemetry",
        ],
        outside: &["tokio", "tracing", "clock", "std::env", "std::fs", "std::net", "std::process::id", "std::thread"],
    },
];

/// What reaches out of the process, shares threads, or decides how rows are represented.
const WATCHED: &[&str] = &[
    "clock",
    "std::env",
    "std::fs",
    "std::io::stderr",
    "std::io::stdin",
    "std::io::stdout",
    "std::net",
    "std::os",
    "std::process",
    "std::thread",
    "arrow",
    "async_nats",
    "axum",
    "clap",
    "clap_complete",
    "clap_mangen",
    "crossbeam_channel",
    "datafusion",
    "datafusion_functions_json",
    "getrandom",
    "http_body",
    "hyper",
    "hyper_util",
    "indicatif",
    "jsonwebtoken",
    "ls_types",
    "lsp_server",
    "metrics",
    "metrics_exporter_prometheus",
    "object_store",
    "opentelemetry",
    "opentelemetry_appender_tracing",
    "opentelemetry_http",
    "opentelemetry_otlp",
    "opentelemetry_proto",
    "opentelemetry_sdk",
    "pgwire",
    "prost",
    "ring",
    "rlimit",
    "rustls",
    "rustls_native_certs",
    "saphyr_parser",
    "tantivy",
    "tempfile",
    "tokio",
    "tokio_util",
    "tokio_rustls",
    "tracing",
    "tracing_appender",
    "tracing_subscriber",
    "ureq",
    "x509_parser",
];

/// Dependencies that any room may use: they compute, or only say how others do.
const FREE: &[&str] = &[
    "arc_swap",
    // Named for its feature, which writes schemas into manifests; Arrow's own name is watched.
    "arrow_schema",
    "async_trait",
    "base64",
    "bytes",
    "chrono",
    // Named for its feature, which counts Arrow's buffers; it is used as a part of DataFusion.
    "datafusion_execution",
    "flate2",
    "futures",
    "hashbrown",
    "levenshtein_automata",
    "md_5",
    // The allocator of the program, which `main.rs` alone names.
    "mimalloc",
    "num_bigint",
    "percent_encoding",
    // A map that forgets.
    "quick_cache",
    // Writes a report from what it is given.
    "quick_junit",
    "regex",
    // Named for its TLS, which object_store leaves to whoever uses it.
    "reqwest",
    "sha2",
    // Named for two calls: one gives a thread its priority, the other asks how much room is on a disk.
    "rustix",
    "serde",
    "serde_json",
    "serde_yaml",
    "strsim",
    // The trait of automata over its dictionaries, which reach nothing.
    "tantivy_fst",
    "thiserror",
    "unicode_normalization",
    "xxhash_rust",
    "zstd",
];

#[test]
fn every_room_uses_only_what_it_may() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let modules = scan::modules(&root.join("src"));
    assert!(modules.len() > 100, "only {} modules were found", modules.len());
    let mut wrong = Vec::new();
    for module in modules.iter().filter(|module| !module.path.is_empty()) {
        let file = module.file.strip_prefix(root).unwrap().display();
        let Some(room) = room(&module.path) else {
            wrong.push(format!("{file}:1: `{}` is in no room", module.path.join("::")));
            continue;
        };
        for (line, what) in offences(room, module) {
            wrong.push(format!("{file}:{line}: room `{}` may not use `{what}`", room.name));
        }
    }
    let table = "either use it elsewhere or allow it in tests/it/rooms.rs, with a reason";
    assert!(wrong.is_empty(), "{}\n{table}", wrong.join("\n"));
}

#[test]
fn every_dependency_is_watched_or_free() {
    let manifest = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")).unwrap();
    let section = manifest.split("\n[").find_map(|section| section.strip_prefix("dependencies]\n")).unwrap();
    let names = section.lines().filter_map(|line| Some(line.split_once(" = ")?.0.replace('-', "_")));
    let unknown: Vec<String> =
        names.filter(|name| !WATCHED.contains(&name.as_str()) && !FREE.contains(&name.as_str())).collect();
    assert_eq!(unknown, [""; 0], "add them to WATCHED or to FREE");
}

#[test]
fn a_breach_is_found_and_named() {
    let code = scan::code(
        "use std::{fs, sync::Arc};\n// use tokio::spawn;\nfn now() { \"crate::serve\"; Instant::now(); }\n\
         pub(super) use super::super::config::{\n    Config, Source,\n};\n#[cfg(test)]\nmod tests {\n    use tokio::test;\n}\n\
         fn later() -> tokio::time::Sleep {}\n",
    );
    let path: Vec<String> = ["event", "decode"].map(str::to_owned).into();
    let named = scan::named(&code, &path);
    let module = Module { file: "src/event/decode.rs".into(), path, named };
    let room = room(&module.path).unwrap();
    let offences: Vec<String> =
        offences(room, &module).into_iter().map(|(line, what)| format!("{line} {what}")).collect();
    let expected =
        ["1 std::fs", "3 Instant::now", "5 crate::config::Config", "5 crate::config::Source", "11 tokio::time::Sleep"];
    assert_eq!(offences, expected);
}

#[test]
fn rows_are_reached_through_a_view_alone() {
    let hidden = [
        "read_model::catalog::Relation",
        "read_model::catalog::RelationData",
        "read_model::search::SearchSnapshot",
        "read_model::table::TableSnapshot",
    ];
    for reader in ["query::session", "serve::http::tables", "serve::json", "telemetry", "cli::query", "app"] {
        let path: Vec<String> = reader.split("::").map(str::to_owned).collect();
        let used: String = hidden.iter().map(|item| format!("use crate::{item};\n")).collect();
        let module = Module { file: reader.into(), named: scan::named(&scan::code(&used), &path), path };
        let offences = offences(room(&module.path).unwrap(), &module);
        assert_eq!(offences.len(), hidden.len(), "{reader}: {offences:?}");
    }
}

fn room(module: &[String]) -> Option<&'static Room> {
    let path = module.join("::");
    let of = |room: &'static Room| {
        let own = room.modules.iter().filter(|own| begins_with(&path, own));
        own.map(|own| (own.len(), room)).max_by_key(|(length, _)| *length)
    };
    ROOMS.iter().filter_map(of).max_by_key(|(length, _)| *length).map(|(_, room)| room)
}

/// What a module names and may not, with its line.
fn offences(room: &Room, module: &Module) -> Vec<(usize, String)> {
    let allowed = |path: &str| {
        if let Some(own) = path.strip_prefix("crate::") {
            let is_room = ROOMS.iter().any(|room| room.modules.iter().any(|module| begins_with(own, module)));
            // What surrounds a room is named where something is visible in it.
            let surrounds = room.modules.iter().any(|module| begins_with(module, own));
            return !is_room || surrounds || room.modules.iter().chain(room.rooms).any(|rule| begins_with(own, rule));
        }
        let watched = WATCHED.iter().any(|watched| begins_with(path, watched));
        !watched || room.outside.iter().any(|rule| begins_with(path, rule))
    };
    let offending = module.named.iter().filter(|named| !allowed(&spelled(&named.segments)));
    offending.map(|named| (named.line, named.segments.join("::"))).collect()
}

/// The path as rules spell it: whoever asks what time it is uses the `clock`.
fn spelled(segments: &[String]) -> String {
    let tail = segments.len().saturating_sub(2);
    match &segments[tail..] {
        [clock, now] if now == "now" && ["Instant", "SystemTime", "Utc", "Local"].contains(&clock.as_str()) => {
            "clock".to_owned()
        }
        _ => segments.join("::"),
    }
}

fn begins_with(path: &str, rule: &str) -> bool {
    path.strip_prefix(rule).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}
