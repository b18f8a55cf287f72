//! What is answered: from the texts as they stand in the editor, and from what the last look at the configuration found.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;

use ls_types::{
    CompletionParams, GotoDefinitionParams, GotoDefinitionResponse, Hover, HoverContents, HoverParams, Location,
    MarkupContent, MarkupKind, PublishDiagnosticsParams, Range, TextDocumentPositionParams,
};
use lsp_server::{ErrorCode, Request, RequestId, Response};
use serde_json::{Value, json};

use super::completion::complete;
use super::document::FileKind;
use super::hover::Explained;
use super::known::Known;
use super::position::Encoding;
use super::published;
use super::server::read;
use super::worker::Looked;
use super::workspace::{Workspace, file_path};
use crate::config::{CASES_ENDING, Place, page};
use crate::plan::OfferedFunction;

/// The texts of the editor, and what is known.
pub(super) struct Answers {
    encoding: Encoding,
    pub(super) workspace: Workspace,
    /// The root file; none without a configuration.
    root: Option<PathBuf>,
    /// The files of the configuration, as far as they are known.
    files: BTreeSet<PathBuf>,
    /// The files that were open at the last look; none before the first.
    seen: Option<BTreeSet<PathBuf>>,
    published: BTreeMap<PathBuf, PublishDiagnosticsParams>,
    known: Known,
    /// Of the last time when nothing was wrong.
    cards: BTreeMap<String, String>,
    functions: Arc<Vec<OfferedFunction>>,
}

/// A text at a position.
struct Asked {
    text: Arc<str>,
    path: PathBuf,
    at: TextDocumentPositionParams,
    file: FileKind,
}

impl Answers {
    /// Nothing is known before the first look.
    pub(super) fn new(encoding: Encoding, workspace: Workspace) -> Self {
        Self {
            encoding,
            workspace,
            root: None,
            files: BTreeSet::new(),
            seen: None,
            published: BTreeMap::new(),
            known: Known::default(),
            cards: BTreeMap::new(),
            functions: Arc::default(),
        }
    }

    /// Takes what a look has found, and gives what the editor has to be told of it.
    pub(super) fn take(&mut self, looked: Looked) -> Vec<PublishDiagnosticsParams> {
        self.functions = looked.functions;
        let Some(analysis) = looked.analysis else {
            self.seen = Some(self.workspace.buffers.keys().cloned().collect());
            return Vec::new();
        };
        let changes = published::changes(&self.workspace, self.encoding, &analysis, &mut self.published);
        self.seen = Some(analysis.versions.into_keys().collect());
        let found: BTreeSet<PathBuf> = analysis.found.into_keys().collect();
        // While the settings have a fault it is not known which files there are.
        match analysis.is_complete || analysis.root.is_none() {
            true => self.files = found,
            false => self.files.extend(found),
        }
        let earlier = std::mem::replace(&mut self.known, analysis.known);
        match analysis.cards {
            Some(cards) => self.cards = cards,
            None => self.known.or_earlier(earlier),
        }
        self.root = analysis.root;
        changes
    }

    /// What is said of a workspace in which there is nothing to look at.
    pub(super) fn lacking(&self) -> Option<String> {
        let (folder, roots) = (self.workspace.folder.display(), self.workspace.roots.join(" and no "));
        self.root.is_none().then(|| format!("there is no {roots} in {folder}, so its files are left alone"))
    }

    /// Whether a request is about a file of which it is not known yet whether the configuration has it.
    pub(super) fn has_to_wait(&self, request: &Request) -> bool {
        let Some(seen) = &self.seen else { return true };
        let uri = request.params["textDocument"]["uri"].as_str().and_then(|uri| uri.parse().ok());
        let path = uri.as_ref().and_then(file_path);
        path.is_some_and(|path| {
            self.workspace.buffers.contains_key(&path) && !self.files.contains(&path) && !seen.contains(&path)
        })
    }

