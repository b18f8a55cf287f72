//! The loop: what the editor says, and what the looks at the configuration find.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, after, never, select};
use ls_types::{
    CompletionOptions, DidChangeTextDocumentParams, DidCloseTextDocumentParams, DidOpenTextDocumentParams,
    HoverProviderCapability, InitializeParams, LogMessageParams, MessageType, OneOf, ServerCapabilities,
    TextDocumentSyncCapability, TextDocumentSyncKind, TextDocumentSyncOptions,
};
use lsp_server::{Connection, ErrorCode, Message, Notification, Request, Response};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::answers::{Answers, refused};
use super::position::Encoding;
use super::worker::{self, Looked};
use super::workspace::{Buffer, Disk, Workspace, file_path};
use super::{Ended, LspError};

/// From a change to a look at the configuration: what is typed meanwhile is looked at together.
const DEBOUNCE: Duration = Duration::from_millis(150);

/// Root files of a workspace where nobody names one.
const ROOTS: [&str; 2] = ["config/readside.yaml", "readside.yaml"];

pub(super) struct Server<'a> {
    connection: &'a Connection,
    answers: Answers,
    watches: bool,
    jobs: Sender<Workspace>,
    results: Receiver<Looked>,
    /// When the next look is due; never where nothing has changed.
    due: Receiver<std::time::Instant>,
    is_looking: bool,
    /// Whether something has changed since the look began.
    is_stale: bool,
    has_looked: bool,
    /// Requests about what the next look will know.
    waiting: Vec<Request>,
    is_shut_down: bool,
}

impl<'a> Server<'a> {
    /// A server for the editor that says this of itself, and what it can do.
    pub(super) fn new(
        connection: &'a Connection,
        disk: Disk,
        config: Option<String>,
        params: &InitializeParams,
    ) -> Result<(Self, ServerCapabilities), LspError> {
        let (jobs, results) = worker::start().map_err(LspError::Thread)?;
        let general = params.capabilities.general.as_ref();
        let offered = general.and_then(|general| general.position_encodings.as_deref()).unwrap_or_default();
        let encoding = Encoding::chosen(offered);
        let of_workspace = params.capabilities.workspace.as_ref();
        let watching = of_workspace.and_then(|workspace| workspace.did_change_watched_files.as_ref());
        let roots = config.map_or_else(|| ROOTS.map(str::to_owned).to_vec(), |config| vec![config]);
        let mut workspace = Workspace { disk, folder: PathBuf::from("."), roots, buffers: BTreeMap::new() };
        workspace.choose_folder(folders(params));
        let server = Self {
            connection,
            answers: Answers::new(encoding, workspace),
            watches: watching.is_some_and(|watching| watching.dynamic_registration == Some(true)),
            jobs,
            results,
            due: never(),
            is_looking: false,
            is_stale: false,
            has_looked: false,
            waiting: Vec::new(),
            is_shut_down: false,
        };
        Ok((server, capabilities(encoding)))
    }

    /// Goes on until the editor says that it should exit, or is gone.
    pub(super) fn run(mut self) -> Ended {
        if self.watches {
            self.watch_files();
        }
        self.changed();
        let messages = &self.connection.receiver;
        loop {
            let (results, due) = (self.results.clone(), self.due.clone());
            select! {
                recv(messages) -> message => match message {
                    Ok(Message::Notification(notification)) if notification.method == "exit" => break,
                    Ok(Message::Notification(notification)) => self.notified(notification),
                    Ok(Message::Request(request)) => self.requested(request),
                    Ok(Message::Response(_)) => {}
                    Err(_) => break,
                },
                recv(results) -> looked => match looked {
                    Ok(looked) => self.looked(looked),
                    // The thread is gone, which only a fault of the system brings about.
                    Err(_) => self.results = never(),
                },
                recv(due) -> _ => self.look(),
            }
        }
        if self.is_shut_down { Ended::InOrder } else { Ended::Abruptly }
    }

    fn send(&self, message: impl Into<Message>) {
        // An editor that is gone ends the loop by its silence.
        let _ = self.connection.sender.send(message.into());
    }

    /// Asks the editor to say when files change that are not open in it.
    fn watch_files(&self) {
        let watchers = json!([{"globPattern": "**/*.yaml"}, {"globPattern": "**/*.yml"}]);
        let registration = json!({"id": "files", "method": "workspace/didChangeWatchedFiles",
            "registerOptions": {"watchers": watchers}});
        let params = json!({"registrations": [registration]});
        self.send(Request::new("files".to_owned().into(), "client/registerCapability".to_owned(), params));
    }

    /// Has the configuration looked at in a moment.
    fn changed(&mut self) {
        if self.is_looking {
            self.is_stale = true;
        } else {
            self.due = after(DEBOUNCE);
        }
    }

