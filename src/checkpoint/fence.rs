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
        let text = serde_json::json!(&writer).to_string();
        if vault.create(&numbered(EPOCHS, writer.epoch), PutPayload::from(text)).await? == Created::Yes {
            return Ok(writer);
        }
    }
}

/// The writer with the highest epoch, if it is not this one.
pub(super) async fn successor(vault: &Vault, writer: &Writer) -> Result<Option<Writer>, StoreFailure> {
    let Some(epoch) = vault.numbers(EPOCHS).await?.last().copied().filter(|epoch| *epoch > writer.epoch) else {
        return Ok(None);
    };
    let text = vault.read(&numbered(EPOCHS, epoch)).await?.unwrap_or_default();
    // A claim that was torn counts all the same: its number is taken.
    let id = serde_json::from_slice(&text).map_or_else(|_| "unknown".to_owned(), |writer: Writer| writer.id);
    Ok(Some(Writer { id, epoch }))
}
