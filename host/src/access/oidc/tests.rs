//! Tokens, good ones and those that somebody would like to be.

mod claims;
mod keys;
mod providers;
mod signer;
mod tokens;

use serde_json::{Map, Value, json};

use self::signer::Signer;
use super::claims::{Rules, Subject};
use super::key::Keys;
use super::*;

const ISSUER: &str = "https://id.example.com";
const NOW: i64 = 1_700_000_000;

/// The algorithms that are configured where a test does not say.
const ACCEPTED: [Algorithm; 2] = [Algorithm::RS256, Algorithm::ES256];

fn rules() -> Rules {
    Rules {
        issuer: ISSUER.to_owned(),
        audiences: vec!["tiller-edge".to_owned(), "helm".to_owned()],
        name: "sub".to_owned(),
        groups: "groups".to_owned(),
        prefix: "oidc:".to_owned(),
        skew: 60,
        required: Vec::new(),
    }
}

/// Good claims.
fn claims() -> Value {
    json!({ "iss": ISSUER, "aud": "tiller-edge", "sub": "alice", "exp": NOW + 300, "iat": NOW })
}

/// Good claims with these in place of those of the same name; `null` takes one out.
fn with(changes: Value) -> Value {
    let (mut all, changes) = (map(claims()), map(changes));
    for (name, value) in changes {
        match value {
            Value::Null => all.remove(&name),
            value => all.insert(name, value),
        };
    }
    Value::Object(all)
}

fn map(object: Value) -> Map<String, Value> {
    match object {
        Value::Object(map) => map,
        other => panic!("not an object: {other}"),
    }
}

fn keys(signers: &[&Signer]) -> Keys {
    let keys: Vec<Value> = signers.iter().map(|signer| signer.jwk.clone()).collect();
    Keys::parse(json!({ "keys": keys }).to_string().as_bytes()).unwrap()
}

fn check(token: &str, keys: &Keys) -> Result<Subject, TokenError> {
    check_with(token, keys, &ACCEPTED)
}

fn check_with(token: &str, keys: &Keys, accepted: &[Algorithm]) -> Result<Subject, TokenError> {
    Token::parse(token)?
        .verify(keys, accepted)?
        .subject(&rules(), NOW)
}