    pub(super) fn answer(&self, request: Request) -> Response {
        let Request { id, method, params } = request;
        // Whatever is written must not end the server.
        let answered = catch_unwind(AssertUnwindSafe(|| match method.as_str() {
            "textDocument/completion" => read(params).map(|params| self.completion(params)),
            "textDocument/hover" => read(params).map(|params| self.hover(params)),
            "textDocument/definition" => read(params).map(|params| self.definition(params)),
            _ => None,
        }));
        let is_known =
            ["completion", "hover", "definition"].iter().any(|known| method == format!("textDocument/{known}"));
        match answered {
            Ok(Some(answer)) => Response::new_ok(id, answer),
            Ok(None) if is_known => refused(id, ErrorCode::InvalidParams, "the parameters cannot be read"),
            Ok(None) => refused(id, ErrorCode::MethodNotFound, &format!("`{method}` is not answered here")),
            Err(_) => refused(id, ErrorCode::InternalError, "this text could not be looked at"),
        }
    }

    /// The text that is meant; none of a file that is not open, or is no part of the configuration.
    fn asked(&self, at: TextDocumentPositionParams) -> Option<Asked> {
        let path = file_path(&at.text_document.uri).filter(|path| self.files.contains(path))?;
        let text = self.workspace.buffers.get(&path)?.text.clone();
        let is_cases = path.to_string_lossy().ends_with(CASES_ENDING);
        let file = match self.root.as_ref() == Some(&path) {
            true => FileKind::Root,
            false if is_cases => FileKind::Cases,
            false => FileKind::Declarations,
        };
        Some(Asked { text, path, at, file })
    }

    fn completion(&self, params: CompletionParams) -> Value {
        let offered = self.asked(params.text_document_position).map(|Asked { text, at, file, .. }| {
            complete(&text, at.position, self.encoding, file, &self.known, &self.functions)
        });
        json!(offered.unwrap_or_default())
    }

    fn explained(&self) -> Explained<'_> {
        Explained { known: &self.known, functions: &self.functions, cards: &self.cards }
    }

    /// What is known of the word there, and the pages of the problems that are there.
    fn hover(&self, params: HoverParams) -> Value {
        let Some(asked) = self.asked(params.text_document_position_params) else { return Value::Null };
        let position = asked.at.position;
        let about = self.explained().hover(&asked.text, position, self.encoding, asked.file);
        let mut parts: Vec<String> = about.into_iter().collect();
        // Problems of an earlier text were at other places.
        let version = self.workspace.buffers.get(&asked.path).map(|buffer| buffer.version);
        let published = self.published.get(&asked.path).filter(|published| published.version == version);
        let problems = published.map(|published| published.diagnostics.as_slice());
        let mut codes: BTreeSet<String> = published::codes_at(problems.unwrap_or_default(), position);
        codes.extend(published::code_written(&asked.text, self.encoding.place(&asked.text, position)));
        parts.extend(codes.iter().filter_map(|code| page(code)).map(str::to_owned));
        if parts.is_empty() {
            return Value::Null;
        }
        let contents = MarkupContent { kind: MarkupKind::Markdown, value: parts.join("\n\n---\n\n") };
        json!(Hover { contents: HoverContents::Markup(contents), range: None })
    }

    fn definition(&self, params: GotoDefinitionParams) -> Value {
        let found = self.asked(params.text_document_position_params).and_then(|Asked { text, at, file, .. }| {
            self.location(&self.explained().definition(&text, at.position, self.encoding, file)?)
        });
        json!(found.map(GotoDefinitionResponse::Scalar))
    }

    fn location(&self, place: &Place) -> Option<Location> {
        let path = self.workspace.path(&place.file);
        let text = self.workspace.read(&place.file).ok()?;
        let (line, column) = (place.line.saturating_sub(1), place.column.saturating_sub(1));
        let position = |column| self.encoding.position(&text, line, column);
        let range = Range::new(position(column), position(column + place.length));
        Some(Location { uri: self.workspace.uri(&path)?, range })
    }
}

pub(super) fn refused(id: RequestId, code: ErrorCode, why: &str) -> Response {
    Response::new_err(id, code as i32, why.to_owned())
}
