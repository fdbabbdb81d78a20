//! Headers, signatures, keys: who made a token.

use std::sync::LazyLock;

use jsonwebtoken::{EncodingKey, crypto};
use proptest::prelude::*;

use super::signer::encode;
use super::*;

#[test]
fn every_algorithm_that_may_be_configured_is_understood() {
    use Algorithm::{ES256, ES384, EdDSA, PS256, PS384, PS512, RS256, RS384, RS512};
    for algorithm in [
        RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, EdDSA,
    ] {
        let signer = Signer::with("a", algorithm);
        let keys = keys(&[&signer]);
        assert_eq!(keys.count(), 1, "{algorithm:?}");
        let token = signer.sign(&claims());
        let subject = check_with(&token, &keys, &[algorithm]);
        assert_eq!(subject.unwrap().name, "oidc:alice", "{algorithm:?}");
        let others: Vec<Algorithm> = ACCEPTED
            .into_iter()
            .filter(|accepted| *accepted != algorithm)
            .collect();
        assert_eq!(
            check_with(&token, &keys, &others),
            Err(TokenError::Algorithm),
            "{algorithm:?}"
        );
    }
}

#[test]
fn a_public_key_is_no_shared_secret() {
    let signer = Signer::rsa("a");
    let keys = keys(&[&signer]);
    let modulus = signer.jwk["n"].as_str().unwrap();
    let jwk = signer.jwk.to_string();
    for algorithm in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512] {
        for secret in [modulus.as_bytes(), jwk.as_bytes(), b""] {
            let forger = Signer {
                algorithm,
                key: EncodingKey::from_secret(secret),
                jwk: signer.jwk.clone(),
            };
            let token = forger.sign(&claims());
            assert_eq!(check(&token, &keys), Err(TokenError::Algorithm));
            // Even where the configuration were to accept it there is no key for it.
            assert_eq!(
                check_with(&token, &keys, &[algorithm]),
                Err(TokenError::KeyUnknown)
            );
        }
    }
}

