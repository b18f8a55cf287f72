//! From the root file to the whole configuration: reads all files, checks all documents, reports all problems at once.

use std::sync::Arc;

use super::checked::{Config, Nats, Policy, Projection, Query, Source, SourceKind};
use super::code::Code;
use super::diagnostic::{Diagnostic, Mark, Report, Severity, at};
use super::nats::NATS_DEFAULT;
use super::paths::{Files, expand, folder_of};
use super::place::Places;
use super::projection::projection;
use super::query::{policy, query};
use super::reader::NodeReader;
use super::settings::{Pattern, Settings, settings};
use super::source::source;
use super::subject::overlap;
use super::substitute::Values;
use super::suggest::did_you_mean;
use super::yaml::{Data, File, Yaml, parse};

/// A configuration without errors.
#[derive(Debug, Clone)]
pub struct Loaded {
    pub config: Config,
    /// Turns the problems that other rooms find in it into diagnostics.
    pub places: Places,
    pub warnings: Vec<Diagnostic>,
}

/// Where many look for the configuration, and no command does unasked.
const HERE: &str = "readside.yaml";

/// The kinds of documents, by the key that names them.
const KINDS: [&str; 4] = ["source", "projection", "policy", "query"];

/// A document with the name that it declares.
struct Named<'a> {
    kind: &'static str,
    name: String,
    reader: NodeReader<'a>,
    mark: Mark,
}

/// Everything that the documents declare.
#[derive(Default)]
struct Declarations {
    sources: Vec<Source>,
    projections: Vec<Projection>,
    queries: Vec<Query>,
    policies: Vec<Policy>,
}

impl Declarations {
    fn count(&self) -> usize {
        self.sources.len() + self.projections.len() + self.queries.len() + self.policies.len()
    }
}

/// Loads the configuration whose root file is `root`. Relative paths in it begin at its folder. The root's later
/// documents may be sources, projections, queries and policies too.
///
/// # Errors
/// All problems of all files, warnings among them, if any is an error.
pub fn load(root: &str, files: &Files<'_>, env: &dyn Fn(&str) -> Option<String>) -> Result<Loaded, Vec<Diagnostic>> {
    all_or_none(load_so_far(root, files, env))
}

/// The same of documents that were divided from their policies, which are read elsewhere.
///
/// # Errors
/// As [`load`].
pub fn load_without_policies(
    root: &str,
    files: &Files<'_>,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Loaded, Vec<Diagnostic>> {
    all_or_none(read_all(root, files, env, false))
}

fn all_or_none((loaded, diagnostics): (Option<Loaded>, Vec<Diagnostic>)) -> Result<Loaded, Vec<Diagnostic>> {
    match loaded {
        Some(loaded) if diagnostics.iter().all(|found| found.severity == Severity::Warning) => {
            Ok(Loaded { warnings: diagnostics, ..loaded })
        }
        _ => Err(diagnostics),
    }
}

/// The same of files that are being written: what is declared without errors, and all problems. Nothing if the root's settings have one.
pub fn load_so_far(
    root: &str,
    files: &Files<'_>,
    env: &dyn Fn(&str) -> Option<String>,
) -> (Option<Loaded>, Vec<Diagnostic>) {
    read_all(root, files, env, true)
}

