//! The file of bearer tokens: who has one, and what it lets them do.
//!
//! A line is a name, a role, the SHA-256 of the token, so that the file tells nobody a token, and the claims of its holder. A token has 256 random bits:
//! there is nothing to guess, and a hash that is slow on purpose would only slow each request down.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use crate::access::Claims;

/// Of what is typed into a request by mistake, a token is told by these.
const TOKEN_PREFIX: &str = "rs_";
const HASH_PREFIX: &str = "sha256:";
/// The claim that says who it is.
const SUBJECT: &str = "sub";
const NAME_LENGTH_MAX: usize = 64;

/// What the holder of a token may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Reads.
    Read,
    /// Reads, and decides over projections, sources and parked events.
    Admin,
}

/// By what somebody is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Credential {
    /// A token of the file.
    Token,
    /// A JSON Web Token.
    WebToken,
    Certificate,
}

impl Credential {
    pub fn label(self) -> &'static str {
        match self {
            Credential::Token => "token",
            Credential::WebToken => "jwt",
            Credential::Certificate => "certificate",
        }
    }
}

/// Somebody who is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    pub name: Arc<str>,
    pub role: Role,
    pub credential: Credential,
    /// What policies may ask for; `sub` is the name.
    pub claims: Arc<Claims>,
}

/// All holders, by the hashes of their tokens.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Tokens(HashMap<[u8; 32], Principal>);

/// A token that was made, and its line for the file.
pub struct NewToken {
    /// Shown once, and kept nowhere.
    pub token: String,
    pub line: String,
}

/// What is wrong with a file of tokens, or with what a token is made of.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    #[error(
        "line {line} is not `NAME ROLE sha256:DIGITS [CLAIM=VALUE]…`, as `readside token create` prints it: {problem}"
    )]
    Line { line: usize, problem: String },
    #[error("line {line}: {what} stands in an earlier line too: a holder has one token, and a token one holder")]
    Twice { line: usize, what: String },
    #[error("there is no token in it, so nobody could ask; `readside token create NAME` makes one")]
    None,
    #[error("`{0}` is no name of a holder: at most {NAME_LENGTH_MAX} letters, digits, `.`, `_`, `-` and `@`")]
    Name(String),
    #[error(
        "`{0}` is no claim: write `NAME=VALUE` without blanks and `#`, such as `tenant=acme`; `{SUBJECT}` is the holder's name"
    )]
    Claim(String),
    #[error("the system gives no random bytes: {0}")]
    Random(String),
}

impl Tokens {
    /// # Errors
    /// If a line is none, or no line has a token.
    pub fn read(text: &str) -> Result<Self, TokenError> {
        let (mut tokens, mut names) = (HashMap::new(), HashSet::new());
        for (number, text) in (1..).zip(text.lines()) {
            let text = without_comment(text).trim();
            if text.is_empty() {
                continue;
            }
            let (hash, principal) = line(text).map_err(|problem| TokenError::Line { line: number, problem })?;
            if !names.insert(principal.name.clone()) {
                return Err(TokenError::Twice { line: number, what: format!("`{}`", principal.name) });
            }
            if tokens.insert(hash, principal).is_some() {
                return Err(TokenError::Twice { line: number, what: "the token".to_owned() });
            }
        }
        if tokens.is_empty() { Err(TokenError::None) } else { Ok(Self(tokens)) }
    }

    /// Who has this token.
    pub fn holder(&self, token: &str) -> Option<&Principal> {
        // Hashes are compared, of which whoever measures the time learns nothing that leads to a token.
        self.0.get(&hash(token))
    }
}

fn line(text: &str) -> Result<([u8; 32], Principal), String> {
    let parts: Vec<&str> = text.split_whitespace().collect();
    let [name, role, hash, ref claims @ ..] = parts[..] else { return Err(format!("it has {} parts", parts.len())) };
    let name = checked_name(name).map_err(|error| error.to_string())?;
    let hash = hash.strip_prefix(HASH_PREFIX).and_then(bytes);
    let hash = hash.ok_or_else(|| format!("`{HASH_PREFIX}` and 64 hexadecimal digits are missing"))?;
    let claims = self::claims(name, claims).map_err(|error| error.to_string())?;
    let role = role.parse()?;
    Ok((hash, Principal { name: name.into(), role, credential: Credential::Token, claims: Arc::new(claims) }))
}

/// A comment begins a line, or stands behind white space: what a `#` within a word means is told where it is refused.
fn without_comment(line: &str) -> &str {
    let begins = |place: usize| line[..place].chars().next_back().is_none_or(char::is_whitespace);
    line.match_indices('#').find(|(place, _)| begins(*place)).map_or(line, |(place, _)| &line[..place])
}

/// Claims as `NAME=VALUE`; one that stands there twice has two values.
fn claims(holder: &str, written: &[&str]) -> Result<Claims, TokenError> {
    let mut claims = Claims::default();
    claims.add(SUBJECT, holder);
    for claim in written {
        let (name, value) = checked_claim(claim)?;
        claims.add(name, value);
    }
    Ok(claims)
}

fn checked_claim(claim: &str) -> Result<(&str, &str), TokenError> {
    let fine = claim.split_once('=').filter(|(name, value)| {
        let is_written = !claim.contains(|letter: char| letter.is_whitespace() || letter == '#');
        is_written && !name.is_empty() && *name != SUBJECT && !value.is_empty()
    });
    fine.ok_or_else(|| TokenError::Claim(claim.to_owned()))
}

