#![allow(clippy::unwrap_used)]

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ring::hmac;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair};
use serde_json::json;

use super::*;

const SECRET: &[u8] = b"a secret that has more than 32 bytes in it";

fn base64(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

fn token(header: &Value, claims: &Value, sign: impl Fn(&[u8]) -> Vec<u8>) -> String {
    let message = format!("{}.{}", base64(header.to_string()), base64(claims.to_string()));
    let signature = sign(message.as_bytes());
    format!("{message}.{}", base64(signature))
}

fn by_secret(secret: &[u8]) -> impl Fn(&[u8]) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    move |message| hmac::sign(&key, message).as_ref().to_vec()
}

/// Who verifies by these keys, and the folder with them.
fn verifier(keys: &Value) -> (Verifier, tempfile::TempDir) {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("jwks.json");
    std::fs::write(&path, json!({ "keys": keys }).to_string()).unwrap();
    let config = Jwt {
        keys: path.display().to_string(),
        issuers: vec!["https://id.example".to_owned()],
        audiences: vec!["readside".to_owned()],
        leeway: Duration::from_secs(5),
        roles: "realm_access.roles".to_owned(),
        admin_role: Some("operator".to_owned()),
    };
    (Verifier::new(&config).unwrap(), home)
}

fn octets() -> Value {
    json!([{"kty": "oct", "k": base64(SECRET), "kid": "one"}])
}

fn claims() -> Value {
    let now = get_current_timestamp();
    json!({
        "sub": "ada", "iss": "https://id.example", "aud": ["readside", "other"], "exp": now + 60, "nbf": now - 1,
        "tenant": "acme", "realm_access": {"roles": ["officer"]},
    })
}

fn with(mut claims: Value, name: &str, value: Value) -> Value {
    claims[name] = value;
    claims
}

#[test]
fn a_token_tells_who_somebody_is() {
    let (verifier, _home) = verifier(&octets());
    let header = json!({"alg": "HS256", "kid": "one"});
    for _ in 0..2 {
        let known = verifier.principal(&token(&header, &claims(), by_secret(SECRET))).unwrap();
        assert_eq!((&*known.name, known.role), ("ada", Role::Read));
        assert_eq!((known.claims.one("tenant"), known.claims.has_role("officer")), (Some("acme"), true));
    }
    let operator = with(claims(), "realm_access", json!({"roles": ["operator"]}));
    assert_eq!(verifier.principal(&token(&header, &operator, by_secret(SECRET))).unwrap().role, Role::Admin);
}

#[test]
fn every_algorithm_is_bound_to_its_key() {
    let random = SystemRandom::new();
    let ed = Ed25519KeyPair::from_pkcs8(Ed25519KeyPair::generate_pkcs8(&random).unwrap().as_ref()).unwrap();
    let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
    let ec = EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref(), &random).unwrap();
    let point = ec.public_key().as_ref();
    let keys = json!([
        {"kty": "OKP", "crv": "Ed25519", "x": base64(ed.public_key()), "kid": "ed"},
        {"kty": "EC", "crv": "P-256", "x": base64(&point[1..33]), "y": base64(&point[33..]), "kid": "ec", "use": "sig"},
        {"kty": "oct", "k": base64(SECRET), "kid": "one"},
    ]);
    let (verifier, _home) = verifier(&keys);
    let by_ed = |message: &[u8]| ed.sign(message).as_ref().to_vec();
    let by_ec = |message: &[u8]| ec.sign(&random, message).unwrap().as_ref().to_vec();
    let ask = |header: Value, sign: &dyn Fn(&[u8]) -> Vec<u8>| {
        verifier.principal(&token(&header, &claims(), sign)).map(|known| known.name.to_string())
    };
    for (algorithm, id, sign) in [
        ("EdDSA", "ed", &by_ed as &dyn Fn(&[u8]) -> Vec<u8>),
        ("ES256", "ec", &by_ec),
        ("HS256", "one", &by_secret(SECRET)),
    ] {
        assert_eq!(ask(json!({"alg": algorithm, "kid": id}), sign), Ok("ada".to_owned()));
        assert_eq!(ask(json!({"alg": algorithm}), sign), Ok("ada".to_owned()), "{algorithm} without a name of a key");
        for other in ["EdDSA", "ES256", "HS256"].into_iter().filter(|other| *other != algorithm) {
            assert_eq!(ask(json!({"alg": other, "kid": id}), sign), Err(BadToken::UnknownKey), "{other} by {id}");
        }
    }
    // What everybody knows is no secret: the public key as one.
    let public = by_secret(point);
    assert_eq!(ask(json!({"alg": "HS256", "kid": "ec"}), &public), Err(BadToken::UnknownKey));
    assert_eq!(ask(json!({"alg": "HS256"}), &public), Err(BadToken::Signature));
    assert_eq!(ask(json!({"alg": "none"}), &|_| Vec::new()), Err(BadToken::Malformed));
}

