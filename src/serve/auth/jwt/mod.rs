//! JSON Web Tokens: who somebody else says that a caller is.
//!
//! A token is taken if its signature is by a key of the set, by the algorithm that this key is for, and it says whom it is for, by
//! whom, and until when, as declared.

mod keys;
mod provider;
mod source;

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, Validation, decode, decode_header, get_current_timestamp};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use tokio::sync::Notify;

use self::keys::Keys;
pub use self::keys::KeysError;
pub use self::source::{SourceError, keys_there};
use super::tokens::{Credential, Principal, Role};
use crate::access::Claims;
use crate::config::Jwt;

/// Longer than any that fits its header, and short enough to be looked at.
const TOKEN_BYTES_MAX: usize = 16 * 1024;
/// Of tokens whose signatures are known to hold. With more of them all are forgotten.
const KNOWN_MAX: usize = 4_096;
const NAME_CHARS_MAX: usize = 200;

/// Verifies tokens. Cheap to clone; all clones are one.
#[derive(Clone)]
pub(super) struct Verifier(Arc<Inner>);

struct Inner {
    source: KeySource,
    issuers: Vec<String>,
    audiences: Vec<String>,
    leeway: Duration,
    /// The claim that has the roles.
    roles: String,
    /// The role whose holders administer.
    admin_role: Option<String>,
    keys: ArcSwap<Keys>,
    known: Mutex<HashMap<[u8; 32], Known>>,
    /// A token has named a key that nobody knows.
    unknown_key: Notify,
}

/// Where the keys are.
#[derive(Debug, Clone, PartialEq, Eq)]
enum KeySource {
    File(PathBuf),
    Url(String),
}

/// A token that was verified.
struct Known {
    principal: Principal,
    /// Seconds since the epoch.
    expires: u64,
}

/// Why a token is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadToken {
    #[error("the token is no JSON Web Token")]
    Malformed,
    #[error("the token's key is not known")]
    UnknownKey,
    #[error("the token's signature does not hold")]
    Signature,
    #[error("the token has expired, or does not say when it does")]
    Expired,
    #[error("the token is not valid yet")]
    NotYet,
    #[error("the token is for somebody else: its `aud` is not this daemon's")]
    Audience,
    #[error("the token is by somebody else: its `iss` is not the declared one")]
    Issuer,
    #[error("the token has no `sub` of at most {NAME_CHARS_MAX} characters, so nobody knows whose it is")]
    Nobody,
}

impl Verifier {
    /// Reads the keys, where they are in a file. From elsewhere they come with [`Verifier::follow`].
    ///
    /// # Errors
    /// If the file cannot be read or has no keys.
    pub(super) fn new(config: &Jwt) -> Result<Self, SourceError> {
        provider::install();
        let source = KeySource::of(&config.keys);
        let keys = match &source {
            KeySource::File(path) => source::read_file(path)?,
            KeySource::Url(_) => Keys::default(),
        };
        Ok(Self(Arc::new(Inner {
            source,
            issuers: config.issuers.clone(),
            audiences: config.audiences.clone(),
            leeway: config.leeway,
            roles: config.roles.clone(),
            admin_role: config.admin_role.clone(),
            keys: ArcSwap::from_pointee(keys),
            known: Mutex::default(),
            unknown_key: Notify::new(),
        })))
    }

    /// # Errors
    /// If the token is not taken.
    pub(super) fn principal(&self, token: &str) -> Result<Principal, BadToken> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(BadToken::Malformed);
        }
        let digest: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        let now = get_current_timestamp();
        let known = |inner: &Inner| {
            let known = inner.known.lock().unwrap_or_else(PoisonError::into_inner);
            let found = known.get(&digest)?;
            (now < found.expires.saturating_add(inner.leeway.as_secs())).then(|| found.principal.clone())
        };
        if let Some(principal) = known(&self.0) {
            return Ok(principal);
        }
        let keys = self.0.keys.load_full();
        let verified = self.0.verified(token, &keys)?;
        let principal = verified.principal.clone();
        let mut known = self.0.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= KNOWN_MAX {
            known.clear();
        }
        // Keys that have gone meanwhile vouch for nobody.
        if Arc::ptr_eq(&keys, &self.0.keys.load_full()) {
            known.insert(digest, verified);
        }
        Ok(principal)
    }

    fn take(&self, keys: Keys) {
        // Together, so that nothing is known by keys that are gone.
        let mut known = self.0.known.lock().unwrap_or_else(PoisonError::into_inner);
        self.0.keys.store(Arc::new(keys));
        known.clear();
    }
}

impl Inner {
    fn verified(&self, token: &str, keys: &Keys) -> Result<Known, BadToken> {
        let header = decode_header(token).map_err(|_| BadToken::Malformed)?;
        // Whoever writes `crit` asks not to be taken by those who do not know what is in it.
        if header.crit.is_some() {
            return Err(BadToken::Malformed);
        }
        let mut refused = BadToken::UnknownKey;
        for key in keys.of(header.kid.as_deref(), header.alg) {
            match decode::<Map<String, Value>>(token, &key.key, &self.validation(key.algorithm)) {
                Ok(data) => return self.known(data.claims),
                Err(error) => {
                    refused = why(error.kind());
                    if refused != BadToken::Signature {
                        break;
                    }
                }
            }
        }
        if refused == BadToken::UnknownKey && header.kid.is_none_or(|id| !keys.has(&id)) {
            self.unknown_key.notify_one();
        }
        Err(refused)
    }

    fn validation(&self, algorithm: Algorithm) -> Validation {
        let mut validation = Validation::new(algorithm);
        validation.leeway = self.leeway.as_secs();
        validation.validate_nbf = true;
        let mut required = vec!["exp"];
        if !self.audiences.is_empty() {
            validation.set_audience(&self.audiences);
            required.push("aud");
        }
        if !self.issuers.is_empty() {
            validation.set_issuer(&self.issuers);
            required.push("iss");
        }
        validation.set_required_spec_claims(&required);
        validation
    }

    fn known(&self, claims: Map<String, Value>) -> Result<Known, BadToken> {
        let expires = claims.get("exp").and_then(Value::as_f64).ok_or(BadToken::Expired)?;
        let mut known = Claims::of_json(&claims);
        let name = known.one("sub").filter(|name| !name.is_empty() && name.chars().count() <= NAME_CHARS_MAX);
        let name: Arc<str> = name.ok_or(BadToken::Nobody)?.into();
        known.use_as_roles(&self.roles);
        let administers = self.admin_role.as_ref().is_some_and(|role| known.has_role(role));
        let role = if administers { Role::Admin } else { Role::Read };
        let principal = Principal { name, role, credential: Credential::WebToken, claims: Arc::new(known) };
        Ok(Known { principal, expires: expires as u64 })
    }
}

fn why(error: &ErrorKind) -> BadToken {
    match error {
        ErrorKind::ExpiredSignature => BadToken::Expired,
        ErrorKind::ImmatureSignature => BadToken::NotYet,
        ErrorKind::InvalidAudience => BadToken::Audience,
        ErrorKind::InvalidIssuer => BadToken::Issuer,
        ErrorKind::MissingRequiredClaim(claim) => match claim.as_str() {
            "aud" => BadToken::Audience,
            "iss" => BadToken::Issuer,
            _ => BadToken::Expired,
        },
        ErrorKind::InvalidSignature => BadToken::Signature,
        _ => BadToken::Malformed,
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Verifier").field(&self.0.source).finish()
    }
}

#[cfg(test)]
mod tests;