#[test]
fn an_unsigned_token_is_nobodys() {
    let signer = Signer::rsa("a").without("kid");
    let keys = keys(&[&signer]);
    for algorithm in [
        "none", "None", "NONE", "nOnE", "", "RS256 ", "rs256", "HS256",
    ] {
        let header = json!({ "alg": algorithm }).to_string();
        for signature in ["", "AA"] {
            let token = format!(
                "{}.{}.{signature}",
                encode(&header),
                encode(claims().to_string())
            );
            assert_eq!(check(&token, &keys), Err(TokenError::Algorithm), "{header}");
        }
    }
    for header in [
        "{}",
        r#"{"alg":null}"#,
        r#"{"alg":["RS256"]}"#,
        r#"{"alg":1}"#,
    ] {
        let token = signer.sign_text(header, &claims().to_string());
        assert_eq!(check(&token, &keys), Err(TokenError::Algorithm), "{header}");
    }
    // The right algorithm and no signature at all.
    let token = signer.sign_text(r#"{"alg":"RS256"}"#, &claims().to_string());
    let (message, _) = token.rsplit_once('.').unwrap();
    assert_eq!(
        check(&format!("{message}."), &keys),
        Err(TokenError::Signature)
    );
}

#[test]
fn a_key_is_used_for_its_own_algorithm_only() {
    let (rsa, p256) = (Signer::rsa("a"), Signer::p256("b"));
    let keys = keys(&[&rsa, &p256]);
    let header = |algorithm: &str, id: &str| json!({ "alg": algorithm, "kid": id }).to_string();
    let claims = claims().to_string();
    let all = [
        Algorithm::RS256,
        Algorithm::RS384,
        Algorithm::PS256,
        Algorithm::ES256,
        Algorithm::ES384,
    ];
    // Another algorithm of the same key type, the key's own `alg` notwithstanding.
    for (signer, algorithm, id) in [
        (&rsa, "PS256", "a"),
        (&rsa, "RS384", "a"),
        (&rsa, "ES256", "a"),
        (&p256, "RS256", "b"),
        (&p256, "ES384", "b"),
        (&rsa, "RS256", "b"),
        (&p256, "ES256", "a"),
    ] {
        let token = signer.sign_text(&header(algorithm, id), &claims);
        assert_eq!(
            check_with(&token, &keys, &all),
            Err(TokenError::KeyUnknown),
            "{algorithm} {id}"
        );
    }
    // The algorithm that is named is the one that is checked.
    let anyhow = self::keys(&[&Signer::rsa("a").without("alg")]);
    let token = rsa.sign_text(&header("PS256", "a"), &claims);
    assert_eq!(
        check_with(&token, &anyhow, &all),
        Err(TokenError::Signature)
    );
}

#[test]
fn the_key_that_a_token_names_must_have_signed_it() {
    let (one, two) = (Signer::rsa("one"), Signer::other_rsa("two"));
    let keys = keys(&[&one, &two]);
    assert!(check(&one.sign(&claims()), &keys).is_ok());
    assert!(check(&two.sign(&claims()), &keys).is_ok());
    let claims = claims().to_string();
    let token = one.sign_text(r#"{"alg":"RS256","kid":"two"}"#, &claims);
    assert_eq!(check(&token, &keys), Err(TokenError::Signature));
    let token = one.sign_text(r#"{"alg":"RS256","kid":"three"}"#, &claims);
    assert_eq!(check(&token, &keys), Err(TokenError::KeyUnknown));
    let token = one.sign_text(r#"{"alg":"RS256","kid":7}"#, &claims);
    assert_eq!(check(&token, &keys), Err(TokenError::Malformed));
}

#[test]
fn a_token_that_names_no_key_is_good_if_only_one_fits() {
    let (one, two, p256) = (
        Signer::rsa("one"),
        Signer::other_rsa("two"),
        Signer::p256("three"),
    );
    let token = one.sign_text(r#"{"alg":"RS256"}"#, &claims().to_string());
    assert!(check(&token, &keys(&[&one, &p256])).is_ok());
    assert_eq!(
        check(&token, &keys(&[&one, &two])),
        Err(TokenError::KeyAmbiguous)
    );
    assert_eq!(check(&token, &keys(&[&two])), Err(TokenError::Signature));
    assert_eq!(check(&token, &keys(&[])), Err(TokenError::KeyUnknown));
}

#[test]
fn keys_that_a_token_brings_along_are_not_looked_at() {
    let (provider, forger) = (Signer::rsa("a"), Signer::other_rsa("a"));
    let keys = keys(&[&provider]);
    for extra in [
        json!({ "jwk": forger.jwk }),
        json!({ "jku": "https://evil.example/keys" }),
        json!({ "x5u": "https://evil.example/cert" }),
        json!({ "x5c": ["MIIB"] }),
        json!({ "jwk": 7, "jku": false }),
    ] {
        let mut header = map(forger.header());
        header.extend(map(extra));
        let header = Value::Object(header).to_string();
        let token = forger.sign_text(&header, &claims().to_string());
        assert_eq!(check(&token, &keys), Err(TokenError::Signature), "{header}");
        let token = provider.sign_text(&header, &claims().to_string());
        assert!(check(&token, &keys).is_ok(), "{header}");
    }
}

#[test]
fn what_must_be_understood_is_not() {
    let signer = Signer::rsa("a");
    let keys = keys(&[&signer]);
    for critical in [json!(["b64"]), json!(["exp"]), json!([]), json!(null)] {
        let mut header = map(signer.header());
        header.insert("b64".to_owned(), json!(false));
        header.insert("crit".to_owned(), critical);
        let header = Value::Object(header).to_string();
        let token = signer.sign_text(&header, &claims().to_string());
        assert_eq!(check(&token, &keys), Err(TokenError::Critical), "{header}");
    }
}

#[test]
fn a_jwt_for_another_purpose_is_refused() {
    let signer = Signer::rsa("a");
    let keys = keys(&[&signer]);
    let typed = |kind: Value| {
        let header = json!({ "alg": "RS256", "kid": "a", "typ": kind }).to_string();
        check(&signer.sign_text(&header, &claims().to_string()), &keys)
    };
    for kind in ["JWT", "jwt", "at+jwt", "application/at+jwt", "AT+JWT"] {
        assert!(typed(json!(kind)).is_ok(), "{kind}");
    }
    for kind in [
        "logout+jwt",
        "secevent+jwt",
        "dpop+jwt",
        "",
        "JOSE",
        "jwt+jwt",
    ] {
        assert_eq!(typed(json!(kind)), Err(TokenError::Purpose), "{kind}");
    }
    assert_eq!(typed(json!(1)), Err(TokenError::Purpose));
    let events = json!({ "http://schemas.openid.net/event/backchannel-logout": {} });
    let token = signer.sign(&with(json!({ "events": events })));
    assert_eq!(check(&token, &keys), Err(TokenError::Purpose));
}

#[test]
fn a_name_that_occurs_twice_is_refused_although_the_provider_signed_it() {
    let signer = Signer::rsa("a");
    let keys = keys(&[&signer]);
    let header = signer.header().to_string();
    let good = claims().to_string();
    let twice = good.replacen('{', r#"{"sub":"bob","#, 1);
    let deep = good.replacen('{', r#"{"x":[{"a":1,"a":2}],"#, 1);
    for claims in [&twice, &deep] {
        assert_eq!(
            check(&signer.sign_text(&header, claims), &keys),
            Err(TokenError::Repeats)
        );
    }
    let header = header.replacen('{', r#"{"alg":"none","#, 1);
    assert_eq!(
        check(&signer.sign_text(&header, &good), &keys),
        Err(TokenError::Repeats)
    );
}

#[test]
fn what_is_no_jwt_is_malformed() {
    let signer = Signer::rsa("a");
    let keys = keys(&[&signer]);
    let good = signer.sign(&claims());
    let header = encode(signer.header().to_string());
    let five = format!("{good}.a.b");
    let four = format!("{good}.");
    let padded = good.replacen('.', "=.", 1);
    let standard = format!("{header}.+/+/.AA");
    let array = format!("{header}.{}.AA", encode("[]"));
    let text = format!("{}.{}.AA", encode("\"a\""), encode("{}"));
    for token in [
        "", ".", "..", "...", "a", "a.b", "a.b.c", &five, &four, &padded, &standard, &array, &text,
    ] {
        let refused = check(token, &keys);
        assert!(
            matches!(refused, Err(TokenError::Malformed)),
            "{token}: {refused:?}"
        );
    }
}

#[test]
fn a_token_may_have_16_kib_and_no_byte_more() {
    let signer = Signer::p256("a");
    let keys = keys(&[&signer]);
    let sized = |length: usize| {
        let padding = "x".repeat(length);
        signer.sign(&with(json!({ "padding": padding })))
    };
    let base = sized(0).len();
    let largest = (0..)
        .map(|less| sized((16 * 1024 - base) / 4 * 3 - less))
        .find(|token| token.len() <= 16 * 1024)
        .unwrap();
    assert!(largest.len() > 16 * 1024 - 4);
    assert!(check(&largest, &keys).is_ok());
    let limit = 16 * 1024;
    assert_eq!(
        check(&sized(limit), &keys),
        Err(TokenError::TooLarge { limit })
    );
}

#[test]
fn the_issuer_of_anything_like_a_token_is_read() {
    let signer = Signer::p256("a");
    assert_eq!(
        token::issuer(&signer.sign(&claims())).as_deref(),
        Some(ISSUER)
    );
    for token in [
        "",
        "abc",
        "a.b.c",
        &signer.sign(&json!({ "iss": 7 })),
        &signer.sign(&json!({})),
        &signer.sign(&json!([])),
    ] {
        assert_eq!(token::issuer(token), None, "{token}");
    }
}

#[test]
fn an_error_says_nothing_of_the_token() {
    let signer = Signer::rsa("a");
    let keys = keys(&[&signer]);
    let name = "s3cret\u{1}";
    let token = signer.sign(&with(json!({ "sub": name, "groups": [name] })));
    let error = check(&token, &keys).unwrap_err();
    let said = format!("{error} {error:?}");
    assert!(!said.contains("s3cret"), "{said}");
}

proptest! {
    #[test]
    fn no_text_is_a_token_by_chance(text in "\\PC*", bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let (_, keys) = &*SIGNED;
        let lossy = String::from_utf8_lossy(&bytes).into_owned();
        let parts = format!("{}.{}.{}", encode(&text), encode(&bytes), encode(&bytes));
        for text in [&text, &lossy, &parts] {
            prop_assert!(check(text, keys).is_err());
            token::issuer(text);
        }
    }

    #[test]
    fn no_change_to_a_token_goes_unnoticed(place in any::<prop::sample::Index>(), byte in 0x21_u8..0x7f, kind in 0..3) {
        let (signer, keys) = &*SIGNED;
        let token = signer.sign(&claims());
        let mut changed = token.clone().into_bytes();
        let place = place.index(changed.len());
        match kind {
            0 => changed[place] = byte,
            1 => changed.insert(place, byte),
            _ => drop(changed.remove(place)),
        }
        let changed = String::from_utf8(changed).unwrap();
        prop_assume!(changed != token);
        prop_assert!(check(&changed, keys).is_err(), "{}", changed);
    }

    #[test]
    fn no_claims_make_anything_panic(claims in any_json(), now in any::<i64>(), skew in 0..600_i64) {
        let rules = Rules { skew, name: "/a/0".to_owned(), groups: "/b".to_owned(), ..rules() };
        let (signer, keys) = &*SIGNED;
        if let Ok(token) = Token::parse(&signer.sign(&claims)) {
            let verified = token.verify(keys, &ACCEPTED).unwrap();
            verified.subject(&rules, now).ok();
        }
    }
}

/// Making keys takes long.
static SIGNED: LazyLock<(Signer, Keys)> = LazyLock::new(|| {
    let signer = Signer::p256("a");
    let keys = keys(&[&signer]);
    (signer, keys)
});

/// Objects that have claims of interest, of any kind.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        Just(json!(ISSUER)),
        Just(json!("tiller-edge")),
        "\\PC{0,8}".prop_map(Value::String),
    ];
    let value = leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            prop::collection::btree_map("[a-c/~]{0,2}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    });
    let name = prop::sample::select(vec![
        "iss", "aud", "sub", "exp", "nbf", "iat", "events", "groups", "a", "b", "",
    ]);
    prop::collection::btree_map(name, value, 0..8).prop_map(|map| {
        let mut claims = map
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect::<Map<_, _>>();
        for (name, value) in self::map(self::claims()) {
            claims.entry(name).or_insert(value);
        }
        Value::Object(claims)
    })
}

#[test]
fn a_signature_of_the_wrong_length_is_none() {
    for signer in [
        Signer::rsa("a"),
        Signer::p256("a"),
        Signer::with("a", Algorithm::EdDSA),
    ] {
        let keys = keys(&[&signer]);
        let token = signer.sign(&claims());
        let (message, signature) = token.rsplit_once('.').unwrap();
        for signature in [
            "".to_owned(),
            "AAAA".to_owned(),
            format!("{signature}AAAA"),
            encode([0; 64]),
            encode([0xff; 256]),
            encode(vec![0; 4096]),
        ] {
            let token = format!("{message}.{signature}");
            assert_eq!(
                check_with(&token, &keys, &[signer.algorithm]),
                Err(TokenError::Signature)
            );
        }
        let again = crypto::sign(message.as_bytes(), &signer.key, signer.algorithm).unwrap();
        assert!(check_with(&format!("{message}.{again}"), &keys, &[signer.algorithm]).is_ok());
    }
}
