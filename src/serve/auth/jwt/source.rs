//! Where keys come from, and when they are looked at again: a file once a second, a URL every five minutes, and at once when a token
//! names a key that nobody knows, as after a rotation.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::keys::{Keys, KeysError};
use super::{KeySource, Verifier, provider};
use crate::config::Jwt;
use crate::serve::file_version::FileVersion;
use crate::tls::of_the_system;

const FILE_EVERY: Duration = Duration::from_secs(1);
const URL_EVERY: Duration = Duration::from_secs(300);
/// After a failure, and between two tokens with keys that nobody knows: strangers must not have the keys asked for all the time.
const URL_AGAIN: Duration = Duration::from_secs(10);
const URL_TIMEOUT: Duration = Duration::from_secs(10);
const SET_BYTES_MAX: u64 = 1 << 20;

/// Why the keys cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    #[error("the keys in {}: {cause}", .path.display())]
    File { path: PathBuf, cause: io::Error },
    #[error("the keys at {url}: {cause}")]
    Url { url: String, cause: ureq::Error },
    #[error("the keys in {place}: {cause}")]
    Keys { place: String, cause: KeysError },
}

impl KeySource {
    pub(super) fn of(text: &str) -> Self {
        match text.starts_with("https://") || text.starts_with("http://") {
            true => KeySource::Url(text.to_owned()),
            false => KeySource::File(PathBuf::from(text)),
        }
    }
}

pub(super) fn read_file(path: &Path) -> Result<Keys, SourceError> {
    let text = std::fs::read_to_string(path);
    let text = text.map_err(|cause| SourceError::File { path: path.to_owned(), cause })?;
    Keys::read(&text).map_err(|cause| SourceError::Keys { place: path.display().to_string(), cause })
}

/// How many keys there are now, in the file or at the URL. Nothing else is done while a URL is asked.
///
/// # Errors
/// If they cannot be had, or are none.
pub fn keys_there(config: &Jwt) -> Result<usize, SourceError> {
    provider::install();
    let keys = match KeySource::of(&config.keys) {
        KeySource::File(path) => read_file(&path),
        KeySource::Url(url) => fetch(&url),
    };
    keys.map(|keys| keys.count())
}

impl Verifier {
    /// Takes what the keys have become, for as long as it is polled. What cannot be read changes nothing.
    pub(in crate::serve::auth) async fn follow(self) {
        match self.0.source.clone() {
            KeySource::File(path) => self.follow_file(&path).await,
            KeySource::Url(url) => self.follow_url(&url).await,
        }
    }

    async fn follow_file(&self, path: &Path) {
        let mut known = FileVersion::default();
        loop {
            let now = FileVersion::look(path).await;
            if now != known {
                self.read_again(read_file(path), &path.display().to_string());
                known = now;
            }
            tokio::time::sleep(FILE_EVERY).await;
        }
    }

    async fn follow_url(&self, url: &str) {
        loop {
            let asked = url.to_owned();
            let fetched = tokio::task::spawn_blocking(move || fetch(&asked)).await;
            let Ok(fetched) = fetched else { return };
            let is_there = self.read_again(fetched, url);
            tokio::time::sleep(URL_AGAIN).await;
            if is_there {
                tokio::select! {
                    () = tokio::time::sleep(URL_EVERY) => {}
                    () = self.0.unknown_key.notified() => {}
                }
            }
        }
    }

    /// Whether they could be read.
    fn read_again(&self, read: Result<Keys, SourceError>, place: &str) -> bool {
        match read {
            Ok(keys) => {
                self.take(keys);
                tracing::info!(place, "the keys of tokens were read");
                true
            }
            Err(error) => {
                tracing::warn!(%error, "the keys of tokens cannot be read; those of before hold");
                false
            }
        }
    }
}

fn fetch(url: &str) -> Result<Keys, SourceError> {
    let agent: ureq::Agent =
        ureq::Agent::config_builder().tls_config(of_the_system()).timeout_global(Some(URL_TIMEOUT)).build().into();
    let fetched = agent.get(url).call();
    let text = fetched.and_then(|mut response| response.body_mut().with_config().limit(SET_BYTES_MAX).read_to_string());
    let text = text.map_err(|cause| SourceError::Url { url: url.to_owned(), cause })?;
    Keys::read(&text).map_err(|cause| SourceError::Keys { place: url.to_owned(), cause })
}