#[test]
fn what_a_token_does_not_say_or_says_of_others_is_refused() {
    let (verifier, _home) = verifier(&octets());
    let now = get_current_timestamp();
    let cases = [
        (with(claims(), "exp", json!(now - 6)), BadToken::Expired),
        (with(claims(), "exp", Value::Null), BadToken::Expired),
        (with(claims(), "nbf", json!(now + 60)), BadToken::NotYet),
        (with(claims(), "aud", json!("other")), BadToken::Audience),
        (with(claims(), "aud", Value::Null), BadToken::Audience),
        (with(claims(), "iss", json!("https://id.example.org")), BadToken::Issuer),
        (with(claims(), "iss", Value::Null), BadToken::Issuer),
        (with(claims(), "sub", json!("")), BadToken::Nobody),
        (with(claims(), "sub", json!("a".repeat(201))), BadToken::Nobody),
    ];
    let header = json!({"alg": "HS256"});
    for (claims, expected) in cases {
        let mut claims = claims;
        claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        let refused =
            verifier.principal(&token(&header, &claims, by_secret(SECRET))).map(|known| known.name.to_string());
        assert_eq!(refused, Err(expected), "{claims}");
    }
    let clocks = with(claims(), "exp", json!(now - 2));
    assert!(verifier.principal(&token(&header, &clocks, by_secret(SECRET))).is_ok(), "within the leeway");
    let refused = |text: &str| verifier.principal(text).map(|known| known.name.to_string());
    for text in ["", "..", "a.b.c", &format!("{}.e30.", base64("{}"))] {
        assert_eq!(refused(text), Err(BadToken::Malformed), "{text}");
    }
    assert_eq!(refused(&format!("a.{}.c", "b".repeat(20_000))), Err(BadToken::Malformed));
    let fine = token(&header, &claims(), by_secret(SECRET));
    let (message, signature) = fine.rsplit_once('.').unwrap();
    assert_eq!(refused(&format!("{message}.{}", base64("x"))), Err(BadToken::Signature));
    let (head, _) = message.split_once('.').unwrap();
    let forged = with(claims(), "tenant", json!("other"));
    assert_eq!(refused(&format!("{head}.{}.{signature}", base64(forged.to_string()))), Err(BadToken::Signature));
    assert_eq!(
        refused(&token(&json!({"alg": "HS256", "crit": ["b64"], "b64": false}), &claims(), by_secret(SECRET))),
        Err(BadToken::Malformed)
    );
}

#[tokio::test]
async fn keys_come_and_go_with_their_file() {
    let (verifier, home) = verifier(&octets());
    let following = tokio::spawn(verifier.clone().follow());
    let old = token(&json!({"alg": "HS256"}), &claims(), by_secret(SECRET));
    assert!(verifier.principal(&old).is_ok());
    let other = b"another secret that has more than 32 bytes";
    let keys = json!({"keys": [{"kty": "oct", "k": base64(other)}]});
    std::fs::write(home.path().join("jwks.json"), keys.to_string()).unwrap();
    let new = token(&json!({"alg": "HS256"}), &claims(), by_secret(other));
    let taken = async {
        while verifier.principal(&new).is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), taken).await.unwrap();
    assert!(verifier.principal(&old).is_err(), "what was known by a key that is gone is not known");
    std::fs::write(home.path().join("jwks.json"), "{\"keys\": [").unwrap();
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert!(verifier.principal(&new).is_ok(), "half a file changes nothing");
    following.abort();
}
