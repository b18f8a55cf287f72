//! What decides how a source's messages are read, as part of the identity of what is computed from them.
//!
//! Every field of [`SourceSchema`] is taken apart without `..`, so that a new one does not compile until it is decided
//! here whether it belongs to the identity.

use std::collections::BTreeMap;

use super::cloud_events::is_attribute;
use super::schema::{
    EnvelopeSpec, EventType, LateEvents, Locator, Locators, Naming, NewerVersion, SourceSchema, TimeFormat,
    UnknownEvents, UnreadableTime, UpcastStep, VersionSchema,
};
use super::types::{DataType, Field, FieldType};
use crate::identity::Specification;
use crate::sql::specify_evaluator;

impl SourceSchema {
    /// Adds everything that decides which messages are admitted, with which values.
    pub fn specify(&self, specification: Specification) -> Specification {
        let Self { source, envelope, naming, lateness_us, late_events, .. } = self;
        let Self { max_ahead_us, unreadable_time, unknown_events, newer_version, types, .. } = self;
        let named = specify_envelope(specification.text(source), envelope)
            .text(match naming {
                Naming::AsWritten => "as_written",
                Naming::CamelCase => "camelCase",
            })
            .number(*lateness_us)
            .text(match late_events {
                LateEvents::Correct => "correct",
                LateEvents::Drop => "drop",
            })
            .text(match unknown_events {
                UnknownEvents::Park => "park",
                UnknownEvents::Ignore => "ignore",
                UnknownEvents::Halt => "halt",
            })
            .text(match newer_version {
                NewerVersion::Park => "park",
                NewerVersion::ReadAsLatest => "read_as_latest",
            });
        let named = named.list(types.iter(), specify_type);
        // The publish time is always readable.
        if envelope.time.0.is_empty() {
            return named;
        }
        named.text("event_time/2").number(*max_ahead_us).text(match unreadable_time {
            UnreadableTime::Park => "park",
            UnreadableTime::UsePublishTime => "use_publish_time",
        })
    }
}

/// Admitted events by type and stored version.
pub type AdmittedCounts = BTreeMap<String, BTreeMap<u32, u64>>;

impl SourceSchema {
    /// Whether events that were admitted as this declares are the same, with the same values, as the other declares, given that
    /// both are equal but for their types.
    ///
    /// # Errors
    /// Which of them would not be, as a sentence.
    pub fn check_admitted(&self, other: &SourceSchema, admitted: &AdmittedCounts) -> Result<(), String> {
        if other.late_events == LateEvents::Drop {
            return Err("events that come late are dropped, and what was parked would come late".to_owned());
        }
        let is_new = |one: &&EventType| !self.types.iter().any(|known| known.name == one.name);
        if let Some(new) = other.types.iter().find(is_new)
            && self.unknown_events == UnknownEvents::Ignore
        {
            return Err(format!("events of type `{}` were ignored, and are not there any more", new.name));
        }
        let is_gone = |one: &&EventType| !other.types.iter().any(|kept| kept.name == one.name);
        if let Some(gone) = self.types.iter().find(is_gone)
            && other.unknown_events != UnknownEvents::Park
        {
            return Err(format!(
                "events of type `{}` are not declared any more, and unknown events are not parked",
                gone.name
            ));
        }
        for (name, versions) in admitted {
            let passed = versions.iter().filter(|(_, count)| **count > 0).map(|(version, _)| *version);
            let Some(first) = passed.min() else { continue };
            let of = |schema: &SourceSchema| {
                let found = schema.types.iter().find(|one| one.name == *name)?;
                // A later version than the current one is read as that.
                let from = first.min(found.current);
                let path = EventType {
                    versions: found.versions.range(from..).map(|(version, one)| (*version, one.clone())).collect(),
                    steps: found.steps.range(from..).map(|(version, step)| (*version, step.clone())).collect(),
                    ..found.clone()
                };
                Some(specify_type(Specification::of("path/1"), &path).finish())
            };
            if of(self).is_none() || of(self) != of(other) {
                return Err(format!(
                    "events of type `{name}`, from version {first} on, were admitted in the way that has changed"
                ));
            }
        }
        Ok(())
    }
}

