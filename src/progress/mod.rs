//! How far each source has come, and how honestly an answer can say so.
//!
//! Pure: time arrives as an argument. Nothing here waits, reads or logs.

mod cut;
mod freshness;
mod losses;
mod phase;
mod position;
mod slo;
mod source_progress;
mod source_state;
mod watermark;

pub use cut::{Cut, SourceName};
pub use freshness::{AnswerState, Basis, Freshness, LostMessages, Reads, SourceFreshness, rfc3339};
pub use losses::{Loss, Losses, keep_most};
pub use phase::Phase;
pub use position::Position;
pub use slo::Slo;
pub use source_progress::{Applied, Reached, Resumed, SourceProgress};
pub use source_state::SourceState;
pub use watermark::Watermark;