fn bytes(digits: &str) -> Option<[u8; 32]> {
    if digits.len() != 64 || !digits.is_ascii() {
        return None;
    }
    let mut bytes = [0; 32];
    for (place, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&digits[2 * place..2 * place + 2], 16).ok()?;
    }
    Some(bytes)
}

fn hash(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

fn checked_name(name: &str) -> Result<&str, TokenError> {
    let is_fine = |letter: char| letter.is_ascii_alphanumeric() || "._-@".contains(letter);
    let is_name = !name.is_empty() && name.len() <= NAME_LENGTH_MAX && name.chars().all(is_fine);
    if is_name { Ok(name) } else { Err(TokenError::Name(name.to_owned())) }
}

impl NewToken {
    /// A token nobody has yet.
    ///
    /// # Errors
    /// If the name or a claim cannot stand in a file of tokens, or the system gives no random bytes.
    pub fn create(name: &str, role: Role, claims: &[String]) -> Result<Self, TokenError> {
        let name = checked_name(name)?;
        claims.iter().try_for_each(|claim| checked_claim(claim).map(drop))?;
        let mut random = [0; 32];
        getrandom::fill(&mut random).map_err(|error| TokenError::Random(error.to_string()))?;
        let token = format!("{TOKEN_PREFIX}{}", BASE64_URL_SAFE_NO_PAD.encode(random));
        let digits: String = hash(&token).iter().map(|byte| format!("{byte:02x}")).collect();
        let line = format!("{name} {role} {HASH_PREFIX}{digits}");
        Ok(Self { token, line: claims.iter().fold(line, |line, claim| line + " " + claim) })
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Role::Read => "read",
            Role::Admin => "admin",
        })
    }
}

impl FromStr for Role {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "read" => Ok(Role::Read),
            "admin" => Ok(Role::Admin),
            _ => Err(format!("`{name}` is no role: there are `read` and `admin`")),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_token_that_was_made_is_known_by_its_line() {
        let (one, other) = (
            NewToken::create("grafana", Role::Read, &[]).unwrap(),
            NewToken::create("ada@ops", Role::Admin, &[]).unwrap(),
        );
        let text = format!("# who may ask\n\n{}   # dashboards\n{}\n", one.line, other.line);
        let tokens = Tokens::read(&text).unwrap();
        let holder = |token: &str| tokens.holder(token).map(|holder| (holder.name.to_string(), holder.role));
        assert_eq!(holder(&one.token), Some(("grafana".to_owned(), Role::Read)));
        assert_eq!(holder(&other.token), Some(("ada@ops".to_owned(), Role::Admin)));
        for token in ["", "rs_", &one.token[..45], &one.line, &one.token.to_uppercase()] {
            assert_eq!(holder(token), None, "{token}");
        }
        assert!(!text.contains(&one.token));
    }

    #[test]
    fn the_claims_of_a_holder_stand_in_their_line() {
        let claims = ["tenant=acme".to_owned(), "roles=officer".to_owned(), "roles=auditor".to_owned()];
        let made = NewToken::create("ada", Role::Read, &claims).unwrap();
        assert!(made.line.ends_with(" tenant=acme roles=officer roles=auditor"), "{}", made.line);
        let tokens = Tokens::read(&made.line).unwrap();
        let known = &tokens.holder(&made.token).unwrap().claims;
        assert_eq!((known.one("sub"), known.one("tenant")), (Some("ada"), Some("acme")));
        assert_eq!(known.all("roles"), Some(&["officer".to_owned(), "auditor".to_owned()][..]));
        for claim in ["tenant", "=acme", "tenant=", "tenant=a b", "tenant=a#b", "sub=eve"] {
            let refused = NewToken::create("ada", Role::Read, &[claim.to_owned()]).err().unwrap();
            assert_eq!(refused, TokenError::Claim(claim.to_owned()));
        }
    }

    #[test]
    fn a_line_that_is_none_is_told_by_its_number() {
        let line = NewToken::create("ada", Role::Read, &[]).unwrap().line;
        let hash = line.rsplit(' ').next().unwrap().to_owned();
        let cases = [
            (String::new(), "there is no token in it"),
            ("# nobody\n".to_owned(), "there is no token in it"),
            (format!("{line}\nada read"), "line 2 is not `NAME ROLE sha256:DIGITS [CLAIM=VALUE]…`"),
            (format!("ada write {hash}"), "`write` is no role: there are `read` and `admin`"),
            (format!("a/b read {hash}"), "`a/b` is no name of a holder"),
            (format!("ada read {}", &hash[..60]), "64 hexadecimal digits are missing"),
            (format!("ada read {}", hash.replace("sha256:", "md5:")), "64 hexadecimal digits are missing"),
            (format!("{line} tenant"), "`tenant` is no claim: write `NAME=VALUE`"),
            (format!("{line} tenant=a#2"), "`tenant=a#2` is no claim"),
            (format!("{line} sub=eve"), "`sub=eve` is no claim"),
            (format!("{line}\n\n{line}"), "line 3: `ada` stands in an earlier line too"),
            (format!("{line}\nbob admin {hash}"), "line 2: the token stands in an earlier line too"),
        ];
        for (text, expected) in cases {
            let error = Tokens::read(&text).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
