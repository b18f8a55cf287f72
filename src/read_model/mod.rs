//! Read models: what a projection's delta is kept in, and the snapshot that readers see, through [`ReadView`] alone.

pub mod catalog;
mod comparison;
mod guarded;
mod input_rows;
mod model;
mod read_view;
pub mod search;
pub mod table;

pub use comparison::{Comparison, KeyDifference, KeyFault};
pub use input_rows::InputRows;
pub use model::{Published, ReadModel, TakeError};
pub use read_view::{NotServed, OpenRelation, OpenTable, ReadView, RelationRows};
pub use table::{OrderedRead, OrderedRows, RowsVersion, SortColumn};