fn read_all(
    root: &str,
    files: &Files<'_>,
    env: &dyn Fn(&str) -> Option<String>,
    has_policies: bool,
) -> (Option<Loaded>, Vec<Diagnostic>) {
    let report = Report::default();
    let folder = folder_of(root);
    let values = Values { env, read: files.read, folder };
    let root_file = match (files.read)(root) {
        Ok(text) => parse(root, text, &values, &report),
        Err(error) => {
            let message = format!("cannot read the configuration: {error}");
            let hint = match (files.read)(HERE) {
                Ok(_) if root != HERE => format!("there is a `{HERE}` in this folder: name it with `--config {HERE}`"),
                _ => "name another file with `--config`".to_owned(),
            };
            let hint = Some(hint);
            return (None, vec![at(Code::FileUnreadable, root, "", Mark::START, Severity::Error, message, hint)]);
        }
    };
    let settings = {
        let reader = NodeReader { file: &root_file, report: &report };
        if root_file.documents.is_empty() && root_file.complete {
            reader.error(
                Code::NothingDeclared,
                Mark::START,
                "the configuration is empty",
                "begin with `sources: sources/*.yaml`",
            );
        }
        root_file.documents.first().and_then(|document| settings(reader, document, &values))
    };
    let mut read = vec![root_file];
    let mut complete = settings.is_some();
    for pattern in settings.iter().flat_map(|settings| &settings.patterns) {
        complete &= read_pattern(pattern, files, &values, &report, &mut read);
    }
    let declared = check(&read, complete, has_policies, folder, &report);
    if complete && has_policies {
        let reader = NodeReader { file: &read[0], report: &report };
        let required = settings.iter().flat_map(|settings| &settings.required_policies);
        required.for_each(|(policy, mark)| check_policy(reader, policy, *mark, &declared.policies));
    }
    if let Some((subject, mark)) = settings.as_ref().and_then(|settings| settings.parked_notify.as_ref()) {
        check_unread(NodeReader { file: &read[0], report: &report }, subject, *mark, &declared.sources);
    }
    let order: Vec<&str> = read.iter().map(|file| file.path.as_str()).collect();
    let diagnostics = report.into_sorted(&order);
    let loaded = settings.map(|settings| Loaded {
        config: assemble(settings, declared),
        places: Places::new(read),
        warnings: Vec::new(),
    });
    (loaded, diagnostics)
}

/// Reads the files of one pattern, each file once. False if any is missing.
fn read_pattern(
    pattern: &Pattern,
    files: &Files<'_>,
    values: &Values<'_>,
    report: &Report,
    read: &mut Vec<File>,
) -> bool {
    let problem = |code, read: &[File], severity, message: String, hint: &str| {
        report.push(at(code, &read[0].path, &read[0].text, pattern.mark, severity, message, Some(hint.to_owned())));
    };
    let paths = match expand(&pattern.path, files) {
        Ok(paths) => paths,
        Err(error) => {
            let message = format!("cannot look for `{}`: {error}", pattern.path);
            problem(Code::FileUnreadable, read, Severity::Error, message, "check the folder and its permissions");
            return false;
        }
    };
    if paths.is_empty() {
        let severity = if pattern.must_match { Severity::Error } else { Severity::Warning };
        let hint = "paths begin at the folder of this file; `**` stands for folders at any depth";
        problem(Code::NoFile, read, severity, format!("no file matches `{}`", pattern.path), hint);
    }
    let mut complete = !(paths.is_empty() && pattern.must_match);
    for path in paths {
        if read.iter().any(|file| file.path == path) {
            continue;
        }
        match (files.read)(&path) {
            Ok(text) => {
                let values = Values { folder: folder_of(&path), ..*values };
                let file = parse(&path, text, &values, report);
                read.push(file);
            }
            Err(error) => {
                complete = false;
                problem(
                    Code::FileUnreadable,
                    read,
                    Severity::Error,
                    format!("cannot read `{path}`: {error}"),
                    "check the path, which begins at the folder of this file",
                );
            }
        }
    }
    complete
}

