//! The data directory: can checkpoints be kept there, is there room, and what is there.

use std::path::Path;
use std::time::Duration;

use super::{Checked, written};
use crate::checkpoint::{Manifest, Place, newest_manifest, probe};
use crate::config::Config;
use crate::source::explain;

const SUBJECT: &str = "data_dir";

/// A checkpoint is several such writes, and they delay nothing but the next one.
const SLOW: Duration = Duration::from_millis(500);
/// Below these a daemon that has nothing yet is soon at an end.
const ROOM_MIN: u64 = 256 << 20;
const FILES_MIN: u64 = 1_000;
/// Two checkpoints, and what one of them writes anew.
const TIMES: u64 = 3;

/// What is wrong with it, and the newest checkpoint that is there.
pub(super) async fn place(config: &Config) -> (Vec<Checked>, Option<Manifest>) {
    let place = Place::new(&config.data_dir, &config.object_store);
    if place.location.starts_with("memory://") {
        let told = "memory://: checkpoints end with the process, and each start reads its streams from the beginning";
        return (vec![Checked::fine(SUBJECT, told)], None);
    }
    let mut checked = vec![match probe(&place).await {
        Ok(took) => writable(&place, took),
        Err(error) => {
            let advice = "a daemon does not start there: see to it that its user may create, read and delete there, or name another place";
            Checked::wrong(SUBJECT, explain(&error), advice)
        }
    }];
    let is_there = place.folder().is_none_or(|folder| Path::new(folder).exists());
    let manifest = match is_there {
        true => newest_manifest(&place).await,
        false => Ok(None),
    };
    let manifest = match manifest {
        Ok(manifest) => {
            checked.push(held(manifest.as_ref()));
            manifest
        }
        // Where nothing can be written the reason is the same.
        Err(_) if checked[0].outcome != super::Outcome::Fine => None,
        Err(error) => {
            checked.push(Checked::wrong(
                "checkpoint",
                explain(&error),
                "`readside checkpoint list` shows what is there",
            ));
            None
        }
    };
    checked.extend(place.folder().and_then(|folder| room(Path::new(folder), manifest.as_ref())));
    (checked, manifest)
}

fn writable(place: &Place, took: Duration) -> Checked {
    if took < SLOW {
        return Checked::fine(SUBJECT, format!("{place} can be written durably, read and listed"));
    }
    let told = format!("{place} can be written, but one durable write took {} ms", took.as_millis());
    Checked::warning(
        SUBJECT,
        told,
        "a checkpoint is several of them: use a faster disk, or a longer `checkpoint.interval`",
    )
}

fn held(manifest: Option<&Manifest>) -> Checked {
    let Some(manifest) = manifest.filter(|manifest| !manifest.content.sources.is_empty()) else {
        return Checked::fine("checkpoint", "none yet: everything is built from the beginning of the streams");
    };
    let sources = manifest.content.sources.iter();
    let cut: Vec<String> = sources.map(|(name, source)| format!("{name}:{}", source.covered)).collect();
    Checked::fine("checkpoint", format!("{} at {}", manifest.number, cut.join(" ")))
}

/// Room for what checkpoints will need, as far as it is known of the last one.
fn room(folder: &Path, manifest: Option<&Manifest>) -> Option<Checked> {
    let (bytes, files) = free(folder)?;
    let held = manifest.map_or(0, |manifest| manifest.bytes().stores + manifest.bytes().indexes);
    let free = format!("{} and {files} files free", written(bytes));
    let advice = "make room; while there is none a daemon goes on without checkpoints, and does not start again";
    Some(if bytes < held.max(ROOM_MIN / 8) || files < FILES_MIN / 10 {
        Checked::wrong("disk", format!("{free}, and a checkpoint has {}", written(held)), advice)
    } else if bytes < (held * TIMES).max(ROOM_MIN) || files < FILES_MIN {
        let told = format!("{free}, and {TIMES} times a checkpoint of {} may be needed", written(held));
        Checked::warning("disk", told, advice)
    } else {
        Checked::fine("disk", free)
    })
}

/// Bytes and files that a user may still create where the folder is, or would be.
#[cfg(target_os = "linux")]
fn free(folder: &Path) -> Option<(u64, u64)> {
    let folder = std::path::absolute(folder).ok()?;
    let there = folder.ancestors().find(|one| one.exists())?;
    let found = rustix::fs::statvfs(there).ok()?;
    // Some file systems count no files.
    let files = if found.f_files == 0 { u64::MAX } else { found.f_favail };
    Some((found.f_bavail.saturating_mul(found.f_frsize), files))
}

#[cfg(not(target_os = "linux"))]
fn free(_folder: &Path) -> Option<(u64, u64)> {
    None
}
