//! What is known of relations and their columns, from the last configuration that could be read: types, what they come from, and where
//! that is declared.

use std::collections::BTreeMap;

use arrow::datatypes::{DataType, Field, TimeUnit};

use crate::config::{Config, NodePath, Place, Places, Projection, ProjectionKind};
use crate::event::{EventType, JSON_MARK, SourceRelation, SourceSchema};
use crate::plan::{Program, ProjectionSchema};
use crate::sql::{Draft, Item};

/// A relation that SQL can read.
#[derive(Debug, Clone)]
pub(super) struct KnownRelation {
    /// The source of events; none for a projection.
    pub(super) source: Option<String>,
    pub(super) name: String,
    /// Whether it is computed for each query, so that nothing that is kept can read it.
    pub(super) is_view: bool,
    /// What it is, in Markdown.
    pub(super) about: String,
    pub(super) columns: Vec<KnownColumn>,
    pub(super) place: Option<Place>,
}

/// A column, or a field of one.
#[derive(Debug, Clone, Default)]
pub(super) struct KnownColumn {
    pub(super) name: String,
    /// As a contract writes it, `decimal(18,2)!`; empty if it is not known.
    pub(super) type_name: String,
    /// Where it comes from, in Markdown.
    pub(super) about: String,
    /// Those of a struct, or of the structs in a list.
    pub(super) fields: Vec<KnownColumn>,
    pub(super) place: Option<Place>,
}

/// Everything that SQL can name.
#[derive(Debug, Clone, Default)]
pub(super) struct Known {
    /// By source and name.
    pub(super) relations: BTreeMap<(Option<String>, String), KnownRelation>,
    /// The columns of earlier versions, by source, event type and version: what an upcaster reads.
    pub(super) versions: BTreeMap<(String, String, u32), Vec<KnownColumn>>,
}

/// The columns that every event has, and what they are.
const METADATA: [(&str, &str); 10] = [
    ("_seq", "The event's sequence in its stream."),
    ("_ord", "The part of a split event, 0 of one that is whole."),
    ("_type", "The type of the event, as its envelope says it."),
    ("_version", "The version in which it was stored."),
    ("_id", "The identity that its envelope gives it."),
    ("_key", "The key that its envelope gives it."),
    ("_time", "The event time; the time of publishing where the envelope says none."),
    ("_published_at", "When the stream stored it."),
    ("_subject", "The subject of its message."),
    ("_late", "Whether it came behind the watermark."),
];

impl Known {
    pub(super) fn of(config: &Config, program: &Program, places: &Places) -> Self {
        let mut known = Self::default();
        for source in &config.sources {
            known.add_source(&source.schema, &source.node, places);
        }
        let tables = program.projections.iter().map(|planned| (&planned.config, &planned.compiled.schema));
        let views = program.views.iter().map(|view| (&view.config, &view.schema));
        for (projection, schema) in tables.chain(views) {
            known.add(of_projection(projection, schema, places));
        }
        known
    }

    /// Keeps what was known earlier of what is not known now, because its text has a fault at the moment.
    pub(super) fn or_earlier(&mut self, earlier: Self) {
        for (name, relation) in earlier.relations {
            self.relations.entry(name).or_insert(relation);
        }
        for (version, columns) in earlier.versions {
            self.versions.entry(version).or_insert(columns);
        }
    }

    pub(super) fn relation(&self, source: Option<&str>, name: &str) -> Option<&KnownRelation> {
        self.relations.get(&(source.map(str::to_owned), name.to_owned()))
    }

    fn add(&mut self, relation: KnownRelation) {
        self.relations.insert((relation.source.clone(), relation.name.clone()), relation);
    }

