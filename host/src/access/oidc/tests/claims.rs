//! What a token says, held against what is wanted.

use super::*;

/// The subject of these claims under `rules`, at that time.
fn subject_at(claims: &Value, rules: &Rules, now: i64) -> Result<Subject, TokenError> {
    let claims = map(claims.clone());
    super::super::claims::Claims::of_verified(&claims).subject(rules, now)
}

fn subject(changes: Value, rules: &Rules) -> Result<Subject, TokenError> {
    subject_at(&with(changes), rules, NOW)
}

#[test]
fn a_subject_has_the_prefix_before_its_name_and_groups() {
    let found = subject(json!({ "groups": ["ops", "dev", "ops"] }), &rules()).unwrap();
    assert_eq!(found.name, "oidc:alice");
    assert_eq!(found.groups, ["oidc:dev", "oidc:ops"]);
    assert_eq!(found.expires, NOW + 300);
}

#[test]
fn the_issuer_is_compared_to_the_letter() {
    for issuer in [
        json!(null),
        json!("https://id.example.com/"),
        json!("https://ID.example.com"),
        json!("http://id.example.com"),
        json!([ISSUER]),
        json!(7),
    ] {
        assert_eq!(
            subject(json!({ "iss": issuer }), &rules()),
            Err(TokenError::Issuer)
        );
    }
}

#[test]
fn one_of_the_audiences_is_enough_and_no_other_is() {
    for audience in [
        json!("helm"),
        json!(["helm"]),
        json!(["other", "tiller-edge"]),
    ] {
        assert!(
            subject(json!({ "aud": audience }), &rules()).is_ok(),
            "{audience}"
        );
    }
    for audience in [
        json!(null),
        json!(""),
        json!("other"),
        json!("tiller-edge2"),
        json!("Tiller-Edge"),
        json!("tiller-edge helm"),
        json!([]),
        json!(["other"]),
        json!([["helm"]]),
        json!(["helm", 7]),
        json!({ "helm": true }),
        json!(true),
    ] {
        assert_eq!(
            subject(json!({ "aud": audience }), &rules()),
            Err(TokenError::Audience),
            "{audience}"
        );
    }
}

#[test]
fn a_token_is_good_until_the_second_before_its_end_and_the_skew() {
    let rules = rules();
    let end = NOW + 300;
    let claims = with(json!({ "nbf": NOW, "iat": NOW }));
    for (now, expected) in [
        (NOW - 61, Err(TokenError::NotYet)),
        (NOW - 60, Ok(())),
        (end, Ok(())),
        (end + 59, Ok(())),
        (end + 60, Err(TokenError::Expired { at: end })),
        (i64::MAX, Err(TokenError::Expired { at: end })),
        (0, Err(TokenError::NotYet)),
    ] {
        let found = subject_at(&claims, &rules, now).map(drop);
        assert_eq!(found, expected, "{now}");
    }
    let exact = Rules { skew: 0, ..rules };
    assert!(subject_at(&claims, &exact, end - 1).is_ok());
    assert!(subject_at(&claims, &exact, end).is_err());
    assert!(subject_at(&claims, &exact, NOW).is_ok());
    assert!(subject_at(&claims, &exact, NOW - 1).is_err());
}

#[test]
fn one_that_starts_or_was_made_in_the_future_is_not_good_yet() {
    for name in ["nbf", "iat"] {
        for (start, expected) in [
            (json!(null), Ok(())),
            (json!(NOW + 60), Ok(())),
            (json!(NOW + 61), Err(TokenError::NotYet)),
            (json!(i64::MAX), Err(TokenError::NotYet)),
            (json!("1"), Err(TokenError::Claim(name.to_owned()))),
            (json!(1e300), Err(TokenError::Claim(name.to_owned()))),
        ] {
            let found = subject(json!({ name: start }), &rules()).map(drop);
            assert_eq!(found, expected, "{name} {start}");
        }
    }
}

