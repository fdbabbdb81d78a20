//! What a provider says its keys are.

use super::signer::encode;
use super::*;
use crate::access::oidc::key::KeysError;

fn count(keys: Value) -> usize {
    Keys::parse(json!({ "keys": keys }).to_string().as_bytes())
        .unwrap()
        .count()
}

/// `jwk` with this member changed; `null` takes it out.
fn changed(signer: &Signer, member: &str, value: Value) -> Value {
    let mut jwk = map(signer.jwk.clone());
    match value {
        Value::Null => jwk.remove(member),
        value => jwk.insert(member.to_owned(), value),
    };
    Value::Object(jwk)
}

#[test]
fn keys_that_are_not_for_signatures_or_not_whole_are_left_out() {
    let (rsa, p256) = (Signer::rsa("a"), Signer::p256("b"));
    let ed25519 = Signer::with("c", Algorithm::EdDSA);
    assert_eq!(count(json!([rsa.jwk, p256.jwk, ed25519.jwk])), 3);
    for jwk in [
        changed(&rsa, "use", json!("enc")),
        changed(&rsa, "use", json!(7)),
        changed(&rsa, "key_ops", json!(["encrypt"])),
        changed(&rsa, "key_ops", json!([])),
        changed(&rsa, "alg", json!("RSA-OAEP")),
        changed(&rsa, "alg", json!("ES256")),
        changed(&rsa, "alg", json!("HS256")),
        changed(&rsa, "alg", json!("none")),
        changed(&rsa, "kty", json!("oct")),
        changed(&rsa, "kty", json!("EC")),
        changed(&rsa, "kty", json!(null)),
        changed(&rsa, "n", json!(null)),
        changed(&rsa, "n", json!("")),
        changed(&rsa, "n", json!("AAAA")),
        changed(&rsa, "n", json!("not base64")),
        changed(&rsa, "n", json!(encode([0xff; 128]))),
        changed(&rsa, "n", json!(encode([0xff; 1024]))),
        changed(&rsa, "n", json!(encode([0xfe; 256]))),
        changed(&rsa, "e", json!("AQ")),
        changed(&rsa, "e", json!("Ag")),
        changed(&rsa, "e", json!("AAAA")),
        changed(&rsa, "e", json!(encode([0xff; 5]))),
        changed(&p256, "x", json!(encode([0; 32]))),
        changed(&p256, "x", json!(encode([1; 31]))),
        changed(&p256, "x", json!(encode([1; 33]))),
        changed(&p256, "y", json!(null)),
        changed(&p256, "crv", json!("P-384")),
        changed(&p256, "crv", json!("secp256k1")),
        changed(&p256, "crv", json!("P-521")),
        changed(&ed25519, "x", json!("")),
        changed(&ed25519, "x", json!(encode([0; 31]))),
        changed(&ed25519, "x", json!(encode([0; 33]))),
        changed(&ed25519, "crv", json!("X25519")),
        json!({ "kty": "oct", "k": "c2VjcmV0", "kid": "d" }),
        json!({ "kty": "oct", "k": "c2VjcmV0", "alg": "HS256" }),
        json!({ "kid": ["a"], "kty": "RSA" }),
        json!(null),
        json!([]),
        json!("RSA"),
    ] {
        assert_eq!(count(json!([jwk])), 0, "{jwk}");
        // And they take no other with them.
        assert_eq!(count(json!([jwk, p256.jwk])), 1, "{jwk}");
    }
    for jwk in [
        changed(&rsa, "use", json!("sig")),
        changed(&rsa, "key_ops", json!(["verify"])),
        changed(&rsa, "alg", json!(null)),
        changed(&rsa, "kid", json!(null)),
        changed(&rsa, "x5c", json!(7)),
        changed(&rsa, "unheard-of", json!({})),
    ] {
        assert_eq!(count(json!([jwk])), 1, "{jwk}");
    }
}

#[test]
fn a_hundred_keys_are_read_and_no_more() {
    let signer = Signer::p256("a");
    let some = |count| {
        let keys = vec![signer.jwk.clone(); count];
        Keys::parse(json!({ "keys": keys }).to_string().as_bytes())
    };
    assert_eq!(some(100).unwrap().count(), 100);
    assert!(matches!(some(101), Err(KeysError::TooMany)));
}

#[test]
fn what_is_no_set_of_keys_is_an_error() {
    for text in [
        "",
        "{}",
        "[]",
        "null",
        r#"{"keys":{}}"#,
        r#"{"keys":[]"#,
        "<html>",
    ] {
        assert!(
            matches!(Keys::parse(text.as_bytes()), Err(KeysError::Malformed(_))),
            "{text}"
        );
    }
    assert_eq!(count(json!([])), 0);
}
