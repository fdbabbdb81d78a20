//! One bit of a delivery is turned, each in its turn, and none of what comes out is the provider's any more.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::*;

const BODY: &str = r#"{"a":"b"}"#;
const ID: &str = "msg_1";
const AT: i64 = 1_700_000_000;

/// A delivery, the hook that takes it, and what of it vouches for what.
struct Case {
    /// The configuration without secrets.
    lines: String,
    secret: String,
    sent: Sent,
    /// The header or headers that prove it.
    headers: &'static [&'static str],
    /// Where the part of `Authorization` begins that proves it.
    authorization: Option<usize>,
    /// Where the part of the query begins that proves it.
    query: Option<usize>,
    /// Whether the body is vouched for.
    signed: bool,
}

impl Case {
    fn new(provider: &str, sent: Sent) -> Self {
        let header = match provider {
            "hmac" => "header = \"x-sig\"\n",
            _ => "",
        };
        Self {
            lines: format!(
                "provider = \"{provider}\"\nsecrets = [\"{SECRET}\", \"{WHSEC}\"]\n{header}"
            ),
            secret: SECRET.to_owned(),
            sent,
            headers: &[],
            authorization: None,
            query: None,
            signed: false,
        }
    }

    fn by_header(self, name: &'static [&'static str], signed: bool) -> Self {
        Self {
            headers: name,
            signed,
            ..self
        }
    }

    fn verifier(&self, secret: &str) -> Verifier {
        with_secrets(&self.lines, &[secret])
    }
}

fn signed<M: hmac::Mac + hmac::digest::KeyInit>(key: &[u8], message: &str) -> Vec<u8> {
    super::super::signature::hmac::<M>(key, &[message.as_bytes()])
}

fn hex(bytes: &[u8]) -> String {
    crate::hooks::intake::hex(bytes)
}

fn cases() -> Vec<Case> {
    let key = SECRET.as_bytes();
    let sha256 = hex(&signed::<hmac::Hmac<sha2::Sha256>>(key, BODY));
    let sha1 = hex(&signed::<hmac::Hmac<sha1::Sha1>>(key, BODY));
    let prefixed = format!("sha256={sha256}");
    let sent = || Sent::new(BODY);
    let standard = |signature: &str| {
        sent()
            .header("webhook-id", ID)
            .header("webhook-timestamp", &AT.to_string())
            .header("webhook-signature", signature)
            .at(AT)
    };
    let message = format!("{ID}.{AT}.{BODY}");
    let shared = STANDARD.decode(&WHSEC[6..]).expect("base64");
    let v1 = STANDARD.encode(signed::<hmac::Hmac<sha2::Sha256>>(&shared, &message));
    let v1 = format!("v1,{v1}");
    let (private, public) = ed25519();
    let v1a = sign_v1a(&private, ID, AT, BODY);
    let all: &[&str] = &["webhook-id", "webhook-timestamp", "webhook-signature"];
    let mut cases = vec![
        Case::new("github", sent().header("x-hub-signature-256", &prefixed))
            .by_header(&["x-hub-signature-256"], true),
        Case::new("bitbucket", sent().header("x-hub-signature", &prefixed))
            .by_header(&["x-hub-signature"], true),
        Case::new("nexus", sent().header("x-nexus-webhook-signature", &sha1))
            .by_header(&["x-nexus-webhook-signature"], true),
        Case::new("jfrog", sent().header("x-jfrog-event-auth", &sha256))
            .by_header(&["x-jfrog-event-auth"], true),
        Case::new("jfrog", sent().header("x-jfrog-event-auth", SECRET))
            .by_header(&["x-jfrog-event-auth"], false),
        Case::new("hmac", sent().header("x-sig", &sha256)).by_header(&["x-sig"], true),
        Case::new("gitlab", sent().header("x-gitlab-token", SECRET))
            .by_header(&["x-gitlab-token"], false),
        Case {
            authorization: Some(0),
            ..Case::new("harbor", sent().authorization(SECRET))
        },
        Case {
            authorization: Some(0),
            ..Case::new("acr", sent().authorization(SECRET))
        },
        Case {
            authorization: Some(0),
            ..Case::new("distribution", sent().authorization(SECRET))
        },
        Case {
            query: Some("token=".len()),
            secret: TOKEN.to_owned(),
            ..Case::new("docker-hub", sent().query(&format!("token={TOKEN}")))
        },
        Case {
            query: Some("token=".len()),
            secret: TOKEN.to_owned(),
            ..Case::new("quay", sent().query(&format!("token={TOKEN}")))
        },
        Case {
            authorization: Some("Bearer ".len()),
            secret: TOKEN.to_owned(),
            ..Case::new(
                "cloudevents",
                sent().authorization(&format!("Bearer {TOKEN}")),
            )
        },
        Case {
            query: Some("access_token=".len()),
            secret: TOKEN.to_owned(),
            ..Case::new(
                "cloudevents",
                sent().query(&format!("access_token={TOKEN}")),
            )
        },
    ];
    for provider in ["standard-webhooks", "gitlab", "cloudevents"] {
        for (secret, signature) in [(WHSEC, &v1), (&public, &v1a)] {
            let mut case = Case::new(provider, standard(signature)).by_header(all, true);
            case.lines = format!("provider = \"{provider}\"\nsecrets = [\"{WHSEC}\"]\n");
            case.secret = secret.to_owned();
            cases.push(case);
        }
    }
    cases
}