/// Checks every document but the first of the root. Nothing is said to be missing unless all that is declared is
/// `complete`, because a file that could not be read may hold it.
fn check(read: &[File], complete: bool, has_policies: bool, folder: &str, report: &Report) -> Declarations {
    let mut complete = complete && read.iter().all(|file| file.complete);
    let mut documents: Vec<(&'static str, NodeReader<'_>, usize, &Yaml)> = Vec::new();
    let mut names: Vec<Named<'_>> = Vec::new();
    for (place, file) in read.iter().enumerate() {
        let reader = NodeReader { file, report };
        if place > 0 && file.documents.is_empty() && file.complete {
            reader.error(
                Code::NothingDeclared,
                Mark::START,
                "this file is empty",
                format!("declare one of {}, or remove the file", KINDS.join(", ")),
            );
        }
        let skip = usize::from(place == 0);
        for (document, yaml) in file.documents.iter().enumerate().skip(skip) {
            let Some(kind) = kind(reader, yaml) else {
                complete = false;
                continue;
            };
            documents.push((kind, reader, document, yaml));
            match yaml.entry(kind).map(|entry| &entry.value) {
                Some(Yaml { data: Data::Scalar(scalar), mark, .. }) => {
                    names.push(Named { kind, name: scalar.text.clone(), reader, mark: *mark });
                }
                _ => complete = false,
            }
        }
    }
    unique(&names);
    if complete && names.iter().all(|named| named.kind != "source") {
        let reader = NodeReader { file: &read[0], report };
        let hint = "add a file that begins with `source: NAME`, and name it in `sources: sources/*.yaml`";
        let mark = read[0].documents.first().map_or(Mark::START, Yaml::head);
        reader.error(Code::NothingDeclared, mark, "the configuration declares no source", hint);
    }
    let policies: Vec<String> =
        names.iter().filter(|named| named.kind == "policy").map(|named| named.name.clone()).collect();
    let policies = (complete && has_policies).then_some(policies.as_slice());
    let mut declared = Declarations::default();
    let documents_count = documents.len();
    for (kind, reader, document, yaml) in documents {
        match kind {
            "source" => {
                let text = document_text(reader.file, document);
                declared.sources.extend(source(reader, yaml, document, folder).map(|one| Source { text, ..one }));
            }
            "projection" => {
                let text = document_text(reader.file, document);
                let declares = projection(reader, yaml, document, policies);
                declared.projections.extend(declares.map(|one| Projection { text, ..one }));
            }
            "query" => declared.queries.extend(query(reader, yaml, document)),
            _ => declared.policies.extend(policy(reader, yaml, document)),
        }
    }
    // A document is left out only after an error about it, so that none gets lost in silence.
    debug_assert!(declared.count() == documents_count || report.has_errors());
    declared
}

/// A document as it is written; none where the file is not divided by whole lines.
fn document_text(file: &File, document: usize) -> Option<Arc<str>> {
    let mut texts = vec![String::new()];
    for line in file.text.lines() {
        // Wherever it stands, such a line is a mark between documents.
        if line.trim_end() == "---" {
            texts.push(String::new());
        } else if let Some(text) = texts.last_mut() {
            text.push_str(line);
            text.push('\n');
        }
    }
    let is_blank = |text: &String| text.lines().all(|line| line.trim().is_empty() || line.trim().starts_with('#'));
    if texts.first().is_some_and(is_blank) {
        texts.remove(0);
    }
    (texts.len() == file.documents.len()).then(|| texts.swap_remove(document).into())
}

/// Refuses a subject of notices that a source reads: each notice would become an event, and be parked in its turn. What a stream
/// without filters takes is not known here; the daemon asks its server.
fn check_unread(reader: NodeReader<'_>, subject: &str, mark: Mark, sources: &[Source]) {
    for source in sources {
        let SourceKind::JetStream { filter_subjects, .. } = &source.input else { continue };
        if let Some(filter) = filter_subjects.iter().find(|filter| overlap(filter, subject)) {
            let message = format!(
                "source `{}` reads `{filter}`, and so would read the notices on `{subject}`",
                source.schema.source
            );
            reader.error(
                Code::BadSubject,
                mark,
                message,
                "choose a subject that no source reads, such as `readside.parked`",
            );
        }
    }
}

/// Refuses the name of a policy that is none's.
fn check_policy(reader: NodeReader<'_>, policy: &str, mark: Mark, declared: &[Policy]) {
    if declared.iter().all(|known| known.name != policy) {
        let hint = did_you_mean(policy, &declared.iter().map(|known| &*known.name).collect::<Vec<_>>());
        let hint = hint.unwrap_or_else(|| format!("declare it: `policy: {policy}` with a `row_filter`"));
        reader.error(Code::UnknownPolicy, mark, format!("there is no policy `{policy}`"), hint);
    }
}