#[test]
fn an_end_is_a_number_of_seconds() {
    let unusable = || Err(TokenError::Claim("exp".to_owned()));
    for (end, expected) in [
        (json!(NOW as f64 + 0.9), Ok(NOW)),
        (json!(i64::MAX), Ok(i64::MAX)),
        (json!(null), unusable()),
        (json!("1900000000"), unusable()),
        (json!(u64::MAX), unusable()),
        (json!(1e300), unusable()),
        (json!([NOW + 300]), unusable()),
        (json!(true), unusable()),
        (json!(-1), Err(TokenError::Expired { at: -1 })),
        (json!(-1.5), Err(TokenError::Expired { at: -2 })),
        (json!(i64::MIN), Err(TokenError::Expired { at: i64::MIN })),
    ] {
        let found = subject(json!({ "exp": end }), &rules()).map(|subject| subject.expires);
        assert_eq!(found, expected, "{end}");
    }
}

#[test]
fn a_name_is_a_text_of_256_bytes_at_most() {
    let limit = "a".repeat(256);
    for name in ["a", "Alice Müller", &limit] {
        let found = subject(json!({ "sub": name }), &rules()).unwrap();
        assert_eq!(found.name, format!("oidc:{name}"));
    }
    let long = "a".repeat(257);
    for name in [
        json!(null),
        json!(""),
        json!(7),
        json!(["alice"]),
        json!(long),
        json!("a\nb"),
        json!("a\u{0}"),
        json!("a\u{85}"),
    ] {
        assert_eq!(
            subject(json!({ "sub": name }), &rules()),
            Err(TokenError::Claim("sub".to_owned())),
            "{name}"
        );
    }
}

#[test]
fn kubernetes_own_names_are_refused_and_its_groups_left_out() {
    let bare = Rules {
        prefix: String::new(),
        ..rules()
    };
    assert_eq!(
        subject(json!({ "sub": "system:admin" }), &bare),
        Err(TokenError::Reserved)
    );
    assert_eq!(
        subject(json!({ "sub": "hook:ci" }), &bare),
        Err(TokenError::Reserved)
    );
    let groups = json!({ "groups": ["system:masters", "dev", "system:"] });
    assert_eq!(subject(groups.clone(), &bare).unwrap().groups, ["dev"]);
    // What matters is what comes out.
    assert_eq!(
        subject(groups, &rules()).unwrap().groups,
        ["oidc:dev", "oidc:system:", "oidc:system:masters"]
    );
    let sneaky = Rules {
        prefix: "sys".to_owned(),
        ..rules()
    };
    let made = json!({ "sub": "tem:admin", "groups": ["tem:masters"] });
    assert_eq!(subject(made, &sneaky), Err(TokenError::Reserved));
    let made = json!({ "groups": ["tem:masters"] });
    assert!(subject(made, &sneaky).unwrap().groups.is_empty());
}

#[test]
fn groups_are_a_text_or_a_list_of_texts() {
    for (groups, expected) in [
        (json!(null), Vec::new()),
        (json!([]), Vec::new()),
        (json!("dev"), vec!["oidc:dev"]),
        (json!(["dev"]), vec!["oidc:dev"]),
        (json!(["b", "a"]), vec!["oidc:a", "oidc:b"]),
    ] {
        let found = subject(json!({ "groups": groups }), &rules()).unwrap();
        assert_eq!(found.groups, expected, "{groups}");
    }
    for groups in [
        json!(7),
        json!({ "dev": true }),
        json!(["dev", 7]),
        json!([["dev"]]),
        json!(["dev", ""]),
        json!(["a\r\nb"]),
        json!(["a".repeat(257)]),
        json!(""),
    ] {
        assert_eq!(
            subject(json!({ "groups": groups }), &rules()),
            Err(TokenError::Claim("groups".to_owned())),
            "{groups}"
        );
    }
    // A list that says nothing is none.
    let mut claims = map(claims());
    claims.insert("groups".to_owned(), Value::Null);
    assert!(subject_at(&Value::Object(claims), &rules(), NOW).is_ok());
}

