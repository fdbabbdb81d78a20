//! What providers send, with the numbers that they publish or that other programs make.

use super::*;

const HELLO: &str = "Hello, World!";

/// `printf 'Hello, World!' | openssl dgst -hmac "It's a Secret to Everybody"`, by hash function; GitHub publishes the second.
const SHA1: &str = "01dc10d0c83e72ed246219cdd91669667fe2ca59";
const SHA256: &str = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
const SHA256_BASE64: &str = "dXEH6g6yUJ/CESIczphLijdXC211hsIsRvQ3nIsEPhc";

const BODY: &str = r#"{"email":"test@example.com","username":"test_user"}"#;
const ID: &str = "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk";
const AT: i64 = 1_649_367_553;
const SIGNATURE: &str = "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=";

fn secret(provider: &str) -> String {
    format!("provider = \"{provider}\"\nsecrets = [\"{SECRET}\"]\n")
}

fn keys(provider: &str, keys: &[&str]) -> String {
    format!("provider = \"{provider}\"\nsecrets = {keys:?}\n")
}

fn standard() -> Sent {
    Sent::new(BODY)
        .header("webhook-id", ID)
        .header("webhook-timestamp", &AT.to_string())
        .header("webhook-signature", SIGNATURE)
        .at(AT)
}

#[tokio::test]
async fn github_signs_with_sha256_and_its_old_header_proves_nothing() {
    let hook = hook(&secret("github"));
    let good = Sent::new(HELLO).header("x-hub-signature-256", &format!("sha256={SHA256}"));
    assert_eq!(verify(&hook, &good).await, Ok(()));
    let old = Sent::new(HELLO).header("x-hub-signature", &format!("sha1={SHA1}"));
    assert_eq!(verify(&hook, &old).await, Err("absent"));
    let bare = Sent::new(HELLO).header("x-hub-signature-256", SHA256);
    assert_eq!(verify(&hook, &bare).await, Err("malformed"));
    let capital = Sent::new(HELLO).header(
        "x-hub-signature-256",
        &format!("sha256={}", SHA256.to_uppercase()),
    );
    assert_eq!(verify(&hook, &capital).await, Err("malformed"));
}

#[tokio::test]
async fn bitbucket_signs_with_sha256_in_the_older_header() {
    let good = Sent::new(HELLO).header("x-hub-signature", &format!("sha256={SHA256}"));
    assert_eq!(verify(&hook(&secret("bitbucket")), &good).await, Ok(()));
}

#[tokio::test]
async fn nexus_signs_with_sha1() {
    let good = Sent::new(HELLO).header("x-nexus-webhook-signature", SHA1);
    assert_eq!(verify(&hook(&secret("nexus")), &good).await, Ok(()));
}

#[tokio::test]
async fn jfrog_sends_its_secret_or_signs_with_it() {
    let hook = hook(&secret("jfrog"));
    for value in [SECRET, SHA256] {
        let good = Sent::new(HELLO).header("x-jfrog-event-auth", value);
        assert_eq!(verify(&hook, &good).await, Ok(()));
    }
    let other = Sent::new(HELLO).header("x-jfrog-event-auth", OTHER);
    assert_eq!(verify(&hook, &other).await, Err("malformed"));
}

#[tokio::test]
async fn whoever_signs_otherwise_says_how() {
    for (lines, name, value) in [
        ("header = \"X-Sig\"", "x-sig", SHA256.to_owned()),
        (
            "header = \"X-Sig\"\nalgorithm = \"sha1\"\nprefix = \"sha1=\"",
            "x-sig",
            format!("sha1={SHA1}"),
        ),
        (
            "header = \"X-Sig\"\nencoding = \"base64\"",
            "x-sig",
            format!("{SHA256_BASE64}="),
        ),
        (
            "header = \"X-Sig\"\nencoding = \"base64\"",
            "x-sig",
            SHA256_BASE64.to_owned(),
        ),
        (
            "header = \"X-Sig\"\nencoding = \"base64\"",
            "x-sig",
            SHA256_BASE64.replace('/', "_").replace('+', "-"),
        ),
    ] {
        let hook = hook(&format!("{}{lines}\n", secret("hmac")));
        let good = Sent::new(HELLO).header(name, &value);
        assert_eq!(verify(&hook, &good).await, Ok(()), "{lines}");
    }
}

