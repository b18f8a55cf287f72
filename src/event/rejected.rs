//! An event that could not be admitted, with the reason a person needs to mend it.

use super::Message;

/// Why an event was rejected. Closed, because it is a metric label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// No locator gave a type.
    MissingType,
    /// The type is not declared and `unknown_events` is `park`.
    UnknownType,
    /// A version later than the declared one.
    NewerVersion,
    /// A version that the history does not know, or that is not a number.
    UnknownVersion,
    /// The payload is not JSON.
    Malformed,
    MissingField,
    WrongType,
    OutOfRange,
    /// An upcaster step failed on this event.
    Upcast,
    /// A projection's expression failed on this event alone.
    Projection,
}

impl Reason {
    pub const ALL: [Reason; 10] = [
        Reason::MissingType,
        Reason::UnknownType,
        Reason::NewerVersion,
        Reason::UnknownVersion,
        Reason::Malformed,
        Reason::MissingField,
        Reason::WrongType,
        Reason::OutOfRange,
        Reason::Upcast,
        Reason::Projection,
    ];

    pub fn label(self) -> &'static str {
        match self {
            Reason::MissingType => "missing_type",
            Reason::UnknownType => "unknown_type",
            Reason::NewerVersion => "newer_version",
            Reason::UnknownVersion => "unknown_version",
            Reason::Malformed => "malformed",
            Reason::MissingField => "missing_field",
            Reason::WrongType => "wrong_type",
            Reason::OutOfRange => "out_of_range",
            Reason::Upcast => "upcast",
            Reason::Projection => "projection",
        }
    }
}

/// One rejected event. It keeps the message whole, so that nothing is lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    pub message: Message,
    pub reason: Reason,
    /// JSON pointer of the culprit in the message's body, where there is one.
    pub pointer: Option<String>,
    /// What was wrong, in a sentence.
    pub detail: String,
    /// The declared event type, if it got that far.
    pub event_type: Option<String>,
    /// The type that its envelope gives, if nobody declares that. It may be any text, so nothing is counted by it.
    pub undeclared_type: Option<String>,
    /// Whether it came late; none if that was not kept, as by older builds.
    pub late: Option<bool>,
}

impl Rejected {
    /// The event's type as a person is told of it, declared or not.
    pub fn type_name(&self) -> Option<&str> {
        self.event_type.as_deref().or(self.undeclared_type.as_deref())
    }
}
