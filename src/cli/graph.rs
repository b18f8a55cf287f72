//! `readside graph`: what reads what, as a drawing's text. A configuration that is not valid is not drawn.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::ExitCode;

use clap::{Args, ValueEnum};

use super::files::load_config;
use super::{ConfigArgs, failed, print};
use crate::config::{Config, Diagnostic, Problem, ProjectionKind};
use crate::plan::{program, relations};

/// The relation of all types of a source.
const ALL_TYPES: &str = "events";

/// `readside graph`
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  readside graph | dot -Tsvg > graph.svg\n  readside graph --format mermaid >> README.md"
)]
pub(super) struct GraphArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// The language of the drawing.
    #[arg(long, value_enum, default_value_t = Format::Dot)]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Graphviz.
    Dot,
    /// Mermaid, as GitHub and GitLab show it.
    Mermaid,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Source,
    EventType,
    Table,
    Search,
    View,
    Query,
}

/// What is drawn: nodes, and which of them reads which.
#[derive(Debug, Default)]
struct Graph {
    nodes: Vec<(Kind, String)>,
    /// From what is read to what reads it.
    edges: Vec<(usize, usize)>,
}

pub(super) fn graph(args: &GraphArgs) -> ExitCode {
    match drawn(args) {
        Ok(text) => {
            print::line(text.trim_end());
            ExitCode::SUCCESS
        }
        Err(diagnostics) => {
            diagnostics.iter().for_each(|diagnostic| print::error_line(format_args!("{diagnostic}\n")));
            failed(&format!("{} cannot be used", args.config.config))
        }
    }
}

fn drawn(args: &GraphArgs) -> Result<String, Vec<Diagnostic>> {
    let loaded = load_config(&args.config.config)?;
    let told =
        |problems: Vec<Problem>| problems.iter().map(|problem| loaded.places.diagnostic(problem)).collect::<Vec<_>>();
    program(&loaded.config).map_err(told)?;
    let graph = Graph::of(&loaded.config).map_err(told)?;
    Ok(match args.format {
        Format::Dot => graph.dot(),
        Format::Mermaid => graph.mermaid(),
    })
}

impl Graph {
    fn of(config: &Config) -> Result<Self, Vec<Problem>> {
        let mut graph = Graph::default();
        // By the name that SQL has for them.
        let mut places: BTreeMap<(Option<&str>, &str), usize> = BTreeMap::new();
        for source in &config.sources {
            let name = source.schema.source.as_str();
            let place = graph.node(Kind::Source, name);
            places.insert((Some(name), ALL_TYPES), place);
            for event_type in &source.schema.types {
                let of_type = graph.node(Kind::EventType, &event_type.name);
                graph.edges.push((place, of_type));
                places.insert((Some(name), &event_type.table), of_type);
            }
        }
        for projection in &config.projections {
            let kind = match projection.kind {
                ProjectionKind::Table => Kind::Table,
                ProjectionKind::Search => Kind::Search,
                ProjectionKind::View => Kind::View,
            };
            places.insert((None, &projection.name), graph.node(kind, &projection.name));
        }
        let projections =
            config.projections.iter().map(|one| (places[&(None, one.name.as_str())], &one.sql, &one.node));
        let mut readers: Vec<_> = projections.collect();
        for query in &config.queries {
            readers.push((graph.node(Kind::Query, &query.name), &query.sql, &query.node));
        }
        for (reader, sql, node) in readers {
            let read = relations(sql).map_err(|refusal| {
                let (node, within) = (node.below("/sql"), refusal.span);
                vec![Problem { code: refusal.code, node, within, message: refusal.message, hint: refusal.hint }]
            })?;
            // Names of expressions within the query are no relations of the configuration.
            let read = read.iter().filter_map(|(source, name)| places.get(&(source.as_deref(), name.as_str())));
            let mut read: Vec<usize> = read.copied().collect();
            read.sort_unstable();
            read.dedup();
            graph.edges.extend(read.into_iter().map(|place| (place, reader)));
        }
        Ok(graph)
    }

    fn node(&mut self, kind: Kind, name: &str) -> usize {
        self.nodes.push((kind, name.to_owned()));
        self.nodes.len() - 1
    }

    fn dot(&self) -> String {
        let mut text = "digraph readside {\n  rankdir=LR;\n  node [fontname=\"sans-serif\"];\n".to_owned();
        for (place, (kind, name)) in self.nodes.iter().enumerate() {
            let shape = match kind {
                Kind::Source => "cylinder",
                Kind::EventType => "note",
                Kind::Table => "box",
                Kind::Search => "folder",
                Kind::View => "box, style=dashed",
                Kind::Query => "box, style=rounded",
            };
            let name = name.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let _ = writeln!(text, "  n{place} [label=\"{name}\", shape={shape}];");
        }
        for (from, to) in &self.edges {
            let _ = writeln!(text, "  n{from} -> n{to};");
        }
        text + "}\n"
    }

    fn mermaid(&self) -> String {
        let mut text = "flowchart LR\n".to_owned();
        for (place, (kind, name)) in self.nodes.iter().enumerate() {
            let (open, close) = match kind {
                Kind::Source => ("[(", ")]"),
                Kind::EventType => (">", "]"),
                Kind::Table => ("[", "]"),
                Kind::Search => ("[[", "]]"),
                Kind::View => ("[/", "/]"),
                Kind::Query => ("([", "])"),
            };
            // What means something there is written by its number.
            let plain = |c: char| c.is_alphanumeric() || matches!(c, ' ' | '_' | '.' | '-' | ':' | '/');
            let escaped = |c: char| if plain(c) { c.to_string() } else { format!("#{};", u32::from(c)) };
            let name: String = name.chars().map(escaped).collect();
            let _ = writeln!(text, "  n{place}{open}\"{name}\"{close}");
        }
        for (from, to) in &self.edges {
            let _ = writeln!(text, "  n{from} --> n{to}");
        }
        text
    }
}
