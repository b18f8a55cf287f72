//! Groups that no event can reach any more.
//!
//! Where late events are dropped and a key follows event time, a group is closed once the watermark's own key is
//! beyond it. Its result stays; what an operator keeps to go on computing it is let go.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, TimestampMicrosecondArray};
use arrow::compute::SortOptions;
use arrow::datatypes::{Field, Schema};
use arrow::error::ArrowError;
use datafusion::physical_expr::PhysicalExpr;

use super::CircuitError;
use super::row_codec::RowCodec;
use crate::event::timestamp;

/// How a key follows the event time of a source, decided by the planner.
#[derive(Debug, Clone)]
pub struct ClosingSpec {
    pub source: String,
    /// Which of the operator's keys.
    pub key: usize,
    /// The key of an event as a function of its time, which is the only column. It never falls as time goes on.
    pub key_at: Arc<dyn PhysicalExpr>,
}

/// The open groups of an operator in the order of their keys.
#[derive(Debug)]
pub(super) struct Closing {
    spec: ClosingSpec,
    codec: RowCodec,
    open: BTreeMap<Box<[u8]>, Vec<u32>>,
    watermark_us: Option<i64>,
}

/// Microseconds since the epoch, by source.
pub type Watermarks<'a> = BTreeMap<&'a str, i64>;

impl ClosingSpec {
    /// The only column that a key is a function of.
    pub fn time_schema() -> Schema {
        Schema::new(vec![Field::new("_time", timestamp(), false)])
    }
}

impl Closing {
    pub(super) fn new(spec: ClosingSpec) -> Result<Self, CircuitError> {
        let data_type = spec.key_at.data_type(&ClosingSpec::time_schema())?;
        let codec = RowCodec::new([(data_type, SortOptions { descending: false, nulls_first: true })])?;
        Ok(Self { spec, codec, open: BTreeMap::new(), watermark_us: None })
    }

    /// Registers the groups that this step created, with all their keys, for their windows' end.
    pub(super) fn open(&mut self, slots: &[u32], keys: &[ArrayRef]) -> Result<(), ArrowError> {
        if slots.is_empty() {
            return Ok(());
        }
        let rows = self.codec.encode(&keys[self.spec.key..=self.spec.key])?;
        for (slot, row) in slots.iter().zip(&rows) {
            self.open.entry(row.data().into()).or_default().push(*slot);
        }
        Ok(())
    }

    /// The groups that the watermark has closed. They are not open any more.
    pub(super) fn close(&mut self, watermarks: &Watermarks<'_>) -> Result<Vec<u32>, CircuitError> {
        let watermark = watermarks.get(self.spec.source.as_str()).copied();
        let Some(time) = watermark.filter(|_| watermark > self.watermark_us) else { return Ok(Vec::new()) };
        self.watermark_us = watermark;
        let column = TimestampMicrosecondArray::from(vec![time]).with_timezone("UTC");
        let now = RecordBatch::try_new(Arc::new(ClosingSpec::time_schema()), vec![Arc::new(column)])?;
        let key = self.spec.key_at.evaluate(&now)?.into_array(1)?;
        let first_open = self.codec.encode(&[key])?;
        let open = self.open.split_off(first_open.row(0).data());
        Ok(std::mem::replace(&mut self.open, open).into_values().flatten().collect())
    }
}
