//! Tokens as Google gives them to push subscriptions, of a provider on loopback.

use http_body_util::{BodyExt, Full};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm as Alg, EncodingKey, Header, encode};
use rcgen::PKCS_ECDSA_P256_SHA256;
use serde_json::{Value, json};

use super::*;
use crate::repositories::tests::store::{Answer, Store};

const AUDIENCE: &str = "https://edge.example.com/hooks/gar";
const EMAIL: &str = "push@project.iam.gserviceaccount.com";

struct Google {
    store: Store,
    key: EncodingKey,
}

impl Google {
    async fn start() -> Self {
        let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("a key");
        let key = EncodingKey::from_ec_der(&pair.serialize_der());
        let mut jwk = Jwk::from_encoding_key(&key, Alg::ES256).expect("a key");
        jwk.common.key_id = Some("1".to_owned());
        let keys = json!({ "keys": [jwk] });
        let store = Store::http(move |seen| {
            let host = seen.header("host").expect("there").to_owned();
            let issuer = format!("http://{host}");
            answer(&match seen.path() {
                "/keys" => keys.clone(),
                _ => json!({
                    "issuer": issuer, "jwks_uri": format!("{issuer}/keys"),
                    "id_token_signing_alg_values_supported": ["ES256"],
                    "response_types_supported": ["id_token"], "subject_types_supported": ["public"],
                }),
            })
        })
        .await;
        Self { store, key }
    }

    fn hook(&self) -> Verifier {
        hook(&format!(
            "provider = \"pubsub\"\naudience = \"{AUDIENCE}\"\nemail = \"{EMAIL}\"\nissuer = \"{}\"\n",
            self.store.url()
        ))
    }

    /// The `Authorization` of a push, with `changes` to what the token says.
    fn token(&self, changes: Value) -> String {
        let now = Timestamp::now().as_second();
        let mut claims = json!({
            "iss": self.store.url(), "aud": AUDIENCE, "email": EMAIL, "email_verified": true,
            "sub": "113774264463038321964", "iat": now, "exp": now + 3600,
        });
        let all = claims.as_object_mut().expect("an object");
        all.extend(changes.as_object().expect("an object").clone());
        let header = Header {
            kid: Some("1".to_owned()),
            ..Header::new(Alg::ES256)
        };
        let token = encode(&header, &claims, &self.key).expect("signed");
        format!("Bearer {token}")
    }
}

fn answer(document: &Value) -> Answer {
    let body = Full::new(document.to_string().into()).map_err(|never| match never {});
    http::Response::new(body.boxed_unsync())
}

#[tokio::test]
async fn a_token_is_for_this_subscription_and_of_its_account() {
    let google = Google::start().await;
    let hook = google.hook();
    let past = Timestamp::now().as_second() - 7200;
    for (changes, verdict) in [
        (json!({}), Ok(())),
        (json!({ "aud": "https://elsewhere" }), Err("token")),
        (
            json!({ "email": "other@project.iam.gserviceaccount.com" }),
            Err("token"),
        ),
        (json!({ "email_verified": false }), Err("token")),
        (
            json!({ "iss": "https://accounts.google.com" }),
            Err("token"),
        ),
        (json!({ "exp": past }), Err("token")),
    ] {
        let sent = Sent::new("{}").authorization(&google.token(changes.clone()));
        assert_eq!(verify(&hook, &sent).await, verdict, "{changes}");
    }
    assert_eq!(verify(&hook, &Sent::new("{}")).await, Err("absent"));
    let basic = Sent::new("{}").authorization("Basic abc");
    assert_eq!(verify(&hook, &basic).await, Err("malformed"));
}

#[tokio::test]
async fn a_token_with_one_byte_changed_is_refused() {
    let google = Google::start().await;
    let hook = google.hook();
    let good = google.token(json!({}));
    assert_eq!(
        verify(&hook, &Sent::new("{}").authorization(&good)).await,
        Ok(())
    );
    for place in "Bearer ".len()..good.len() {
        let mut bytes = good.clone().into_bytes();
        bytes[place] ^= 1;
        let Ok(text) = String::from_utf8(bytes) else {
            continue;
        };
        let verdict = verify(&hook, &Sent::new("{}").authorization(&text)).await;
        assert!(verdict.is_err(), "{place}");
    }
}

#[tokio::test]
async fn where_google_cannot_be_asked_nobody_is_refused_for_good() {
    let lines = format!(
        "provider = \"pubsub\"\naudience = \"{AUDIENCE}\"\nemail = \"{EMAIL}\"\nissuer = \"http://127.0.0.1:1\"\n"
    );
    let google = Google::start().await;
    let sent = Sent::new("{}").authorization(&google.token(json!({ "iss": "http://127.0.0.1:1" })));
    assert_eq!(verify(&hook(&lines), &sent).await, Err("unavailable"));
}