fn specify_envelope(specification: Specification, envelope: &EnvelopeSpec) -> Specification {
    let EnvelopeSpec { event_type, version, id, key, time, data } = envelope;
    let locators = [event_type, version, id, key, time];
    let named = specification
        .list(locators.into_iter(), |specification, Locators(locators)| {
            specification.list(locators.iter(), specify_locator)
        })
        .text(data);
    let is_read_anew = |Locators(locators): &Locators| locators.iter().any(is_read_anew);
    let is_in_body = |Locators(locators): &Locators| locators.iter().any(|one| matches!(one, Locator::Body(_)));
    match locators.into_iter().any(is_read_anew) || [version, id, key].into_iter().any(is_in_body) {
        true => named.text("envelope/2"),
        false => named,
    }
}

/// Whether a place is read otherwise than at first: attributes of CloudEvents are decoded, and what does not match a pattern
/// is parked, as are facts in the body that are no scalars.
fn is_read_anew(locator: &Locator) -> bool {
    match locator {
        Locator::Header(name) => is_attribute(name),
        Locator::Time { at, .. } => is_read_anew(at),
        Locator::Match { .. } => true,
        Locator::Subject(_) | Locator::Body(_) | Locator::Stream | Locator::Const(_) => false,
    }
}

fn specify_locator(specification: Specification, locator: &Locator) -> Specification {
    match locator {
        Locator::Header(name) => specification.text("header").text(name),
        Locator::Subject(token) => specification.text("subject").index(*token),
        Locator::Body(pointer) => specification.text("body").text(pointer),
        Locator::Stream => specification.text("stream"),
        Locator::Const(value) => specification.text("const").text(value),
        Locator::Time { at, format } => specify_locator(specify_time_format(specification.text("time"), format), at),
        Locator::Match { at, pattern } => specify_locator(specification.text("match").text(pattern.as_str()), at),
    }
}

fn specify_time_format(specification: Specification, format: &TimeFormat) -> Specification {
    match format {
        TimeFormat::Named(format) => specification.text(format.name()),
        TimeFormat::Pattern { pattern, zone } => {
            let zone = zone.as_ref().map(|zone| zone.name.as_str());
            specification.text("pattern").text(pattern).option(zone, Specification::text)
        }
    }
}

fn specify_type(specification: Specification, event_type: &EventType) -> Specification {
    let EventType { name, table, current, versions, steps } = event_type;
    let named = specification.text(name).text(table).number(*current);
    let versions = named.list(versions.iter(), |specification, (version, VersionSchema { fields })| {
        specification.number(*version).list(fields.iter(), specify_field)
    });
    versions.list(steps.iter(), |specification, (from, UpcastStep { to, set })| {
        let step = specification.number(*from).number(*to);
        let step = if set.is_empty() { step } else { specify_evaluator(step) };
        step.list(set.iter(), |specification, (column, sql)| specification.text(column).text(sql))
    })
}

fn specify_field(specification: Specification, field: &Field) -> Specification {
    let Field { name, field_type, from } = field;
    specify_field_type(specification.text(name), field_type)
        .option(from.as_deref(), |specification, pointer| specification.text(pointer))
}

fn specify_field_type(specification: Specification, field_type: &FieldType) -> Specification {
    let FieldType { data_type, required } = field_type;
    specify_data_type(specification.flag(*required), data_type)
}

fn specify_data_type(specification: Specification, data_type: &DataType) -> Specification {
    match data_type {
        DataType::String => specification.text("string"),
        DataType::Bool => specification.text("bool"),
        DataType::Int32 => specification.text("int32"),
        DataType::Int64 => specification.text("int64"),
        DataType::Float32 => specification.text("float32"),
        DataType::Float64 => specification.text("float64"),
        DataType::Decimal { precision, scale } => specification.text("decimal").number(*precision).number(*scale),
        DataType::Date => specification.text("date"),
        DataType::Timestamp(format) => specification.text("timestamp").text(format.name()),
        DataType::Json => specification.text("json"),
        DataType::List(item) => specify_field_type(specification.text("list"), item),
        DataType::Map(value) => specify_field_type(specification.text("map"), value),
        DataType::Struct(fields) => specification.text("struct").list(fields.iter(), specify_field),
    }
}
