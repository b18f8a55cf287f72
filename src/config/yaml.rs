//! YAML text to a tree of marked nodes: aliases and merge keys resolved, the environment substituted.
//!
//! Built from the parser's events, because only they show repeated keys and the style of each scalar, which the
//! places of SQL errors need. What the nodes mean is not known here.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, Span};

use super::code::Code;
use super::diagnostic::{Mark, Report, Severity, at};
use super::place;
use super::substitute::{Replaced, Values, substitute};

/// A node of a document.
#[derive(Debug, Clone)]
pub(super) struct Yaml {
    pub data: Data,
    /// The scalar's text, or where the collection begins.
    pub mark: Mark,
    /// The key that it is the value of.
    pub key: Option<Mark>,
}

#[derive(Debug, Clone)]
pub(super) enum Data {
    Scalar(Scalar),
    List(Vec<Yaml>),
    Mapping(Vec<Entry>),
}

#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub name: String,
    pub mark: Mark,
    pub value: Yaml,
}

#[derive(Debug, Clone)]
pub(super) struct Scalar {
    pub text: String,
    /// The text before substitution.
    pub written: String,
    pub style: ScalarStyle,
    pub replaced: Vec<Replaced>,
}

/// A file that was read, with its documents as far as they could be parsed.
#[derive(Debug, Clone)]
pub(super) struct File {
    pub path: String,
    pub text: String,
    pub documents: Vec<Yaml>,
    /// False if something after the last document could not be parsed.
    pub complete: bool,
}

/// Deeper nesting than this is refused, so that walking a tree never exhausts the stack.
const DEPTH_MAX: usize = 64;
/// Nodes that the aliases of one file may expand to.
const ALIASED_NODES_MAX: usize = 10_000;

impl Yaml {
    /// The place that stands for the whole node: its key, or the first key of a document.
    pub(super) fn head(&self) -> Mark {
        match &self.data {
            Data::Scalar(_) => self.mark,
            Data::List(_) => self.key.unwrap_or(self.mark),
            Data::Mapping(entries) => self.key.or(entries.first().map(|entry| entry.mark)).unwrap_or(self.mark),
        }
    }

    /// `~`, `null` or nothing at all; what is quoted is text.
    pub(super) fn is_null(&self) -> bool {
        matches!(&self.data, Data::Scalar(Scalar { text, style: ScalarStyle::Plain, .. })
            if matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL"))
    }

    pub(super) fn entry(&self, name: &str) -> Option<&Entry> {
        match &self.data {
            Data::Mapping(entries) => entries.iter().find(|entry| entry.name == name),
            _ => None,
        }
    }

    fn nodes(&self) -> usize {
        match &self.data {
            Data::Scalar(_) => 1,
            Data::List(items) => 1 + items.iter().map(Yaml::nodes).sum::<usize>(),
            Data::Mapping(entries) => 1 + entries.iter().map(|entry| entry.value.nodes()).sum::<usize>(),
        }
    }
}

/// Parses all documents of a file.
pub(super) fn parse(path: &str, text: String, values: &Values<'_>, report: &Report) -> File {
    let mut builder = TreeBuilder {
        path,
        text: &text,
        values,
        report,
        open: Vec::new(),
        documents: Vec::new(),
        anchors: HashMap::new(),
        aliased: 0,
    };
    let mut parser = Parser::new_from_str(&text);
    let mut complete = true;
    while let Some(next) = parser.next_event() {
        let outcome = match next {
            Ok((Event::StreamEnd, _)) => break,
            Ok((event, span)) => builder.event(event, span),
            Err(error) => {
                let mark = Mark { line: error.marker().line(), column: error.marker().col() + 1, length: 1 };
                Err((mark, format!("this is not YAML: {}", error.info()), syntax_hint(error.info())))
            }
        };
        if let Err((mark, message, hint)) = outcome {
            builder.problem(Code::NotYaml, mark, message, hint);
            complete = false;
            break;
        }
    }
    let documents = builder.documents;
    File { path: path.to_owned(), text, documents, complete }
}

fn syntax_hint(info: &str) -> Option<String> {
    let hint = if info.contains("mapping values are not allowed") {
        "quote a value that contains `: `, and check the indentation of this line"
    } else if info.contains("tab") {
        "indent with spaces"
    } else if info.contains("unknown anchor") {
        "an anchor (`&name`) stands before its alias (`*name`) in the same document"
    } else if info.contains("escape") {
        "in double quotes a backslash begins an escape: use single quotes for patterns"
    } else if info.contains("flow mapping") || info.contains("flow sequence") {
        "close `{` or `[`, separate with commas, and quote values that contain `,` or `: `"
    } else if info.contains("quoted scalar") {
        "close the quotation mark"
    } else if info.contains("did not find expected") || info.contains("simple key") || info.contains("indentation") {
        "check the indentation of this line and of the one before"
    } else {
        return None;
    };
    Some(hint.to_owned())
}

/// What stops the parsing of a file.
type ParseStop = (Mark, String, Option<String>);

struct TreeBuilder<'a> {
    path: &'a str,
    text: &'a str,
    values: &'a Values<'a>,
    report: &'a Report,
    /// Collections that have begun, outermost first.
    open: Vec<OpenCollection>,
    documents: Vec<Yaml>,
    anchors: HashMap<usize, Yaml>,
    aliased: usize,
}

