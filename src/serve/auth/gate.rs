//! Decides who a request comes from, by the file of tokens as it is now.

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;

use super::jwt::{BadToken, SourceError, Verifier};
use super::tokens::{Credential, Principal, Role, TokenError, Tokens};
use crate::access::{Caller, Claims};
use crate::config::Auth;
use crate::serve::file_version::FileVersion;
use crate::serve::tls::Certified;

/// How soon a token that was taken out of the file is worth nothing.
const LOOKS_EVERY: Duration = Duration::from_secs(1);

/// Lets in who has a token. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Gate {
    tokens: Option<Arc<TokenFile>>,
    jwt: Option<Verifier>,
    /// Of the holders of certificates, those that administer. None: nobody is known by a certificate.
    certified: Option<Arc<BTreeSet<String>>>,
    /// Whether who has no token may read.
    anonymous: bool,
}

struct TokenFile {
    path: PathBuf,
    /// The file that was read at first.
    version: FileVersion,
    known: ArcSwap<Tokens>,
}

/// How callers may say who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ways {
    /// By a token, the daemon's own or somebody else's.
    pub tokens: bool,
    /// By a certificate.
    pub certificates: bool,
    /// They need not, and may read all the same.
    pub anonymous: bool,
}

/// Who a request comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Identity {
    /// Somebody, where no tokens are declared.
    Unasked,
    /// Somebody without a token, who may read all the same.
    Anonymous,
    Known(Principal),
}

impl Identity {
    /// The side that they read from. `is_local`: from this machine.
    pub fn caller(&self, is_local: bool) -> Caller {
        match self {
            Identity::Known(principal) => {
                Caller::Reader { claims: principal.claims.clone(), administers: principal.role == Role::Admin }
            }
            // Where nobody is asked for a token, who sits at this machine decides over it.
            Identity::Unasked => Caller::Reader { claims: Arc::default(), administers: is_local },
            Identity::Anonymous => Caller::anonymous(),
        }
    }
}

/// Why a request is not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    #[error("this needs a token: send `Authorization: Bearer TOKEN`")]
    NoToken,
    #[error("nobody has this token")]
    UnknownToken,
    /// Of a token by somebody else.
    #[error(transparent)]
    BadToken(#[from] BadToken),
}

impl Denied {
    /// For the log and for metrics.
    pub fn label(self) -> &'static str {
        match self {
            Denied::NoToken => "no-token",
            Denied::UnknownToken => "unknown-token",
            Denied::BadToken(_) => "bad-token",
        }
    }

    /// What was shown, if anything was.
    pub fn credential(self) -> Option<Credential> {
        match self {
            Denied::NoToken => None,
            Denied::UnknownToken => Some(Credential::Token),
            Denied::BadToken(_) => Some(Credential::WebToken),
        }
    }
}

