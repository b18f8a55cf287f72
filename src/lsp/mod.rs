//! `readside lsp`: what editors are told of a configuration while it is written, in the Language Server Protocol.
//!
//! One thread answers what the editor asks, from the texts as they stand and from what was known last. Another one looks at the whole
//! configuration, as `readside validate` does; however long that takes, the first goes on.

mod analysis;
mod answers;
mod completion;
mod document;
mod hover;
mod known;
mod names;
mod position;
mod published;
mod server;
mod worker;
mod workspace;

use lsp_server::{Connection, ProtocolError};

use self::server::Server;
pub use self::workspace::Disk;

/// How the server ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The editor asked it to shut down, and then to exit.
    InOrder,
    /// The editor told it to exit, or went away, without that.
    Abruptly,
}

/// Why the server cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum LspError {
    #[error("what speaks here is no language client: {0}")]
    Protocol(#[from] ProtocolError),
    #[error("the first request of the editor cannot be read: {0}")]
    Initialize(#[from] serde_json::Error),
    #[error("cannot start a thread: {0}")]
    Thread(std::io::Error),
    #[error("what the editor sends cannot be read: {0}")]
    Stream(std::io::Error),
}

/// Serves the editor at standard input and output, until it is told to exit. `config` is the root file, relative to the workspace.
///
/// # Errors
/// If the editor does not speak the protocol, or no thread can be started.
pub fn serve(disk: Disk, config: Option<String>) -> Result<Ended, LspError> {
    let (connection, threads) = Connection::stdio();
    let (id, params) = connection.initialize_start()?;
    let params = serde_json::from_value(params)?;
    let (server, capabilities) = Server::new(&connection, disk, config, &params)?;
    let about = serde_json::json!({
        "capabilities": capabilities,
        "serverInfo": {"name": "readside", "version": env!("CARGO_PKG_VERSION")},
    });
    connection.initialize_finish(id, about)?;
    let ended = server.run();
    // What was answered last is written before the process ends.
    drop(connection);
    threads.join().map_err(LspError::Stream)?;
    Ok(ended)
}
