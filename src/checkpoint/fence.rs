//! The right to write: one epoch a writer, claimed by conditional create. A higher epoch fences all lower ones.

use std::fmt;

use object_store::PutPayload;
use serde::{Deserialize, Serialize};

use super::error::StoreFailure;
use super::vault::{Created, EPOCHS, Vault, numbered};

/// A daemon that writes checkpoints, or did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Writer {
    /// Unique to one opening of one process.
    pub id: String,
    pub epoch: u64,
}

impl fmt::Display for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "writer `{}` (epoch {})", self.id, self.epoch)
    }
}

/// Claims the next epoch. Every writer with a lower one is fenced from here on.
pub(super) async fn claim(vault: &Vault, id: &str) -> Result<Writer, StoreFailure> {
    loop {
        let greatest = vault.numbers(EPOCHS).await?.last().copied().unwrap_or(0);
        let writer = Writer { id: id.to_owned(), epoch: greatest + 1 };
        if create_claim(vault, &writer).await? == Created::Yes {
            return Ok(writer);
        }
    }
}

/// Tries to create the claim of a writer. One that is there is left as it is, unless the store does not heed conditions.
pub(super) async fn create_claim(vault: &Vault, writer: &Writer) -> Result<Created, StoreFailure> {
    let text = serde_json::json!(writer).to_string();
    vault.create(&numbered(EPOCHS, writer.epoch), PutPayload::from(text)).await
}

/// Whether a writer still has the right to write.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Claim {
    Held,
    /// Another writer has a higher epoch.
    Taken(Writer),
    /// The claim is not there any more: the place was deleted, or another one was put there.
    Gone,
}

/// Looks at the claim of a writer.
pub(super) async fn look(vault: &Vault, writer: &Writer) -> Result<Claim, StoreFailure> {
    let epochs = vault.numbers(EPOCHS).await?;
    match epochs.last().copied() {
        Some(epoch) if epoch > writer.epoch => {
            let text = vault.read(&numbered(EPOCHS, epoch)).await?.unwrap_or_default();
            // A claim that was torn counts all the same: its number is taken.
            let id = claimant(&text).unwrap_or_else(|| "unknown".to_owned());
            Ok(Claim::Taken(Writer { id, epoch }))
        }
        Some(epoch) if epoch == writer.epoch => {
            let text = vault.read(&numbered(EPOCHS, epoch)).await?.unwrap_or_default();
            // An own claim that was torn is an own claim.
            Ok(if claimant(&text).is_none_or(|id| id == writer.id) { Claim::Held } else { Claim::Gone })
        }
        _ => Ok(Claim::Gone),
    }
}

fn claimant(text: &[u8]) -> Option<String> {
    serde_json::from_slice::<Writer>(text).ok().map(|writer| writer.id)
}
