//! Configuration: raw YAML, checked into the types that the other rooms are built from.
//!
//! Pure: the caller reads files and the environment. All problems are reported at once, each with its place.

mod case;
mod checked;
mod code;
mod cursor;
mod diagnostic;
mod effective;
mod envelope;
mod field_type;
mod fields;
#[cfg(test)]
mod full_example;
#[cfg(test)]
mod golden;
mod history;
mod listeners;
mod load;
mod named_types;
mod names;
mod nats;
mod nats_context;
mod paths;
mod place;
mod projection;
mod query;
mod reader;
mod schema;
pub(crate) mod search_fields;
mod sensitive;
mod settings;
mod source;
mod store_access;
mod subject;
mod substitute;
mod suggest;
mod yaml;

pub use case::{CASES_ENDING, Case, ExpectedAnswer, ExpectedHits, ExpectedRow, GivenEvent, Sought, Then, cases};
pub use checked::*;
pub use code::{Code, page};
pub use cursor::{Cursor, Stands, cursor};
pub use diagnostic::{Diagnostic, Severity};
pub use effective::effective;
pub use load::{Loaded, load, load_so_far, load_without_policies};
pub use names::{is_identifier, is_reserved, is_reserved_schema, snake_case};
pub use paths::{Files, FolderEntry};
pub use place::{Place, Places};
pub use schema::{DocumentKind, Offers, offers, schema};
pub use subject::overlap as subjects_overlap;
