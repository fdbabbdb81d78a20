//! Any text as a token, as a provider's keys, and as what a token says.
#![no_main]

#[path = "../../../host/src/access/oidc/claims.rs"]
mod claims;
#[path = "../../../host/src/access/oidc/error.rs"]
mod error;
#[path = "../../../host/src/access/oidc/key.rs"]
mod key;
#[path = "../../../host/src/access/oidc/strict.rs"]
mod strict;
#[path = "../../../host/src/access/oidc/token.rs"]
mod token;

use std::sync::LazyLock;

use jsonwebtoken::Algorithm;
use libfuzzer_sys::fuzz_target;
use serde_json::json;

use claims::{Claims, MAX_GROUPS, Rules, Subject};
use error::TokenError;
use key::{Keys, MAX_KEYS};
use token::Token;

/// The one token that the provider has signed, and its key.
const SIGNED: &str = "eyJ0eXAiOiJKV1QiLCJhbGciOiJFZERTQSIsImtpZCI6ImEifQ.eyJhdWQiOiJ0aWxsZXItZWRnZSIsImV4cCI6NDAwMDAwMDAwMCwiZ3JvdXBzIjpbImRldiJdLCJpYXQiOjEsImlzcyI6Imh0dHBzOi8vaWQuZXhhbXBsZS5jb20iLCJzdWIiOiJhbGljZSJ9.kUB8kAUzaLLz4GHaeENgCQf70-Fb9lCE9wZBsEhSganf_RJptyUE6N_UPMQjkcjlYdO5jkkwCVqGj2n-TkWIBg";
const KEYS: &[u8] = br#"{"keys":[{"alg":"EdDSA","crv":"Ed25519","kid":"a","kty":"OKP","x":"j075_Eo24Nnm01DWqDccrmXlIPH0eEPhObYsb-ktee4"}]}"#;

const ALL: [Algorithm; 9] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];

static PROVIDER: LazyLock<Keys> = LazyLock::new(|| Keys::parse(KEYS).expect("its own keys"));

static RULES: LazyLock<[Rules; 2]> = LazyLock::new(|| {
    let rules = Rules {
        issuer: "https://id.example.com".to_owned(),
        audiences: vec!["tiller-edge".to_owned()],
        name: "sub".to_owned(),
        groups: "groups".to_owned(),
        prefix: String::new(),
        skew: 60,
        required: Vec::new(),
    };
    let nested = Rules {
        name: "email".to_owned(),
        groups: "/a/0".to_owned(),
        prefix: "oidc:".to_owned(),
        required: vec![("hd".to_owned(), json!("example.com"))],
        ..rules.clone()
    };
    [rules, nested]
});

fuzz_target!(|input: &str| {
    let verified = verify(input, &PROVIDER);
    assert!(
        verified.is_err() || input == SIGNED,
        "a forged token is good"
    );

    if let Ok(keys) = Keys::parse(input.as_bytes()) {
        assert!(keys.count() <= MAX_KEYS);
        for algorithm in ALL {
            if let Ok(key) = keys.find(None, algorithm) {
                assert!(key.check(algorithm, "header.claims", "AAAA").is_err());
            }
        }
    }

    if let Ok(claims) = strict::object(input.as_bytes()) {
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(input).ok(),
            Some(claims.clone().into())
        );
        for rules in &*RULES {
            if let Ok(subject) = Claims::of_verified(&claims).subject(rules, 1_700_000_000) {
                check(&subject, rules);
            }
        }
    }
});

fn verify(text: &str, keys: &Keys) -> Result<Subject, TokenError> {
    let issuer = token::issuer(text);
    let token = Token::parse(text)?;
    let claims = token.verify(keys, &ALL)?;
    assert!(issuer.is_some(), "a token that nobody recognises is good");
    claims.subject(&RULES[0], 1_700_000_000)
}

fn check(subject: &Subject, rules: &Rules) {
    assert!(subject.name.len() > rules.prefix.len());
    assert!(subject.expires > 1_700_000_000 - 60);
    assert!(subject.groups.len() <= MAX_GROUPS);
    assert!(subject.groups.is_sorted());
    for name in subject.groups.iter().chain([&subject.name]) {
        assert!(name.starts_with(&rules.prefix));
        assert!(!name.starts_with("system:"));
        assert!(!name.contains(char::is_control));
    }
}