#[test]
fn five_hundred_groups_are_as_many_as_a_token_may_have() {
    let some = |count: usize| {
        let groups: Vec<String> = (0..count).map(|group| group.to_string()).collect();
        subject(json!({ "groups": groups }), &rules())
    };
    assert_eq!(some(500).unwrap().groups.len(), 500);
    assert_eq!(some(501), Err(TokenError::TooManyGroups { limit: 500 }));
}

#[test]
fn names_and_groups_may_be_nested() {
    let nested = json!({
        "realm_access": { "roles": ["admin"] },
        "https://example.com/groups": ["url"],
        "a/b": { "m~n": ["x", { "": "deep" }] },
    });
    for (claim, expected) in [
        ("/realm_access/roles", "oidc:admin"),
        ("https://example.com/groups", "oidc:url"),
        ("/https:~1~1example.com~1groups", "oidc:url"),
        ("/a~1b/m~0n/1/", "oidc:deep"),
        ("/a~1b/m~0n/0", "oidc:x"),
    ] {
        let rules = Rules {
            groups: claim.to_owned(),
            ..rules()
        };
        let found = subject(nested.clone(), &rules).unwrap();
        assert_eq!(found.groups, [expected], "{claim}");
    }
    for claim in [
        "realm_access.roles",
        "/realm_access/none",
        "/",
        "//",
        "/a~1b/m~0n/9",
    ] {
        let rules = Rules {
            groups: claim.to_owned(),
            ..rules()
        };
        assert!(
            subject(nested.clone(), &rules).unwrap().groups.is_empty(),
            "{claim}"
        );
    }
}

#[test]
fn an_address_is_a_name_once_the_provider_has_verified_it() {
    for claim in ["email", "/email"] {
        let rules = Rules {
            name: claim.to_owned(),
            ..rules()
        };
        let found = |verified: Value| {
            let claims = json!({ "email": "alice@example.com", "email_verified": verified });
            subject(claims, &rules).map(|subject| subject.name)
        };
        assert_eq!(found(json!(true)).unwrap(), "oidc:alice@example.com");
        for verified in [json!(null), json!(false), json!("true"), json!(1)] {
            assert_eq!(found(verified), Err(TokenError::EmailUnverified));
        }
    }
}

#[test]
fn a_required_claim_is_there_as_it_must_be_or_in_a_list() {
    let required = |claim: &str, value: Value| Rules {
        required: vec![(claim.to_owned(), value)],
        ..rules()
    };
    for (value, claim) in [
        (json!("example.com"), json!("example.com")),
        (json!("example.com"), json!(["other", "example.com"])),
        (json!(true), json!(true)),
        (json!(3), json!(3)),
    ] {
        let found = subject(json!({ "hd": claim }), &required("hd", value));
        assert!(found.is_ok(), "{claim}");
    }
    for (value, claim) in [
        (json!("example.com"), json!(null)),
        (json!("example.com"), json!("example.com.evil.org")),
        (json!("example.com"), json!(["example.org"])),
        (json!("example.com"), json!({ "example.com": true })),
        (json!(true), json!("true")),
        (json!(3), json!("3")),
    ] {
        assert_eq!(
            subject(json!({ "hd": claim }), &required("hd", value)),
            Err(TokenError::ClaimRequired("hd".to_owned())),
            "{claim}"
        );
    }
    let nested = json!({ "a": { "b": "c" } });
    assert!(subject(nested, &required("/a/b", json!("c"))).is_ok());
}

#[test]
fn who_asked_for_the_token_is_not_looked_at_unless_it_is_required() {
    let issued = json!({ "aud": ["helm", "other"], "azp": "cli" });
    assert!(subject(issued.clone(), &rules()).is_ok());
    let pinned = |azp: &str| Rules {
        required: vec![("azp".to_owned(), json!(azp))],
        ..rules()
    };
    assert!(subject(issued.clone(), &pinned("cli")).is_ok());
    assert!(subject(issued, &pinned("helm")).is_err());
}
