//! What a daemon ran when it ended, as its checkpoint says it: the definitions from which a start goes on where other files
//! declare something else by now. What they declare comes with a reload, beside.

use crate::checkpoint::{Content, GenerationEntry};
use std::collections::BTreeMap;

use crate::config::{Config, Files, Loaded, SourceKind, load_without_policies};
use crate::plan::{Program, program_over};
use crate::progress::{Phase, Position, SourceName};

use super::changes::fixed;

/// The name under which the documents of a checkpoint are read.
const ROOT: &str = "checkpoint.yaml";

/// The configuration of a checkpoint, if it has another one than is declared and everything goes on with it.
pub(super) fn earlier(declared: &Config, now: &Program, content: &Content) -> Option<(Config, Program)> {
    is_another(now, content).then(|| of_checkpoint(declared, content)).flatten()
}

/// Whether a generation serves, or stays as it is because a person has paused it.
fn runs_on(entry: &GenerationEntry) -> bool {
    matches!(entry.state, Phase::Serving | Phase::Paused)
}

/// Whether something that runs on is declared in another way.
fn is_another(now: &Program, content: &Content) -> bool {
    let projections = now.projections.iter().any(|planned| {
        let entries = content.generations.get(&planned.config.name).into_iter().flatten();
        let mut serving = entries.filter(|entry| runs_on(entry));
        serving.any(|entry| entry.rows.is_some_and(|rows| rows != planned.compiled.schema.identity))
    });
    let sources = now.sources.iter().any(|source| {
        let name: SourceName = source.config.schema.source.as_str().into();
        let known = content.sources.get(&name).filter(|entry| entry.covered > Position::START);
        known.is_some_and(|entry| entry.admission.is_some_and(|admission| admission != source.identity))
    });
    projections || sources
}

/// What documents of another time declare, with the settings of now. None if that cannot be, as where a source is gone.
pub(super) fn compiled<'a>(documents: impl Iterator<Item = &'a str>, now: &Config) -> Option<(Config, Program)> {
    let config = read(documents)?;
    let mut config = Config { sources: config.sources, projections: config.projections, ..now.clone() };
    // Where a file lies is no part of what it says, and its path begins elsewhere.
    for source in &mut config.sources {
        let now = now.sources.iter().find(|one| one.schema.source == source.schema.source)?;
        if let (SourceKind::File { .. }, SourceKind::File { .. }) = (&source.input, &now.input) {
            source.input = now.input.clone();
        }
    }
    // Queries are those of now; they may read what these documents do not declare. So are policies.
    let program = program_over(&Config { queries: Vec::new(), ..config.clone() }, &BTreeMap::new()).ok()?;
    Some((config, program))
}

/// What the documents of a checkpoint declare of sources and views, not compiled. None where they do not say it.
pub(super) fn declared_by(content: &Content, now: &Config) -> Option<Config> {
    let sources: Option<Vec<&str>> = content.sources.values().map(|entry| entry.definition.as_deref()).collect();
    let config = read(sources?.into_iter().chain(content.views.iter().map(String::as_str)))?;
    Some(Config { sources: config.sources, projections: config.projections, ..now.clone() })
}

fn read<'a>(documents: impl Iterator<Item = &'a str>) -> Option<Config> {
    let text = documents.fold("sources: []\n".to_owned(), |text, one| text + "---\n" + one);
    // What the documents name beside, such as a secret, is where it was.
    let read = |path: &str| if path == ROOT { Ok(text.clone()) } else { std::fs::read_to_string(path) };
    let loaded = load_without_policies(ROOT, &Files { list: &|_| Ok(Vec::new()), read: &read }, &|name| {
        std::env::var(name).ok()
    });
    loaded.ok().map(|Loaded { config, .. }| config)
}

fn of_checkpoint(declared: &Config, content: &Content) -> Option<(Config, Program)> {
    let sources: Option<Vec<&str>> = content.sources.values().map(|entry| entry.definition.as_deref()).collect();
    let sources = sources?;
    let entries = content.generations.values().flatten();
    let serving = entries.clone().filter(|entry| runs_on(entry));
    // All of it, or nothing: what reads each other has to be of one time.
    let documents_of = |entries: Vec<&GenerationEntry>| -> Option<Vec<String>> {
        entries.into_iter().map(|entry| entry.definition.clone()).collect()
    };
    let compiled_with = |own: Vec<String>| {
        let own = own.iter().map(String::as_str);
        compiled(sources.iter().copied().chain(own).chain(content.views.iter().map(String::as_str)), declared)
    };
    // What has stopped is built again by the start as it was; it may be that it reads what is there in another way by now.
    let all = documents_of(entries.collect()).and_then(compiled_with);
    let (config, program) = match all {
        Some(compiled) => compiled,
        None => documents_of(serving.clone().collect()).and_then(compiled_with)?,
    };
    let goes_on = serving.clone().count() <= program.projections.len()
        && content.generations.iter().all(|(name, entries)| {
            let mut serving = entries.iter().filter(|entry| runs_on(entry));
            let planned = program.projections.iter().find(|planned| planned.config.name == *name);
            serving.all(|entry| planned.is_some_and(|one| entry.rows == Some(one.compiled.schema.identity)))
        })
        && program.sources.iter().all(|source| {
            let name: SourceName = source.config.schema.source.as_str().into();
            content.sources.get(&name).is_some_and(|entry| entry.admission == Some(source.identity))
        });
    (goes_on && fixed(&config, declared).is_empty()).then_some((config, program))
}
