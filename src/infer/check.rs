//! What was inferred, tried: read as the daemon reads its files, and over the same events with the daemon's own decoder.

use std::io;
use std::sync::Arc;

use arrow::error::ArrowError;

use super::InferError;
use super::event_type::Caution;
use super::facts::Facts;
use crate::config::{Files, load};
use crate::event::{Decoder, Message, Reason, Rejected};
use crate::progress::Watermark;

const ROOT: &str = "readside.yaml";
const SOURCE: &str = "source.yaml";

/// The events that would be parked.
///
/// # Errors
/// It is not valid, which is a mistake of whoever inferred it.
pub(super) fn parked(text: &str, messages: &[Message]) -> Result<Vec<Rejected>, InferError> {
    let read = |path: &str| match path {
        ROOT => Ok(format!("sources: {SOURCE}\n")),
        SOURCE => Ok(text.to_owned()),
        other => Err(io::Error::other(format!("no file {other}"))),
    };
    let files = Files { list: &|_| Ok(Vec::new()), read: &read };
    let loaded = load(ROOT, &files, &|_| None).map_err(|found| invalid(text, found.iter().map(ToString::to_string)))?;
    let source = loaded.config.sources.into_iter().next().ok_or_else(|| invalid(text, std::iter::empty()))?;
    let decoder = Decoder::new(Arc::new(source.schema));
    let decoder = decoder.map_err(|found| invalid(text, found.into_iter().map(|problem| problem.message)))?;
    let mut watermark = Watermark::new(0, None);
    let decoded = decoder.decode(messages, &mut watermark).map_err(|error: ArrowError| InferError::Decode(error))?;
    Ok(decoded.rejected)
}

fn invalid(text: &str, problems: impl Iterator<Item = String>) -> InferError {
    InferError::Invalid { text: text.to_owned(), problems: problems.collect::<Vec<_>>().join("\n") }
}

/// Takes from events that would be parked what is to be declared more widely. False if nothing can be.
pub(super) fn learn(rejected: &[Rejected], facts: &Facts, caution: &mut Caution) -> bool {
    let mut is_new = false;
    for one in rejected {
        let times = || facts.times.iter().map(|(place, _)| place);
        let is_time = |pointer: &str| times().any(|place| place.written() == format!("body:{pointer}"));
        let event_type = one.event_type.clone().unwrap_or_default();
        is_new |= match (one.reason, one.pointer.as_deref()) {
            (Reason::Upcast, _) => caution.no_renames.insert(event_type),
            (Reason::MissingField | Reason::WrongType | Reason::OutOfRange, Some(pointer)) => {
                let below = pointer.strip_prefix(facts.data.as_deref().unwrap_or_default());
                let token = below.and_then(|below| below.split('/').nth(1)).unwrap_or_default();
                let member = token.replace("~1", "/").replace("~0", "~");
                let is_new = caution.members.insert((event_type, member));
                is_new || is_time(pointer) && !std::mem::replace(&mut caution.no_times, true)
            }
            // Too far beyond its publishing, or a header that is no time.
            (Reason::OutOfRange | Reason::WrongType, None) => !std::mem::replace(&mut caution.no_times, true),
            _ => false,
        };
    }
    is_new
}