/// What a document declares, by its key.
fn kind(reader: NodeReader<'_>, yaml: &Yaml) -> Option<&'static str> {
    if yaml.is_null() {
        reader.error(
            Code::NothingDeclared,
            yaml.mark,
            "this document is empty",
            "remove the `---`, or declare something after it",
        );
        return None;
    }
    let entries = reader.entries(yaml, "a document")?;
    let kinds: Vec<&'static str> = KINDS.into_iter().filter(|kind| yaml.entry(kind).is_some()).collect();
    match kinds[..] {
        [kind] => Some(kind),
        [] => {
            let keys: Vec<&str> = entries.iter().map(|entry| entry.name.as_str()).collect();
            let meant = keys.iter().find_map(|key| did_you_mean(key, &KINDS).map(|hint| format!("`{key}`: {hint}")));
            let hint = meant.unwrap_or_else(|| {
                format!("begin it with one of {}", KINDS.map(|kind| format!("`{kind}: NAME`")).join(", "))
            });
            reader.error(
                Code::NothingDeclared,
                yaml.head(),
                "this document declares none of source, projection, policy and query",
                hint,
            );
            None
        }
        [first, second, ..] => {
            let mark = yaml.entry(second).map_or(yaml.mark, |entry| entry.mark);
            let hint = "make two documents of it with `---` between them";
            reader.error(
                Code::NothingDeclared,
                mark,
                format!("this document declares both a {first} and a {second}"),
                hint,
            );
            None
        }
    }
}

/// Names are unique in their kind; sources and projections are both names in SQL.
fn unique(names: &[Named<'_>]) {
    for (place, named) in names.iter().enumerate() {
        let shared = |kind: &str| matches!(kind, "source" | "projection");
        let clash = names[..place].iter().find(|earlier| {
            earlier.name == named.name && (earlier.kind == named.kind || shared(earlier.kind) && shared(named.kind))
        });
        let Some(earlier) = clash else {
            continue;
        };
        let message = if earlier.kind == named.kind {
            format!("{} `{}` is declared twice", named.kind, named.name)
        } else {
            format!("`{}` is both a {} and a {}", named.name, earlier.kind, named.kind)
        };
        let hint = format!("the other is at {}:{}: rename one of them", earlier.reader.file.path, earlier.mark.line);
        named.reader.error(Code::Repeated, named.mark, message, hint);
    }
}

fn assemble(settings: Settings, declared: Declarations) -> Config {
    let needs_nats = declared.sources.iter().any(|source| matches!(source.input, SourceKind::JetStream { .. }));
    let parked_notify = settings.parked_notify.map(|(subject, _)| subject);
    let nats = settings.nats.or_else(|| (needs_nats || parked_notify.is_some()).then(|| Nats::at(NATS_DEFAULT)));
    let Settings {
        data_dir,
        object_store,
        commit,
        search_commit,
        checkpoint_interval,
        http,
        metrics_listen,
        health_listen,
        postgres,
        auth,
        required_policies,
        parked,
        ..
    } = settings;
    let (limits, verify, promotion, keep) = (settings.limits, settings.verify, settings.promotion, settings.keep);
    let (written_paths, state_limit) = (settings.written_paths, settings.state_limit);
    let Declarations { sources, projections, queries, policies } = declared;
    Config {
        nats,
        data_dir,
        object_store,
        written_paths,
        commit,
        search_commit,
        checkpoint_interval,
        http,
        metrics_listen,
        health_listen,
        postgres,
        auth,
        parked,
        parked_notify,
        limits,
        state_limit,
        verify,
        promotion,
        keep,
        sources,
        projections,
        queries,
        policies,
        required_policies: required_policies.into_iter().map(|(policy, _)| policy).collect(),
    }
}
