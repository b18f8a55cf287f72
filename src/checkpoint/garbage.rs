//! Removes what no kept checkpoint needs. Housekeeping: a failure is reported and the rest is left for the next time.

use std::collections::BTreeSet;

use super::error::StoreFailure;
use super::fence::{Claim, Writer, look};
use super::manifest::Manifest;
use super::vault::{EPOCHS, MANIFESTS, OBJECTS, Vault, numbered};

/// Objects that are removed at one time, at most.
const BATCH: usize = 1000;

/// Removes manifests before the newest of `kept` that are not kept, and objects that neither `kept` nor `pinned` needs.
pub(super) async fn collect(vault: &Vault, writer: &Writer, kept: &[&Manifest], pinned: &BTreeSet<&str>) {
    if let Err(StoreFailure { object, source, .. }) = try_collect(vault, writer, kept, pinned).await {
        tracing::warn!(object, error = %source, "checkpoint garbage was not collected");
    }
}

async fn try_collect(
    vault: &Vault,
    writer: &Writer,
    kept: &[&Manifest],
    pinned: &BTreeSet<&str>,
) -> Result<(), StoreFailure> {
    let Some(newest) = kept.iter().map(|manifest| manifest.number).max() else { return Ok(()) };
    let needed: BTreeSet<&str> =
        kept.iter().flat_map(|manifest| manifest.objects()).chain(pinned.iter().copied()).collect();
    let superseded = |number: u64| number < newest && kept.iter().all(|manifest| manifest.number != number);
    let manifests = vault.numbers(MANIFESTS).await?.into_iter().filter(|number| superseded(*number));
    let manifests: Vec<String> = manifests.map(|number| numbered(MANIFESTS, number)).take(BATCH).collect();
    let epochs = vault.numbers(EPOCHS).await?.into_iter().filter(|epoch| *epoch < writer.epoch);
    let epochs: Vec<String> = epochs.map(|epoch| numbered(EPOCHS, epoch)).take(BATCH).collect();
    let objects = vault.names(OBJECTS, BATCH, |name| !needed.contains(name)).await?;

    // The epoch is checked after everything was listed. Had another writer claimed a higher one before the check, nothing is
    // deleted; if later, then what they wrote is not in the lists.
    if look(vault, writer).await? != Claim::Held {
        return Ok(());
    }
    // Manifests go before their objects, so that none is ever seen that lacks some.
    let full = manifests.len() == BATCH;
    let left = vault.delete(manifests).await;
    if left > 0 || full {
        return Ok(());
    }
    let left = vault.delete(objects).await + vault.delete(epochs).await;
    if left > 0 {
        tracing::warn!(left, "checkpoint garbage could not be deleted");
    }
    Ok(())
}
