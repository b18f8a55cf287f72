//! The keys that tokens are signed with: a JSON Web Key Set, each key with the one algorithm that it is for.

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};

/// Of one set. A token is tried with as many.
const KEYS_MAX: usize = 64;
/// A shared secret that can be guessed is none.
const SECRET_BYTES_MIN: usize = 32;

/// Keys that can verify.
#[derive(Debug, Default)]
pub(super) struct Keys(Vec<Key>);

#[derive(Debug)]
pub(super) struct Key {
    id: Option<String>,
    /// No token chooses another one.
    pub(super) algorithm: Algorithm,
    pub(super) key: DecodingKey,
}

/// Why a set of keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    #[error("it is no JSON Web Key Set, `{{\"keys\": […]}}`: {0}")]
    NotASet(serde_json::Error),
    #[error("key {number}: {problem}")]
    Key { number: usize, problem: String },
    #[error("no key in it can verify a signature: RSA (RS256), P-256 (ES256), Ed25519 (EdDSA) and octets (HS256) can")]
    None,
    #[error("it has {0} keys: at most {KEYS_MAX} are possible")]
    TooMany(usize),
}

impl Keys {
    /// Keys of other kinds, or for encryption, are passed over.
    ///
    /// # Errors
    /// If it is no set, a key in it is broken or weak, or none can verify.
    pub(super) fn read(text: &str) -> Result<Self, KeysError> {
        let set: JwkSet = serde_json::from_str(text).map_err(KeysError::NotASet)?;
        if set.keys.len() > KEYS_MAX {
            return Err(KeysError::TooMany(set.keys.len()));
        }
        let mut keys = Vec::new();
        for (number, jwk) in (1..).zip(&set.keys) {
            let broken = |problem: String| KeysError::Key { number, problem };
            let Some(algorithm) = algorithm(jwk).map_err(broken)? else { continue };
            let key = DecodingKey::from_jwk(jwk).map_err(|error| broken(error.to_string()))?;
            if algorithm == Algorithm::HS256
                && key.try_get_as_bytes().is_ok_and(|secret| secret.len() < SECRET_BYTES_MIN)
            {
                return Err(broken(format!("a secret has at least {SECRET_BYTES_MIN} bytes")));
            }
            keys.push(Key { id: jwk.common.key_id.clone(), algorithm, key });
        }
        if keys.is_empty() { Err(KeysError::None) } else { Ok(Self(keys)) }
    }

    /// The keys that a token may be signed with: the one that it names, or all for its algorithm where it names none.
    pub(super) fn of<'a>(&'a self, id: Option<&'a str>, algorithm: Algorithm) -> impl Iterator<Item = &'a Key> {
        self.0.iter().filter(move |key| key.algorithm == algorithm && (id.is_none() || key.id.as_deref() == id))
    }

    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    /// Whether there is a key of this name.
    pub(super) fn has(&self, id: &str) -> bool {
        self.0.iter().any(|key| key.id.as_deref() == Some(id))
    }
}

/// What a key is for: what it says, which has to be what its kind can; none of a key that verifies nothing here.
fn algorithm(jwk: &Jwk) -> Result<Option<Algorithm>, String> {
    if matches!(jwk.common.public_key_use, Some(PublicKeyUse::Encryption)) {
        return Ok(None);
    }
    let of_kind = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => Algorithm::RS256,
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => Algorithm::ES256,
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => Algorithm::EdDSA,
        AlgorithmParameters::OctetKey(_) => Algorithm::HS256,
        _ => return Ok(None),
    };
    let said = match jwk.common.key_algorithm {
        None => return Ok(Some(of_kind)),
        Some(KeyAlgorithm::HS256) => Algorithm::HS256,
        Some(KeyAlgorithm::RS256) => Algorithm::RS256,
        Some(KeyAlgorithm::ES256) => Algorithm::ES256,
        Some(KeyAlgorithm::EdDSA) => Algorithm::EdDSA,
        // By another hash, or for encryption.
        Some(_) => return Ok(None),
    };
    if said == of_kind {
        Ok(Some(said))
    } else {
        Err(format!("it is a key for {of_kind:?}, and says that it is for {said:?}"))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const SECRET: &str = "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldC0";

    fn read(keys: &str) -> Result<Keys, String> {
        Keys::read(&format!("{{\"keys\": [{keys}]}}")).map_err(|error| error.to_string())
    }

    #[test]
    fn a_key_is_for_one_algorithm() {
        let octets = format!("{{\"kty\": \"oct\", \"k\": \"{SECRET}\"");
        let keys = read(&format!("{octets}, \"kid\": \"a\"}}, {octets}}}")).unwrap();
        let found = |id, algorithm| keys.of(id, algorithm).count();
        assert_eq!((found(Some("a"), Algorithm::HS256), found(Some("b"), Algorithm::HS256)), (1, 0));
        assert_eq!((found(None, Algorithm::HS256), found(None, Algorithm::RS256)), (2, 0));
        assert!(keys.has("a") && !keys.has("b"));
        let refused = read(&format!("{octets}, \"alg\": \"RS256\"}}")).unwrap_err();
        assert_eq!(refused, "key 1: it is a key for HS256, and says that it is for RS256");
    }

    #[test]
    fn sets_that_verify_nothing_are_refused() {
        assert!(Keys::read("[]").unwrap_err().to_string().starts_with("it is no JSON Web Key Set"));
        assert!(read("").unwrap_err().starts_with("no key in it can verify"));
        let encrypts = format!("{{\"kty\": \"oct\", \"k\": \"{SECRET}\", \"use\": \"enc\"}}");
        assert!(read(&encrypts).unwrap_err().starts_with("no key in it can verify"));
        let weak = "{\"kty\": \"oct\", \"k\": \"c2VjcmV0\"}";
        assert_eq!(read(weak).unwrap_err(), "key 1: a secret has at least 32 bytes");
        let many = vec![format!("{{\"kty\": \"oct\", \"k\": \"{SECRET}\"}}"); KEYS_MAX + 1].join(",");
        assert_eq!(read(&many).unwrap_err(), "it has 65 keys: at most 64 are possible");
    }
}
