//! What a configuration is found to be, as `readside validate` finds it, over the texts that are open in the editor.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::known::Known;
use super::workspace::Workspace;
use crate::config::{CASES_ENDING, Config, Diagnostic, Files, Severity, cases, load_so_far};
use crate::plan::{cards, program_so_far};

/// One look at a configuration.
#[derive(Debug, Default)]
pub(super) struct Analysis {
    /// The root file; none if the workspace has no configuration.
    pub(super) root: Option<PathBuf>,
    /// Every file of the configuration, with its problems.
    pub(super) found: BTreeMap<PathBuf, Vec<Diagnostic>>,
    /// The versions of the texts that were open.
    pub(super) versions: BTreeMap<PathBuf, i32>,
    pub(super) known: Known,
    /// What `readside validate NAME` says of each projection; none while there is an error.
    pub(super) cards: Option<BTreeMap<String, String>>,
    /// Whether the settings could be read, and so which files there are.
    pub(super) is_complete: bool,
}

pub(super) fn analyse(workspace: &Workspace) -> Analysis {
    let versions = workspace.buffers.iter().map(|(path, buffer)| (path.clone(), buffer.version)).collect();
    let mut analysis = Analysis { versions, ..Analysis::default() };
    let Some(root) = workspace.root() else { return analysis };
    analysis.root = Some(workspace.path(root));
    let read = RefCell::new(BTreeSet::from([root.clone()]));
    let reads = |file: &str| {
        read.borrow_mut().insert(file.to_owned());
        workspace.read(file)
    };
    let files = Files { list: &|folder| workspace.list(folder), read: &reads };
    let (loaded, mut diagnostics) = load_so_far(root, &files, &workspace.disk.env);
    let is_error = |found: &Diagnostic| found.severity == Severity::Error;
    if let Some(loaded) = &loaded {
        analysis.is_complete = true;
        let (mut program, problems) = program_so_far(&loaded.config);
        analysis.known = Known::of(&loaded.config, &program, &loaded.places);
        // What cannot be read may be what is missing, so nothing is said of SQL before all of it can.
        if !diagnostics.iter().any(is_error) {
            diagnostics.extend(problems.iter().map(|problem| loaded.places.diagnostic(problem)));
            if problems.is_empty() {
                program.share();
                let all = cards(&program).into_iter();
                analysis.cards = Some(all.map(|card| (card.name.clone(), card.to_string())).collect());
            }
        }
        for file in case_files(workspace, &loaded.config) {
            let Ok(text) = reads(&file) else { continue };
            diagnostics.extend(cases(&file, &text).err().unwrap_or_default());
        }
    }
    analysis.found = read.into_inner().into_iter().map(|file| (workspace.path(&file), Vec::new())).collect();
    for diagnostic in diagnostics {
        analysis.found.entry(workspace.path(&diagnostic.file)).or_default().push(diagnostic);
    }
    analysis
}

/// The files of cases beside the projections.
fn case_files(workspace: &Workspace, config: &Config) -> Vec<String> {
    let declared = config.projections.iter().map(|projection| Path::new(&projection.node.file));
    let folders: BTreeSet<&Path> = declared.filter_map(Path::parent).collect();
    let files = folders.into_iter().flat_map(|folder| {
        let entries = workspace.list(&folder.to_string_lossy()).unwrap_or_default();
        let names = entries.into_iter().map(|entry| entry.name).filter(|name| name.ends_with(CASES_ENDING));
        names.map(|name| folder.join(name).to_string_lossy().into_owned()).collect::<Vec<_>>()
    });
    files.collect()
}