    fn look(&mut self) {
        self.due = never();
        self.is_looking = self.jobs.send(self.answers.workspace.clone()).is_ok();
        self.is_stale = false;
    }

    fn looked(&mut self, looked: Looked) {
        let is_first = !self.has_looked;
        (self.is_looking, self.has_looked) = (false, true);
        for params in self.answers.take(looked) {
            self.send(Notification::new("textDocument/publishDiagnostics".to_owned(), params));
        }
        if let Some(message) = self.answers.lacking().filter(|_| is_first) {
            let params = LogMessageParams { typ: MessageType::INFO, message };
            self.send(Notification::new("window/logMessage".to_owned(), params));
        }
        for request in std::mem::take(&mut self.waiting) {
            match self.answers.has_to_wait(&request) {
                true => self.waiting.push(request),
                false => self.send(self.answers.answer(request)),
            }
        }
        if self.is_stale {
            self.changed();
        }
    }

    fn notified(&mut self, notification: Notification) {
        let Notification { method, params } = notification;
        match method.as_str() {
            "textDocument/didOpen" => {
                let Some(DidOpenTextDocumentParams { text_document: open }) = read(params) else { return };
                let Some(path) = file_path(&open.uri) else { return };
                let buffer = Buffer { uri: open.uri, version: open.version, text: open.text.into() };
                self.answers.workspace.buffers.insert(path, buffer);
            }
            "textDocument/didChange" => {
                let Some(DidChangeTextDocumentParams { text_document, content_changes }) = read(params) else { return };
                let buffer =
                    file_path(&text_document.uri).and_then(|path| self.answers.workspace.buffers.get_mut(&path));
                // Each is the whole text, as was agreed.
                let (Some(buffer), Some(last)) = (buffer, content_changes.into_iter().next_back()) else { return };
                (buffer.version, buffer.text) = (text_document.version, last.text.into());
            }
            "textDocument/didClose" => {
                let Some(DidCloseTextDocumentParams { text_document }) = read(params) else { return };
                file_path(&text_document.uri).map(|path| self.answers.workspace.buffers.remove(&path));
            }
            "textDocument/didSave" | "workspace/didChangeWatchedFiles" => {}
            "$/cancelRequest" => {
                let id = &params["id"];
                let is_meant = |request: &Request| json!(request.id) == *id;
                if let Some(place) = self.waiting.iter().position(is_meant) {
                    let request = self.waiting.remove(place);
                    self.send(refused(request.id, ErrorCode::RequestCanceled, "cancelled"));
                }
                return;
            }
            _ => return,
        }
        self.changed();
    }

    fn requested(&mut self, request: Request) {
        match request.method.as_str() {
            _ if self.is_shut_down => {
                self.send(refused(request.id, ErrorCode::InvalidRequest, "the server is shut down"))
            }
            "shutdown" => {
                self.is_shut_down = true;
                for waiting in std::mem::take(&mut self.waiting) {
                    self.send(refused(waiting.id, ErrorCode::RequestCanceled, "the server is shut down"));
                }
                self.send(Response::new_ok(request.id, Value::Null));
            }
            "textDocument/completion" | "textDocument/hover" | "textDocument/definition"
                if self.answers.has_to_wait(&request) =>
            {
                self.waiting.push(request);
            }
            _ => self.send(self.answers.answer(request)),
        }
    }
}

/// What an editor says, if it says it as the protocol has it.
pub(super) fn read<T: DeserializeOwned>(params: Value) -> Option<T> {
    serde_json::from_value(params).ok()
}

fn capabilities(encoding: Encoding) -> ServerCapabilities {
    let sync = TextDocumentSyncOptions {
        open_close: Some(true),
        change: Some(TextDocumentSyncKind::FULL),
        save: Some(true.into()),
        ..TextDocumentSyncOptions::default()
    };
    ServerCapabilities {
        position_encoding: Some(encoding.kind()),
        text_document_sync: Some(TextDocumentSyncCapability::Options(sync)),
        completion_provider: Some(CompletionOptions {
            trigger_characters: Some(vec![".".to_owned()]),
            ..CompletionOptions::default()
        }),
        hover_provider: Some(HoverProviderCapability::Simple(true)),
        definition_provider: Some(OneOf::Left(true)),
        ..ServerCapabilities::default()
    }
}

/// The folders that are open in the editor.
fn folders(params: &InitializeParams) -> Vec<PathBuf> {
    let folders = params.workspace_folders.iter().flatten().filter_map(|folder| file_path(&folder.uri));
    #[expect(deprecated, reason = "older editors name one folder")]
    let root = params.root_uri.as_ref().and_then(file_path);
    folders.chain(root).collect()
}
