//! What a recomputation of a share of a projection's keys reads, for its author.

use arrow::datatypes::DataType;

use super::{Batch, PlannedProjection, Program};
use crate::state::KeyShare;

impl Program {
    /// The relations of which a recomputation of a share of the keys takes all rows, whichever keys it is of. None if the keys fall
    /// into no shares.
    pub fn read_whole(&self, planned: &PlannedProjection) -> Option<Vec<String>> {
        let schema = &planned.compiled.schema;
        let types = schema.key.iter().map(|&column| schema.schema.field(column).data_type());
        if !KeyShare::divides(types.collect::<Vec<&DataType>>()) {
            return None;
        }
        // All shares are alike in what they need.
        let batch = Batch::within(&planned.config, &self.scope(), &schema.key, KeyShare::numbered(0, 2)).ok()?;
        let whole = batch.needed().ok()?.into_iter().filter(|(_, needed)| !needed.is_divided());
        let name = |(source, table): (Option<String>, String)| match source {
            Some(source) => format!("{source}.{table}"),
            None => table,
        };
        Some(whole.map(|(relation, _)| name(relation)).collect())
    }
}
