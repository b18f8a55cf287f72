//! What `verify` computes of a share of the keys: the shares have the rows of the whole result between them, and no others.

use std::collections::BTreeMap;

use arrow::array::RecordBatch;
use readside::plan::{Batch, Needed, RelationName, Scope, Selected};
use readside::state::KeyShare;

use super::rows::{Bag, add};

/// The shares of a projection's keys.
pub(super) struct Shares(Vec<(KeyShare, Batch, BTreeMap<RelationName, Needed>)>);

impl Shares {
    /// No shares, if the key cannot be divided.
    pub(super) fn of(selected: Selected<'_>, scope: &Scope, name: &str) -> Result<Self, String> {
        let projection = &scope.projections[name];
        let types = projection.key.iter().map(|&column| projection.schema.field(column).data_type());
        if !KeyShare::divides(types) {
            return Ok(Self(Vec::new()));
        }
        let shares = [0, 1].map(|number| {
            let share = KeyShare::numbered(number, 2);
            let batch = Batch::within(selected, scope, &projection.key, share).map_err(|refusal| refusal.message)?;
            let needed = batch.needed().map_err(|refusal| refusal.message)?;
            Ok((share, batch, needed))
        });
        shares.into_iter().collect::<Result<_, String>>().map(Self)
    }

    /// What is wrong with them, given the rows of each relation and the whole result.
    pub(super) fn check(
        &self,
        rows: &dyn Fn(Option<&str>, &str) -> Vec<RecordBatch>,
        whole: &RecordBatch,
    ) -> Result<(), String> {
        if self.0.is_empty() {
            return Ok(());
        }
        let (mut expected, mut found) = (Bag::new(), Bag::new());
        add(&mut expected, whole, |_| 1);
        for (share, batch, needed) in &self.0 {
            let some = |source: Option<&str>, table: &str| -> Vec<RecordBatch> {
                let needed = &needed[&(source.map(str::to_owned), table.to_owned())];
                rows(source, table).into_iter().map(|rows| needed.of(rows, *share).unwrap()).collect()
            };
            let part = batch.run(&some).map_err(|refusal| format!("share {share}: {}", refusal.message))?;
            add(&mut found, &part, |_| 1);
        }
        if found == expected { Ok(()) } else { Err(format!("the shares give {found:?}, and all is {expected:?}")) }
    }
}
