//! DataFusion as this crate uses it: the session that everything is planned in, and one file for each fault or claim of
//! DataFusion's that would make a result wrong.

mod group_keys;
mod opaque;
mod order_once;
mod property_fence;
mod session;
pub(in crate::plan) mod subqueries;

pub use opaque::opaque;
pub use session::{session, sound};
