//! What a caller may see: claims, the policies over the rows of relations, and what these come to for one caller.
//!
//! Pure, and without rows of its own: whoever has rows asks for a [`Permit`] and lets it look at them first. Who a caller is
//! was found out before.

mod caller;
mod claims;
mod functions;
mod permit;
mod policies;
mod visibility;

pub use caller::Caller;
pub use claims::Claims;
pub use functions::{is_claim, register_claims};
pub use permit::{Permit, Permitted};
pub use policies::{Denied, Policies, RelationPolicy, RowFilter};
pub use visibility::Visibility;
