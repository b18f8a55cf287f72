//! The log: on standard error, and over OTLP where that is exported.

use std::io::IsTerminal;

use tracing_appender::non_blocking::WorkerGuard;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt};

use super::Exports;

/// Of the libraries only what needs somebody's attention.
const LEVELS: &str = "info,async_nats=warn,tantivy=warn";

/// `RUST_LOG` overrides the levels. Lines are written by a thread of their own: where they go may be gone, full, or not read,
/// and the daemon goes on all the same, without the lines that find no room. They are written out when the guard goes.
pub fn start_logging(json: bool, exports: &Exports) -> WorkerGuard {
    let (writer, guard) = tracing_appender::non_blocking(std::io::stderr());
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(LEVELS));
    let lines = fmt::layer().with_writer(writer).with_target(false).log_internal_errors(false);
    let lines = lines.with_ansi(std::io::stderr().is_terminal());
    let lines: Box<dyn Layer<Registry> + Send + Sync> = if json { lines.json().boxed() } else { lines.boxed() };
    tracing_subscriber::registry().with(lines.and_then(exports.log_layer()).with_filter(filter)).init();
    exports.warn_of_unread();
    guard
}