/// Why nobody can be let in.
#[derive(Debug, thiserror::Error)]
pub enum GateError {
    #[error("the tokens in {}: {cause}", .path.display())]
    Tokens { path: PathBuf, cause: GateErrorCause },
    #[error(transparent)]
    Keys(#[from] SourceError),
}

#[derive(Debug, thiserror::Error)]
pub enum GateErrorCause {
    #[error("{0}")]
    Unreadable(#[from] io::Error),
    #[error(transparent)]
    Tokens(#[from] TokenError),
}

impl Gate {
    /// Reads the tokens.
    ///
    /// # Errors
    /// If the file cannot be read, or is none of tokens: nothing is answered rather than everybody.
    pub fn new(auth: &Auth) -> Result<Self, GateError> {
        let tokens = auth.tokens.clone().map(|path| {
            let version = FileVersion::of(&path);
            match read(&path) {
                Ok(tokens) => Ok(Arc::new(TokenFile { path, version, known: ArcSwap::from_pointee(tokens) })),
                Err(cause) => Err(GateError::Tokens { path, cause }),
            }
        });
        let jwt = auth.jwt.as_ref().map(Verifier::new).transpose()?;
        let certified = auth.mtls.as_ref().map(|mtls| Arc::new(mtls.admins.iter().cloned().collect()));
        Ok(Self { tokens: tokens.transpose()?, jwt, certified, anonymous: auth.anonymous })
    }

    /// How callers may say who they are.
    pub fn ways(&self) -> Ways {
        Ways {
            tokens: self.tokens.is_some() || self.jwt.is_some(),
            certificates: self.certified.is_some(),
            anonymous: self.anonymous,
        }
    }

    /// Who has this token, or is named by this certificate where there is no token.
    ///
    /// # Errors
    /// If nobody has this token, or there is neither and it needs one.
    pub fn identity(&self, token: Option<&str>, certified: Option<&Certified>) -> Result<Identity, Denied> {
        if self.tokens.is_none() && self.jwt.is_none() && self.certified.is_none() {
            return Ok(Identity::Unasked);
        }
        let certified = certified.and_then(|certified| self.certified(certified));
        match token {
            Some(token) => self.holder(token).map(Identity::Known),
            None if let Some(principal) = certified => Ok(Identity::Known(principal)),
            None if self.anonymous => Ok(Identity::Anonymous),
            None => Err(Denied::NoToken),
        }
    }

    /// Who is named by a certificate: by its SPIFFE ID, else by the common name of its subject.
    fn certified(&self, certified: &Certified) -> Option<Principal> {
        let admins = self.certified.as_ref()?;
        let Certified { spiffe_id, subject, common_name, dns_names } = certified;
        let name = spiffe_id.as_ref().or(common_name.as_ref())?;
        let mut claims = Claims::default();
        claims.add("sub", name);
        claims.add("subject", subject);
        spiffe_id.iter().for_each(|id| claims.add("spiffe_id", id));
        dns_names.iter().for_each(|name| claims.add("dns", name));
        let role = if admins.contains(name) { Role::Admin } else { Role::Read };
        let (name, claims) = (name.as_str().into(), Arc::new(claims));
        Some(Principal { name, role, credential: Credential::Certificate, claims })
    }

    fn holder(&self, token: &str) -> Result<Principal, Denied> {
        let own = self.tokens.as_ref().and_then(|file| file.known.load().holder(token).cloned());
        match (own, &self.jwt) {
            (Some(own), _) => Ok(own),
            (None, Some(jwt)) if is_web_token(token) => Ok(jwt.principal(token)?),
            (None, _) => Err(Denied::UnknownToken),
        }
    }

    /// Takes what the file of tokens and the keys of others have become, for as long as it is polled. What cannot be read changes
    /// nothing: a file that is half written must neither open the door nor close it to everybody.
    pub async fn follow(self) {
        let jwt = async {
            if let Some(jwt) = self.jwt {
                jwt.follow().await;
            }
        };
        tokio::join!(jwt, follow_tokens(self.tokens));
    }
}

/// Whether a text has the three parts of a JSON Web Token.
fn is_web_token(token: &str) -> bool {
    token.bytes().filter(|byte| *byte == b'.').count() == 2
}

async fn follow_tokens(file: Option<Arc<TokenFile>>) {
    let Some(file) = file else { return };
    let mut known = file.version.clone();
    let mut ticks = tokio::time::interval(LOOKS_EVERY);
    loop {
        ticks.tick().await;
        let version = FileVersion::look(&file.path).await;
        if version == known {
            continue;
        }
        known = version;
        match read(&file.path) {
            Ok(tokens) => {
                file.known.store(Arc::new(tokens));
                tracing::info!(path = %file.path.display(), "the tokens were read again");
            }
            Err(error) => tracing::warn!(
                path = %file.path.display(), %error, "the tokens cannot be read again; those of before hold"
            ),
        }
    }
}

/// Where no tokens are declared.
impl Default for Gate {
    fn default() -> Self {
        Self { tokens: None, jwt: None, certified: None, anonymous: true }
    }
}

fn read(path: &PathBuf) -> Result<Tokens, GateErrorCause> {
    Ok(Tokens::read(&std::fs::read_to_string(path)?)?)
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.tokens.as_ref().map(|file| &file.path);
        f.debug_struct("Gate")
            .field("tokens", &path)
            .field("jwt", &self.jwt)
            .field("anonymous", &self.anonymous)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::tokens::NewToken;
    use super::*;

    fn gate(text: &str, anonymous: bool) -> (Result<Gate, GateError>, tempfile::TempDir) {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("tokens");
        std::fs::write(&path, text).unwrap();
        (Gate::new(&Auth { tokens: Some(path), jwt: None, mtls: None, anonymous }), home)
    }

    #[test]
    fn a_token_opens_the_gate_and_nothing_else_does() {
        let made = NewToken::create("ada", Role::Admin, &[]).unwrap();
        let mut claims = Claims::default();
        claims.add("sub", "ada");
        let credential = Credential::Token;
        let known =
            Identity::Known(Principal { name: "ada".into(), role: Role::Admin, credential, claims: claims.into() });
        for anonymous in [false, true] {
            let (gate, _home) = gate(&made.line, anonymous);
            let gate = gate.unwrap();
            assert_eq!(gate.identity(Some(&made.token), None), Ok(known.clone()));
            assert_eq!(
                gate.identity(Some("rs_other"), None),
                Err(Denied::UnknownToken),
                "a wrong token is not no token"
            );
            let without = if anonymous { Ok(Identity::Anonymous) } else { Err(Denied::NoToken) };
            assert_eq!(gate.identity(None, None), without);
        }
        let open = Gate::new(&Auth { tokens: None, jwt: None, mtls: None, anonymous: true }).unwrap();
        assert_eq!(open.identity(Some("rs_other"), None), Ok(Identity::Unasked));
    }

    #[test]
    fn a_file_without_tokens_is_no_open_gate() {
        let (refused, home) = gate("# none yet\n", false);
        let path = home.path().join("tokens");
        let expected = format!(
            "the tokens in {}: there is no token in it, so nobody could ask; `readside token create NAME` makes one",
            path.display()
        );
        assert_eq!(refused.unwrap_err().to_string(), expected);
        assert!(
            Gate::new(&Auth { tokens: Some(home.path().join("none")), jwt: None, mtls: None, anonymous: true })
                .is_err()
        );
    }

    #[tokio::test]
    async fn the_file_is_followed_and_a_broken_one_is_not() {
        let (one, other) =
            (NewToken::create("ada", Role::Read, &[]).unwrap(), NewToken::create("bob", Role::Read, &[]).unwrap());
        let (gate, home) = gate(&one.line, false);
        let gate = gate.unwrap();
        let following = tokio::spawn(gate.clone().follow());
        let write = |text: &str| std::fs::write(home.path().join("tokens"), text).unwrap();
        let until = async |token: &str, is_known: bool| {
            while gate.identity(Some(token), None).is_ok() != is_known {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        write(&format!("{}\n{}\n", one.line, other.line));
        tokio::time::timeout(Duration::from_secs(30), until(&other.token, true)).await.unwrap();
        write("half a line");
        write(&format!("{}\n# one has left\n", other.line));
        tokio::time::timeout(Duration::from_secs(30), until(&one.token, false)).await.unwrap();
        assert!(gate.identity(Some(&other.token), None).is_ok());
        following.abort();
    }
}