    fn add_source(&mut self, schema: &SourceSchema, node: &NodePath, places: &Places) {
        let own = |relation| {
            let schema = schema.relation_schema(relation);
            schema.fields().iter().map(|field| column(field)).collect::<Vec<_>>()
        };
        let mut all = own(SourceRelation::Events);
        for (index, event_type) in schema.types.iter().enumerate() {
            let type_node = node.below(&format!("/events/{}", pointer(&event_type.name)));
            let mut columns = own(SourceRelation::Type(index));
            for column in columns.iter_mut().skip(METADATA.len()) {
                let place = places.of(&type_node.below(&format!("/fields/{}", pointer(&column.name))));
                column.about = field_about(event_type, &column.name, place.as_ref());
                column.place = place;
            }
            if let Some(of_type) = all.get_mut(METADATA.len() + index) {
                of_type.about = format!("The columns of `{}`; NULL on events of other types.", event_type.name);
                // Within the struct of a type every field can be NULL, so its type is that of the struct.
                for (field, column) in of_type.fields.iter_mut().zip(&columns[METADATA.len()..]) {
                    let type_name = std::mem::take(&mut field.type_name);
                    *field = KnownColumn { type_name, ..column.clone() };
                }
                of_type.place = places.of(&type_node);
            }
            self.add(KnownRelation {
                source: Some(schema.source.clone()),
                name: event_type.table.clone(),
                is_view: false,
                about: format!(
                    "One row an event `{}` of the source `{}`, at version {}.",
                    event_type.name, schema.source, event_type.current
                ),
                columns,
                place: places.of(&type_node),
            });
            for (version, of_version) in &event_type.versions {
                let of = (schema.source.clone(), event_type.name.clone(), *version);
                self.versions.insert(of, of_version.fields.iter().map(|field| column(&field.to_arrow())).collect());
            }
        }
        self.add(KnownRelation {
            source: Some(schema.source.clone()),
            name: "events".to_owned(),
            is_view: false,
            about: format!("All events of the source `{}`, with the columns of each type in a struct.", schema.source),
            columns: all,
            place: places.of(&node.below("/source")),
        });
    }
}

fn of_projection(projection: &Projection, schema: &ProjectionSchema, places: &Places) -> KnownRelation {
    let place = places.of(&projection.node.below("/projection"));
    let at = place.as_ref().map(|place| format!(", {}:{}", place.file, place.line)).unwrap_or_default();
    let items = Draft::of(&projection.sql).selected().items;
    let columns = schema.schema.fields().iter().enumerate().map(|(index, field)| {
        let mut known = column(field);
        known.about = format!("Column of `{}`{at}.", projection.name);
        if schema.key.contains(&index) {
            known.about.push_str(" It is part of the key.");
        }
        let expression = items.iter().find_map(|item| match item {
            Item::Column { name, expression, .. } if *name == known.name => Some(*expression),
            _ => None,
        });
        if let Some(expression) = expression {
            known.about.push_str(&format!("\n```sql\n{}\n```", Draft::written(&projection.sql, expression)));
        }
        known.place.clone_from(&place);
        known
    });
    KnownRelation {
        source: None,
        name: projection.name.clone(),
        is_view: projection.kind == ProjectionKind::View,
        about: format!("The projection `{}`{at}.", projection.name),
        columns: columns.collect(),
        place,
    }
}

/// Where a field of an event comes from, and how earlier versions give it.
fn field_about(event_type: &EventType, name: &str, place: Option<&Place>) -> String {
    let at = place.map(|place| format!(", {}:{}", place.file, place.line)).unwrap_or_default();
    let mut about = format!("Field of `{}` at version {}{at}.", event_type.name, event_type.current);
    for (version, step) in &event_type.steps {
        if let Some(expression) = step.set.get(name) {
            about.push_str(&format!("\n\nFrom version {version} to {}: `{expression}`", step.to));
        }
    }
    about
}

fn column(field: &Field) -> KnownColumn {
    let about = METADATA.iter().find(|(name, _)| name == field.name()).map_or("", |(_, about)| *about);
    let fields = match field.data_type() {
        DataType::Struct(fields) => fields.iter().map(|field| column(field)).collect(),
        DataType::List(item) => column(item).fields,
        _ => Vec::new(),
    };
    let (name, type_name) = (field.name().clone(), type_name(field));
    KnownColumn { name, type_name, about: about.to_owned(), fields, place: None }
}

/// A type as contracts and fields write it.
fn type_name(field: &Field) -> String {
    let name = match field.data_type() {
        DataType::Utf8 if field.metadata().contains_key(JSON_MARK) => "json".to_owned(),
        DataType::Utf8 => "string".to_owned(),
        DataType::Boolean => "bool".to_owned(),
        DataType::Int32 => "int32".to_owned(),
        DataType::Int64 => "int64".to_owned(),
        DataType::Float64 => "float64".to_owned(),
        DataType::Decimal128(precision, scale) => format!("decimal({precision},{scale})"),
        DataType::Date32 => "date".to_owned(),
        DataType::Timestamp(TimeUnit::Microsecond, Some(_)) => "timestamp".to_owned(),
        DataType::List(item) => format!("list<{}>", type_name(item)),
        DataType::Struct(_) => "struct".to_owned(),
        other => other.to_string(),
    };
    format!("{name}{}", if field.is_nullable() { "" } else { "!" })
}

/// A name as a part of a JSON pointer.
fn pointer(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}