/// A collection that has begun.
struct OpenCollection {
    mark: Mark,
    anchor: usize,
    content: Collected,
}

enum Collected {
    List(Vec<Yaml>),
    Mapping { entries: Vec<Entry>, merges: Vec<Yaml>, key: Option<(String, Mark)> },
}

impl TreeBuilder<'_> {
    fn event(&mut self, event: Event<'_>, span: Span) -> Result<(), ParseStop> {
        let mark = self.mark(span);
        match event {
            Event::DocumentStart(_) => self.anchors.clear(),
            Event::SequenceStart(anchor, _) => self.begin(mark, anchor, Collected::List(Vec::new()))?,
            Event::MappingStart(anchor, _) => {
                self.begin(mark, anchor, Collected::Mapping { entries: Vec::new(), merges: Vec::new(), key: None })?;
            }
            Event::SequenceEnd | Event::MappingEnd => self.end()?,
            Event::Scalar(text, style, anchor, tag) => {
                let mark = match (anchor, &tag) {
                    (0, None) => mark,
                    _ => self.after_properties(mark, span, style),
                };
                if let Some(tag) = tag.filter(|tag| !tag.is_yaml_core_schema()) {
                    let hint = format!("quote text that begins with `!`: \"{tag}\"");
                    self.problem(
                        Code::NotYaml,
                        self.mark(span),
                        format!("the tag `{tag}` means nothing here"),
                        Some(hint),
                    );
                }
                let scalar = self.scalar(&text, style, mark);
                self.finish(Yaml { data: Data::Scalar(scalar), mark, key: None }, anchor)?;
            }
            Event::Alias(anchor) => {
                let node = self.anchors.get(&anchor).cloned();
                let node = node.ok_or_else(|| {
                    let hint = "an anchor (`&name`) stands before its alias (`*name`) in the same document";
                    (mark, "this alias has no finished anchor".to_owned(), Some(hint.to_owned()))
                })?;
                self.aliased += node.nodes();
                if self.aliased > ALIASED_NODES_MAX {
                    let message = format!("the aliases of this file expand to more than {ALIASED_NODES_MAX} nodes");
                    return Err((mark, message, Some("write the parts out".to_owned())));
                }
                self.finish(node, 0)?;
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
        }
        Ok(())
    }

    fn begin(&mut self, mark: Mark, anchor: usize, content: Collected) -> Result<(), ParseStop> {
        if self.open.len() >= DEPTH_MAX {
            return Err((mark, format!("this is nested more than {DEPTH_MAX} deep"), Some("flatten it".to_owned())));
        }
        self.open.push(OpenCollection { mark, anchor, content });
        Ok(())
    }

    fn end(&mut self) -> Result<(), ParseStop> {
        let Some(OpenCollection { mark, anchor, content }) = self.open.pop() else {
            return Ok(());
        };
        let data = match content {
            Collected::List(items) => Data::List(items),
            Collected::Mapping { mut entries, merges, .. } => {
                for merge in merges {
                    self.merge(&mut entries, merge);
                }
                Data::Mapping(entries)
            }
        };
        self.finish(Yaml { data, mark, key: None }, anchor)
    }

    /// Puts a finished node where it belongs.
    fn finish(&mut self, mut node: Yaml, anchor: usize) -> Result<(), ParseStop> {
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        let Some(parent) = self.open.last_mut() else {
            self.documents.push(node);
            return Ok(());
        };
        let repeated = match &mut parent.content {
            Collected::List(items) => {
                items.push(node);
                return Ok(());
            }
            Collected::Mapping { entries, merges, key } => match key.take() {
                None => {
                    let Data::Scalar(scalar) = node.data else {
                        let hint = Some("a key is a name; quote it if it begins with `{` or `[`".to_owned());
                        return Err((node.mark, "a list or mapping cannot be a key".to_owned(), hint));
                    };
                    *key = Some((scalar.text, node.mark));
                    return Ok(());
                }
                Some((name, _)) if name == "<<" => {
                    merges.push(node);
                    return Ok(());
                }
                Some((name, mark)) => match entries.iter().find(|entry| entry.name == name) {
                    Some(first) => (mark, name, first.mark.line),
                    None => {
                        node.key = Some(mark);
                        entries.push(Entry { name, mark, value: node });
                        return Ok(());
                    }
                },
            },
        };
        let (mark, name, line) = repeated;
        let hint = format!("it is also in line {line}: keep one of them");
        self.problem(Code::RepeatedKey, mark, format!("key `{name}` appears twice"), Some(hint));
        Ok(())
    }

    /// Adds what a `<<` brings. Keys that are written out win, then earlier merges.
    fn merge(&self, entries: &mut Vec<Entry>, merged: Yaml) {
        match merged.data {
            Data::Mapping(new) => {
                for entry in new {
                    if entries.iter().all(|known| known.name != entry.name) {
                        entries.push(entry);
                    }
                }
            }
            Data::List(items) if items.iter().all(|item| matches!(item.data, Data::Mapping(_))) => {
                items.into_iter().for_each(|item| self.merge(entries, item));
            }
            _ => {
                let hint = "write `<<: *name` or `<<: [*one, *two]` with the anchors of mappings";
                self.problem(Code::NotYaml, merged.mark, "`<<` merges mappings only".to_owned(), Some(hint.to_owned()));
            }
        }
    }

    fn scalar(&self, written: &str, style: ScalarStyle, mark: Mark) -> Scalar {
        // A key is written down as it is.
        let is_key =
            matches!(self.open.last(), Some(OpenCollection { content: Collected::Mapping { key: None, .. }, .. }));
        let unchanged =
            || Scalar { text: written.to_owned(), written: written.to_owned(), style, replaced: Vec::new() };
        if is_key || !written.contains("${") {
            return unchanged();
        }
        match substitute(written, self.values) {
            Ok(done) => Scalar { text: done.text, written: written.to_owned(), style, replaced: done.replaced },
            Err(failed) => {
                let mut place = place::written_mark(self.text, mark, style, written, failed.at);
                let rest = written.chars().skip(failed.at);
                place.length = rest.take_while(|c| *c != '}' && *c != '\n').count() + 1;
                self.problem(Code::Environment, place, failed.message, Some(failed.hint));
                unchanged()
            }
        }
    }

    /// The place of a scalar that has an anchor or a tag, which its span begins with.
    fn after_properties(&self, mark: Mark, span: Span, style: ScalarStyle) -> Mark {
        let mut mark = place::after_properties(self.text, mark, style);
        if mark.line == span.end.line() {
            mark.length = (span.end.col() + 1).saturating_sub(mark.column).max(1);
        }
        mark
    }

    /// The place of a span; what runs over several lines is marked to the end of its first.
    fn mark(&self, span: Span) -> Mark {
        let (line, column) = (span.start.line(), span.start.col() + 1);
        let rest = || self.text.lines().nth(line - 1).unwrap_or_default().trim_end().chars().count() + 1;
        let length = if span.start.line() == span.end.line() {
            span.end.col().saturating_sub(span.start.col())
        } else {
            rest().saturating_sub(column)
        };
        Mark { line, column, length: length.max(1) }
    }

    fn problem(&self, code: Code, mark: Mark, message: String, hint: Option<String>) {
        self.report.push(at(code, self.path, self.text, mark, Severity::Error, message, hint));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[&str]) {
        let report = Report::default();
        let file = parse("a.yaml", text.to_owned(), &Values::NONE, &report);
        let messages: Vec<String> = report.into_sorted(&["a.yaml"]).into_iter().map(|found| found.message).collect();
        assert_eq!(messages, expected, "{text}");
        assert_eq!(file.complete, expected.is_empty(), "{text}");
    }

    #[test]
    fn merges_give_way_to_what_is_written_out() {
        let text = "x-a: &a {one: 1, two: 1, three: 1}\nx-b: &b {two: 2, four: 2}\nb:\n  <<: [*b, *a]\n  one: 0\n";
        let report = Report::default();
        let file = parse("a.yaml", text.to_owned(), &Values::NONE, &report);
        let merged = file.documents[0].entry("b").map(|entry| &entry.value);
        let value = |name: &str| match merged.and_then(|merged| merged.entry(name)).map(|entry| &entry.value.data) {
            Some(Data::Scalar(scalar)) => scalar.text.clone(),
            _ => "nothing".to_owned(),
        };
        assert_eq!(["one", "two", "three", "four"].map(value), ["0", "2", "1", "2"]);
        assert!(report.into_sorted(&[]).is_empty());
    }

    #[test]
    fn aliases_end_at_their_document_and_never_lead_back() {
        check("a: &x 1\nb: *x\n", &[]);
        check("a: &x 1\n---\nb: *x\n", &["this alias has no finished anchor"]);
        check("a: &x [*x]\n", &["this alias has no finished anchor"]);
    }

    #[test]
    fn what_would_exhaust_memory_or_stack_is_refused() {
        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..12 {
            let alias = format!("*a{}", level - 1);
            bomb.push_str(&format!("a{level}: &a{level} [{}]\n", [alias.as_str(); 10].join(", ")));
        }
        check(&bomb, &["the aliases of this file expand to more than 10000 nodes"]);
        check(&"[".repeat(DEPTH_MAX + 1), &["this is nested more than 64 deep"]);
    }
}