#[tokio::test]
async fn standard_webhooks_is_as_its_authors_have_it() {
    let hook = hook(&keys("standard-webhooks", &[WHSEC]));
    assert_eq!(verify(&hook, &standard()).await, Ok(()));
    let list = format!("v1,AAAA v1a,{} v9,x {SIGNATURE} junk", "A".repeat(86));
    let mut several = standard();
    several
        .headers
        .insert("webhook-signature", list.parse().expect("a value"));
    assert_eq!(verify(&hook, &several).await, Ok(()));
}

#[tokio::test]
async fn one_key_can_take_the_place_of_another() {
    let (key, public) = ed25519();
    let new = "whsec_bmV3IGtleSBvZiB0aGUgc2VuZGVyISEh";
    let hook = hook(&keys("standard-webhooks", &[new, WHSEC, &public]));
    assert_eq!(verify(&hook, &standard()).await, Ok(()));
    let mut asymmetric = standard();
    let signature = sign_v1a(&key, ID, AT, BODY);
    asymmetric
        .headers
        .insert("webhook-signature", signature.parse().expect("a value"));
    assert_eq!(verify(&hook, &asymmetric).await, Ok(()));
    // What one kind of key signed is not good as the other kind's.
    let mut crossed = standard();
    let wrong = signature.replace("v1a,", "v1,");
    crossed
        .headers
        .insert("webhook-signature", wrong.parse().expect("a value"));
    assert_eq!(verify(&hook, &crossed).await, Err("mismatch"));
}

#[tokio::test]
async fn what_was_signed_long_ago_or_will_be_is_refused() {
    let hook = hook(&keys("standard-webhooks", &[WHSEC]));
    for (away, verdict) in [
        (300, Ok(())),
        (-300, Ok(())),
        (301, Err("stale")),
        (-301, Err("stale")),
    ] {
        assert_eq!(verify(&hook, &standard().at(AT + away)).await, verdict);
    }
}

#[tokio::test]
async fn an_id_that_could_be_part_of_what_follows_is_refused() {
    let hook = hook(&keys("standard-webhooks", &[WHSEC]));
    for (name, value) in [
        ("webhook-id", "msg_1.2"),
        ("webhook-id", ""),
        ("webhook-timestamp", "+1649367553"),
        ("webhook-timestamp", "01649367553"),
        ("webhook-timestamp", "1649367553.0"),
        ("webhook-timestamp", ""),
    ] {
        let mut sent = standard();
        sent.headers.insert(name, value.parse().expect("a value"));
        assert_eq!(verify(&hook, &sent).await, Err("malformed"), "{value}");
    }
}

#[tokio::test]
async fn gitlab_sends_a_token_or_signs() {
    let token = Sent::new(HELLO).header("x-gitlab-token", SECRET);
    let both = hook(&keys("gitlab", &[SECRET, WHSEC]));
    assert_eq!(verify(&both, &token).await, Ok(()));
    assert_eq!(verify(&both, &standard()).await, Ok(()));
    let signed_only = hook(&keys("gitlab", &[WHSEC]));
    assert_eq!(verify(&signed_only, &standard()).await, Ok(()));
    assert_eq!(verify(&signed_only, &token).await, Err("absent"));
    // A key is no token, even for whoever knows it.
    let key_as_token = Sent::new(HELLO).header("x-gitlab-token", WHSEC);
    assert_eq!(verify(&both, &key_as_token).await, Err("mismatch"));
}

#[tokio::test]
async fn registries_send_a_header_to_the_letter() {
    for provider in ["harbor", "acr", "distribution"] {
        let hook = hook(&format!(
            "provider = \"{provider}\"\nsecrets = [\"Bearer {SECRET}\"]\n"
        ));
        let good = Sent::new(HELLO).authorization(&format!("Bearer {SECRET}"));
        assert_eq!(verify(&hook, &good).await, Ok(()), "{provider}");
        let without = Sent::new(HELLO).authorization(SECRET);
        assert_eq!(verify(&hook, &without).await, Err("mismatch"), "{provider}");
    }
    let own = hook(&format!("{}header = \"X-Registry\"\n", secret("acr")));
    let good = Sent::new(HELLO).header("x-registry", SECRET);
    assert_eq!(verify(&own, &good).await, Ok(()));
    let twice = good.clone().header("x-registry", SECRET);
    assert_eq!(verify(&own, &twice).await, Err("malformed"));
}

