//! The incremental part: Z-set operators over Arrow batches.
//!
//! Pure: no tokio, clock, files or network. One synchronous step a commit, in topological order.

mod aggregate;
mod arrangement;
mod bit_counts;
mod closing;
mod difference;
mod digest;
mod dyadic;
mod error;
mod exact_moments;
mod exact_sum;
mod first_slots;
mod graph;
mod graph_state;
mod groups;
mod join;
mod keyed_rows;
mod map;
mod memo;
mod node_facts;
mod operator;
mod partition;
mod persisted_batch;
mod report;
mod row_codec;
mod row_errors;
mod row_wise;
mod sharing;
mod shown;
mod sized_batch;
mod sorted_slots;
mod stateful;
mod unbudgeted;
mod unnest;
mod zset;

pub use aggregate::{Aggregate, AggregateSpec, Call, Function, TotalFunction, interpolated};
pub use bit_counts::BitOperation;
pub use closing::{ClosingSpec, Watermarks};
pub use error::{Attributable, CircuitError};
pub use exact_moments::{ExactMoments, Spread};
pub use exact_sum::{ExactSum, canonical};
pub use graph::{Circuit, Node, StepInput};
pub use graph_state::OperatorStores;
pub use join::{Join, JoinSpec, Unmatched};
pub use map::Map;
pub use memo::Memo;
pub use operator::Operator;
pub use partition::{Partition, PartitionOutput, PartitionSpec, Ranking, RankingFunction, Rerun};
pub use report::OperatorReport;
pub use row_errors::RowError;
pub use sharing::share;
pub use shown::{shown_columns, shown_row};
pub use stateful::{Handle, Handles, Stateful};
pub use unnest::Unnest;
pub use zset::{Weights, ZBatch};
