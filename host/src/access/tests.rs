use std::path::Path;
use std::time::Duration;

use http::StatusCode;
use rest::problem::Code;
use tokio::time::timeout;

use super::*;

const TOKEN: &str = "te_c2VjcmV0c2VjcmV0c2VjcmV0";

/// An edge with a token of Alice's and `more` in its configuration.
fn access(more: &str) -> Access {
    let text = format!(
        "[[token]]\nname = \"alice\"\ngroups = [\"ops\", \"dev\", \"ops\"]\nhash = \"{}\"\n{more}",
        TokenHash::of(TOKEN)
    );
    let config = Config::parse(&text, Path::new("/etc/edge/edge.toml")).expect("valid");
    Access::load(&config).expect("loads")
}

async fn ask(access: &Access, authorization: Option<&str>) -> Result<Admitted, Unauthenticated> {
    let authorization = authorization.map(SecretString::from);
    let evidence = Evidence {
        authorization: authorization.as_ref(),
        certificate: None,
    };
    timeout(Duration::from_secs(20), access.authenticate(evidence))
        .await
        .expect("in time")
}

fn known(admitted: Admitted) -> Arc<Principal> {
    match admitted.identity {
        Identity::Known(principal) => principal,
        Identity::PerCluster => panic!("a known principal"),
    }
}

#[tokio::test]
async fn a_token_says_who_its_bearer_is_and_goes_no_further() {
    let access = access("");
    for scheme in ["Bearer", "bearer", "BEARER", "Bearer  "] {
        let admitted = ask(&access, Some(&format!("{scheme} {TOKEN}")))
            .await
            .expect("let in");
        assert!(!admitted.passes_on);
        assert_eq!(
            *known(admitted),
            Principal {
                name: "alice".to_owned(),
                groups: vec!["dev".to_owned(), "ops".to_owned()],
                method: Method::Token,
            }
        );
    }
}

#[tokio::test]
async fn whoever_shows_nothing_good_is_told_what_to_show() {
    let access = access("");
    let plain = r#"Bearer realm="tiller-edge""#;
    for (sent, challenge) in [
        (None, plain.to_owned()),
        (
            Some("Bearer te_wrong"),
            format!("{plain}, error=\"invalid_token\""),
        ),
        (
            Some("Bearer ey.ey.x"),
            format!("{plain}, error=\"invalid_token\""),
        ),
        (
            Some("Basic YWxpY2U6cw=="),
            format!("{plain}, error=\"invalid_request\""),
        ),
        (
            Some("Bearer"),
            format!("{plain}, error=\"invalid_request\""),
        ),
        (
            Some("Bearer two words"),
            format!("{plain}, error=\"invalid_request\""),
        ),
        (Some(TOKEN), format!("{plain}, error=\"invalid_request\"")),
    ] {
        let error = ask(&access, sent).await.expect_err("turned away");
        assert_eq!(error.problem().code, Code::Unauthenticated);
        assert_eq!(error.problem().status(), StatusCode::UNAUTHORIZED);
        assert_eq!(
            error.challenge().as_ref().map(|value| value.as_bytes()),
            Some(challenge.as_bytes()),
            "{sent:?}"
        );
    }
}

#[tokio::test]
async fn a_provider_that_is_away_is_not_the_callers_fault() {
    let error = Unauthenticated::Unavailable {
        issuer: "https://login.example.com".to_owned(),
        source: "no route".into(),
    };
    assert_eq!(error.challenge(), None);
    assert_eq!(error.problem().code, Code::IdentityUnavailable);
    assert_eq!(error.problem().status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(error.problem().retry_after.is_some());
}

#[tokio::test]
async fn a_token_that_is_over_is_refused_and_one_that_is_not_yet_is_not() {
    for (expires, good) in [
        ("2001-01-01T00:00:00Z", false),
        ("2999-01-01T00:00:00+01:00", true),
    ] {
        let access = access(&format!("expires = \"{expires}\""));
        let asked = ask(&access, Some(&format!("Bearer {TOKEN}"))).await;
        assert_eq!(asked.is_ok(), good, "{expires}");
        if let Err(error) = asked {
            assert_eq!(
                error.to_string(),
                "the token expired at 2001-01-01T00:00:00Z"
            );
        }
    }
}

#[tokio::test]
async fn a_token_that_only_clusters_know_is_theirs_to_judge() {
    let access = access("[kubernetes]");
    let admitted = ask(&access, Some("Bearer eyJhbGciOiJSUzI1NiJ9.e30.x"))
        .await
        .expect("let in");
    assert!(matches!(admitted.identity, Identity::PerCluster));
    assert!(admitted.passes_on);
    // A token of this edge that is known no more goes to no cluster.
    let error = ask(&access, Some("Bearer te_withdrawn"))
        .await
        .expect_err("turned away");
    assert!(matches!(error, Unauthenticated::UnknownToken));
    // Nor does anything that is no bearer token.
    ask(&access, Some("Basic YWxpY2U6cw=="))
        .await
        .expect_err("turned away");
}

#[tokio::test]
async fn anonymous_callers_are_those_who_show_nothing() {
    let access = access("[anonymous]\nactions = [\"read\"]");
    let admitted = ask(&access, None).await.expect("let in");
    assert_eq!(*known(admitted), Principal::anonymous());
    // What is shown must be good all the same.
    ask(&access, Some("Bearer te_wrong"))
        .await
        .expect_err("turned away");
}

#[tokio::test]
async fn without_any_method_everybody_is_an_administrator() {
    let config = Config::default();
    for access in [Access::local(), Access::load(&config).expect("loads")] {
        for sent in [
            None,
            Some("Bearer of-a-cluster"),
            Some("Basic YWxpY2U6cw=="),
        ] {
            let admitted = ask(&access, sent).await.expect("let in");
            assert!(admitted.passes_on);
            assert_eq!(*known(admitted), Principal::local());
        }
    }
}

#[tokio::test]
async fn nothing_of_a_token_is_in_what_is_printed() {
    let access = access("");
    let shown = format!("{access:?}");
    assert!(!shown.contains("c2VjcmV0"), "{shown}");
    for sent in [
        "Bearer te_c2VjcmV0",
        "c2VjcmV0",
        "Basic c2VjcmV0",
        "Bearer a.c2VjcmV0.b",
    ] {
        let error = ask(&access, Some(sent)).await.expect_err("turned away");
        let problem = error.problem().to_json();
        let said = format!("{error} {error:?} {}", String::from_utf8_lossy(&problem));
        assert!(!said.contains("c2VjcmV0"), "{said}");
    }
}
