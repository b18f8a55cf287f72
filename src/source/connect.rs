//! Connecting to NATS as the configuration says. Reading streams is `jetstream`'s.

use std::error::Error;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_nats::{AuthError, Client, ConnectOptions, Event, ServerAddr, ServerError, jetstream};

use crate::config;

/// More than the messages that a source ever has outstanding: a subscription beyond its capacity drops silently.
const SUBSCRIPTION_CAPACITY: usize = 131_072;
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// The client gives a connection up after three of these without a whole message, of which one may take that long on a slow link. A
/// source notices a dead connection sooner (`jetstream/flow.rs`).
const PING_INTERVAL: Duration = Duration::from_secs(60);
const RECONNECT_DELAY: Duration = Duration::from_millis(50);
const RECONNECT_DELAY_MAX: Duration = Duration::from_secs(1);

#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    #[error("`{url}` is not a NATS URL; write `nats://host:4222`")]
    Url { url: String, source: std::io::Error },
    #[error("cannot read the NATS credentials in {}", path.display())]
    Credentials { path: PathBuf, source: std::io::Error },
    #[error("cannot read {}, which TLS with NATS needs", path.display())]
    TlsFile { path: PathBuf, source: std::io::Error },
    #[error("cannot use the NATS credentials of the context {context}")]
    OfContext { context: String, source: std::io::Error },
    #[error("cannot connect to NATS at {servers}")]
    Connect { servers: String, source: async_nats::ConnectError },
}

/// Connects once: the first connection is not retried, later ones are, forever.
///
/// # Errors
/// If the server does not answer or refuses the credentials, or a file that the settings name cannot be read.
pub async fn connect(nats: &config::Nats) -> Result<Client, ConnectError> {
    connect_and_hear(nats, &Complaints::default()).await
}

/// What a server has said about what it does not do. It answers a request that is not permitted with nothing, and says so
/// apart from it.
#[derive(Debug, Clone, Default)]
pub(super) struct Complaints(Arc<Mutex<Heard>>);

#[derive(Debug, Default)]
struct Heard {
    last: Option<String>,
    count: u64,
}

impl Complaints {
    fn hear(&self, event: &Event) {
        let text = match event {
            Event::ServerError(ServerError::Other(text)) => text.clone(),
            Event::ServerError(error) => error.to_string(),
            _ => return,
        };
        let mut heard = self.lock();
        heard.last = Some(text);
        heard.count += 1;
    }

    /// The last complaint, once.
    pub(super) fn take(&self) -> Option<String> {
        self.lock().last.take()
    }

    /// How many there were.
    pub(super) fn count(&self) -> u64 {
        self.lock().count
    }