#[tokio::test]
async fn docker_hub_has_its_secret_in_the_url() {
    let hub = hook("provider = \"docker-hub\"\nsecrets = [\"0123456789abcdef/+\"]\n");
    for (query, verdict) in [
        ("token=0123456789abcdef/+", Ok(())),
        ("a=b&token=0123456789abcdef%2F%2B", Ok(())),
        ("token=0123456789abcde", Err("mismatch")),
        ("token=", Err("mismatch")),
        ("tokens=0123456789abcdef/+", Err("absent")),
        (
            "token=0123456789abcdef/+&token=0123456789abcdef/+",
            Err("malformed"),
        ),
    ] {
        let sent = Sent::new(HELLO).query(query);
        assert_eq!(verify(&hub, &sent).await, verdict, "{query}");
    }
    assert_eq!(verify(&hub, &Sent::new(HELLO)).await, Err("absent"));
}

#[tokio::test]
async fn quay_shows_its_certificate() {
    let lines = "provider = \"quay\"\ncertificate = { subjects = [\"quay.example.com\"] }\n";
    let plain = hook(lines);
    let token = hook(&format!(
        "{lines}secrets = [\"{OTHER}\"]\ntoken_query = \"t\"\n"
    ));
    let by_host = certificate(Some("Quay"), &["a.example.com", "quay.example.com"]);
    let by_name = certificate(Some("quay.example.com"), &[]);
    let another = certificate(Some("evil.example.com"), &["evil.example.com"]);
    let sent = Sent::new(HELLO).query(&format!("t={}", OTHER.replace(' ', "%20")));
    for (certificate, verdict) in [
        (&by_host, Ok(())),
        (&by_name, Ok(())),
        (&another, Err("certificate")),
    ] {
        let sent = sent.clone().certificate(certificate);
        assert_eq!(verify(&plain, &sent).await, verdict);
        assert_eq!(verify(&token, &sent).await, verdict);
    }
    assert_eq!(verify(&plain, &sent).await, Err("absent"));
    let half = Sent::new(HELLO).certificate(&by_host);
    assert_eq!(verify(&token, &half).await, Err("absent"));
}

#[tokio::test]
async fn cloudevents_come_with_a_token_or_signed() {
    let hook = hook(&keys("cloudevents", &[SECRET, WHSEC]));
    let escaped = SECRET.replace(' ', "%20");
    let query = format!("access_token={escaped}");
    // A token has no spaces in a header.
    let plain = super::hook(&keys("cloudevents", &["0123456789abcdefg"]));
    let bearer = Sent::new(HELLO).authorization("Bearer 0123456789abcdefg");
    assert_eq!(verify(&plain, &bearer).await, Ok(()));
    let in_url = Sent::new(HELLO).query(&query);
    assert_eq!(verify(&hook, &in_url).await, Ok(()));
    assert_eq!(verify(&hook, &standard()).await, Ok(()));
    let twice = bearer.clone().query("access_token=0123456789abcdefg");
    assert_eq!(verify(&plain, &twice).await, Err("malformed"));
    let basic = Sent::new(HELLO).authorization("Basic 0123456789abcdefg");
    assert_eq!(verify(&plain, &basic).await, Err("malformed"));
    assert_eq!(verify(&hook, &Sent::new(HELLO)).await, Err("absent"));
}

#[tokio::test]
async fn any_of_several_secrets_will_do() {
    let hook = hook(&keys("github", &[OTHER, SECRET]));
    let good = Sent::new(HELLO).header("x-hub-signature-256", &format!("sha256={SHA256}"));
    assert_eq!(verify(&hook, &good).await, Ok(()));
}

#[tokio::test]
async fn anybody_may_call_where_the_operator_says_so() {
    let hook = hook("provider = \"docker-hub\"\nallow_unsigned = true\n");
    assert_eq!(verify(&hook, &Sent::new(HELLO)).await, Ok(()));
}