const TOKEN: &str = "0123456789abcdefghij";

/// `text` with every one of its bits turned that leaves it a header's or a URL's text.
fn turned(text: &str, from: usize) -> impl Iterator<Item = String> {
    (from * 8..text.len() * 8).filter_map(move |bit| {
        let mut bytes = text.as_bytes().to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let printable = bytes[bit / 8].is_ascii_graphic() || bytes[bit / 8] == b' ';
        printable.then(|| String::from_utf8(bytes).expect("ASCII"))
    })
}

#[tokio::test]
async fn as_it_was_sent_it_is_taken() {
    for case in cases() {
        let verdict = verify(&case.verifier(&case.secret), &case.sent).await;
        assert_eq!(verdict, Ok(()), "{}", case.lines);
    }
}

#[tokio::test]
async fn a_body_with_one_bit_turned_is_refused_wherever_it_is_signed() {
    for case in cases() {
        let verifier = case.verifier(&case.secret);
        for bit in 0..case.sent.body.len() * 8 {
            let mut sent = case.sent.clone();
            sent.body[bit / 8] ^= 1 << (bit % 8);
            let verdict = verify(&verifier, &sent).await;
            assert_eq!(verdict.is_err(), case.signed, "{} bit {bit}", case.lines);
        }
        let mut longer = case.sent.clone();
        longer.body.push(b' ');
        assert_eq!(verify(&verifier, &longer).await.is_err(), case.signed);
    }
}

#[tokio::test]
async fn a_signature_an_id_or_a_time_with_one_bit_turned_is_refused() {
    for case in cases() {
        let verifier = case.verifier(&case.secret);
        for name in case.headers {
            let value = case.sent.headers[*name].to_str().expect("ASCII").to_owned();
            for value in turned(&value, 0) {
                let mut sent = case.sent.clone();
                sent.headers.insert(*name, value.parse().expect("a value"));
                let verdict = verify(&verifier, &sent).await;
                assert!(verdict.is_err(), "{} {name}: {value}", case.lines);
            }
            let mut without = case.sent.clone();
            without.headers.remove(*name);
            assert!(verify(&verifier, &without).await.is_err());
            let mut twice = case.sent.clone();
            twice.headers.append(*name, value.parse().expect("a value"));
            assert!(verify(&verifier, &twice).await.is_err());
        }
    }
}

#[tokio::test]
async fn a_token_with_one_bit_turned_is_refused() {
    for case in cases() {
        let verifier = case.verifier(&case.secret);
        if let Some(from) = case.authorization {
            let value = case.sent.authorization.as_ref().expect("there");
            for value in turned(value.expose_secret(), from) {
                let sent = case.sent.clone().authorization(&value);
                let verdict = verify(&verifier, &sent).await;
                assert!(verdict.is_err(), "{}: {value}", case.lines);
            }
        }
        if let Some(from) = case.query {
            let value = case.sent.query.clone().expect("there");
            for value in turned(&value, from) {
                let sent = case.sent.clone().query(&value);
                let verdict = verify(&verifier, &sent).await;
                assert!(verdict.is_err(), "{}: {value}", case.lines);
            }
        }
    }
}

#[tokio::test]
async fn a_secret_with_one_bit_turned_is_another_one() {
    for case in cases() {
        let others: Vec<String> = match case.secret.split_once('_') {
            Some((kind, text)) => {
                let key = STANDARD.decode(text).expect("base64");
                let turned = (0..key.len() * 8).map(|bit| {
                    let mut key = key.clone();
                    key[bit / 8] ^= 1 << (bit % 8);
                    format!("{kind}_{}", STANDARD.encode(key))
                });
                turned.collect()
            }
            None => turned(&case.secret, 0).collect(),
        };
        for other in others {
            let verdict = verify(&case.verifier(&other), &case.sent).await;
            assert!(verdict.is_err(), "{}: {other}", case.lines);
        }
    }
}
