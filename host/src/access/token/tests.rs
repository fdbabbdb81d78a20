use std::fs;
use std::time::Duration;

use tokio::time::advance;

use super::*;

fn config(name: &str, token: &str) -> TokenConfig {
    TokenConfig {
        name: name.to_owned(),
        hash: Some(TokenHash::of(token)),
        ..TokenConfig::default()
    }
}

async fn whose(tokens: &Tokens, bearer: &str) -> Option<String> {
    let found = tokens.find(bearer).await.expect("not expired");
    found.map(|principal| principal.name.clone())
}

#[tokio::test]
async fn each_token_is_its_own_bearers() {
    let tokens = [
        config("alice", "one"),
        config("bob", "two"),
        config("alice", "three"),
    ];
    let tokens = Tokens::load(&tokens).expect("loads");
    for (bearer, name) in [
        ("one", Some("alice")),
        ("two", Some("bob")),
        ("three", Some("alice")),
        ("four", None),
        ("", None),
        // The hash of a token is no token.
        (&TokenHash::of("one").to_string(), None),
    ] {
        assert_eq!(whose(&tokens, bearer).await.as_deref(), name, "{bearer}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_file_is_read_again_and_one_that_is_gone_stands_for_no_token() {
    let home = tempfile::tempdir().expect("a directory");
    let path = home.path().join("hash");
    let write = |text: &str| fs::write(&path, text).expect("written");
    write(&format!("{}\n", TokenHash::of("one")));
    let tokens = Tokens::load(&[TokenConfig {
        name: "alice".to_owned(),
        hash_file: Some(path.clone()),
        ..TokenConfig::default()
    }])
    .expect("loads");
    assert_eq!(whose(&tokens, "one").await.as_deref(), Some("alice"));

    write(&TokenHash::of("two").to_string());
    assert_eq!(whose(&tokens, "one").await.as_deref(), Some("alice"));
    advance(FRESH).await;
    assert_eq!(whose(&tokens, "one").await, None);
    assert_eq!(whose(&tokens, "two").await.as_deref(), Some("alice"));

    for withdraw in [&(|| write("nothing of the kind")) as &dyn Fn(), &|| {
        fs::remove_file(&path).expect("removed")
    }] {
        withdraw();
        advance(FRESH).await;
        assert_eq!(whose(&tokens, "two").await, None);
        write(&TokenHash::of("two").to_string());
        advance(FRESH + Duration::from_millis(1)).await;
        assert_eq!(whose(&tokens, "two").await.as_deref(), Some("alice"));
    }
}

#[test]
fn a_file_that_holds_no_hash_is_named_and_not_quoted() {
    let home = tempfile::tempdir().expect("a directory");
    let path = home.path().join("hash");
    let load = || {
        Tokens::load(&[TokenConfig {
            name: "alice".to_owned(),
            hash_file: Some(path.clone()),
            ..TokenConfig::default()
        }])
    };
    let missing = load().expect_err("missing");
    fs::write(&path, "te_s3cret").expect("written");
    let wrong = load().expect_err("no hash");
    for error in [missing, wrong] {
        let said = Causes(&error).to_string();
        assert!(said.contains("hash"), "{said}");
        assert!(said.contains("alice"), "{said}");
        assert!(!said.contains("s3cret"), "{said}");
    }
}