    fn lock(&self) -> MutexGuard<'_, Heard> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The same; what the server complains of later is heard.
pub(super) async fn connect_and_hear(nats: &config::Nats, complaints: &Complaints) -> Result<Client, ConnectError> {
    connect_with(options(nats, complaints).await?, nats).await
}

/// Begins to connect, and goes on with that for as long as it takes.
pub(super) async fn begin(nats: &config::Nats, complaints: &Complaints) -> Result<Client, ConnectError> {
    connect_with(options(nats, complaints).await?.retry_on_initial_connect(), nats).await
}

async fn connect_with(options: ConnectOptions, nats: &config::Nats) -> Result<Client, ConnectError> {
    let servers = nats.urls.iter().map(|url| address(url)).collect::<Result<Vec<_>, _>>()?;
    options.connect(servers).await.map_err(|source| ConnectError::Connect { servers: shown(nats), source })
}

async fn options(nats: &config::Nats, complaints: &Complaints) -> Result<ConnectOptions, ConnectError> {
    let heard = complaints.clone();
    let mut options = ConnectOptions::new()
        .name("readside")
        .subscription_capacity(SUBSCRIPTION_CAPACITY)
        .connection_timeout(REQUEST_TIMEOUT)
        .request_timeout(Some(REQUEST_TIMEOUT))
        .ping_interval(PING_INTERVAL)
        .reconnect_delay_callback(delay)
        .event_callback(move |event| {
            heard.hear(&event);
            async move { tracing::debug!(%event, "nats") }
        });
    if let (Some(user), Some(password)) = (&nats.user, &nats.password) {
        options = options.user_and_password(user.clone(), password.clone());
    }
    if let Some(token) = &nats.token {
        options = options.token(token.clone());
    }
    if let Some(path) = &nats.nkey_file {
        let seed = tokio::fs::read_to_string(path)
            .await
            .map_err(|source| ConnectError::Credentials { path: path.clone(), source })?;
        options = options.nkey(seed_in(&seed));
    }
    if let Some(path) = &nats.credentials_file {
        options = options
            .credentials_file(path)
            .await
            .map_err(|source| ConnectError::Credentials { path: path.clone(), source })?;
    }
    if let Some(prefix) = &nats.inbox_prefix {
        options = options.custom_inbox_prefix(prefix);
    }
    with_tls(with_texts(options, nats)?, &nats.tls).await
}

async fn with_tls(mut options: ConnectOptions, tls: &config::NatsTls) -> Result<ConnectOptions, ConnectError> {
    if *tls == config::NatsTls::default() {
        return Ok(options);
    }
    // Who says how the server proves itself wants it to: without this a server that offers no TLS would be sent the password in the clear.
    options = options.require_tls(true);
    let config::NatsTls { ca, certificate, key, first } = tls;
    for path in [ca, certificate, key].into_iter().flatten() {
        // The library does not say which file it cannot read.
        let read = tokio::fs::File::open(path).await;
        read.map_err(|source| ConnectError::TlsFile { path: path.clone(), source })?;
    }
    if let Some(ca) = ca {
        options = options.add_root_certificates(ca.clone());
    }
    if let (Some(certificate), Some(key)) = (certificate, key) {
        options = options.add_client_certificate(certificate.clone(), key.clone());
    }
    if *first {
        options = options.tls_first();
    }
    Ok(options)
}

/// Adds credentials that no file has.
fn with_texts(mut options: ConnectOptions, nats: &config::Nats) -> Result<ConnectOptions, ConnectError> {
    if let Some(seed) = &nats.nkey {
        options = options.nkey(seed_in(seed));
    }
    if let Some(text) = &nats.credentials {
        let context = nats.context.as_ref().map_or_else(String::new, |context| context.path.clone());
        options = options.credentials(text).map_err(|source| ConnectError::OfContext { context, source })?;
    }
    if let Some(jwt) = &nats.bearer_jwt {
        // Who bears it has no key to sign with, and is asked for no signature.
        options = options.jwt(jwt.clone(), |_| async { Ok::<_, AuthError>(Vec::new()) });
    }
    Ok(options)
}

/// The seed in the text of a file, as `nk` writes one alone, and other tools among lines that say so.
fn seed_in(text: &str) -> String {
    let mut lines = text.lines().map(str::trim);
    lines.find(|line| line.starts_with("SU")).unwrap_or(text.trim()).to_owned()
}

/// JetStream in the configured domain, or account.
pub fn jetstream_context(client: Client, nats: &config::Nats) -> jetstream::Context {
    let builder = jetstream::ContextBuilder::new().timeout(REQUEST_TIMEOUT).ack_timeout(Duration::from_secs(30));
    builder.api_prefix(nats.api_prefix()).build(client)
}

/// The servers for messages.
pub(super) fn shown(nats: &config::Nats) -> String {
    without_user(nats).join(", ")
}

/// The servers' URLs without the user and password that one may carry.
pub fn without_user(nats: &config::Nats) -> Vec<String> {
    nats.urls.iter().map(|url| address_alone(url)).collect()
}

fn address_alone(url: &str) -> String {
    match (url.split_once("://"), url.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, host))) => format!("{scheme}://{host}"),
        (None, Some((_, host))) => host.to_owned(),
        (_, None) => url.to_owned(),
    }
}

/// An error with its causes on one line.
pub fn explain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let part = error.to_string();
        // Some libraries repeat the cause in their own text.
        if !text.contains(&part) {
            text = format!("{text}: {part}");
        }
        cause = error.source();
    }
    text
}

/// The driver asks before the very first attempt, too, as attempt 1: that one must not wait.
fn delay(attempt: usize) -> Duration {
    let failures = u32::try_from(attempt.saturating_sub(1)).unwrap_or(u32::MAX);
    RECONNECT_DELAY.saturating_mul(failures).min(RECONNECT_DELAY_MAX)
}

fn address(url: &str) -> Result<ServerAddr, ConnectError> {
    url.parse().map_err(|source| ConnectError::Url { url: address_alone(url), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_not_shown() {
        let urls = ["nats://user:secret@one:4222", "two:4222", "user:secret@three"].map(str::to_owned).to_vec();
        let nats = config::Nats { urls, ..config::Nats::at("") };
        assert_eq!(shown(&nats), "nats://one:4222, two:4222, three");
    }

    #[test]
    fn a_seed_is_found_alone_and_among_other_lines() {
        let decorated = "-----BEGIN USER NKEY SEED-----\nSUAB\n------END USER NKEY SEED------\n";
        assert_eq!([" SUAB\n", decorated].map(seed_in), ["SUAB", "SUAB"]);
    }
}
