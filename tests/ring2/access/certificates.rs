//! Callers known by client certificates, and all those that are not.

use rcgen::{
    CertificateParams, DnType, ExtendedKeyUsagePurpose, SanType, SerialNumber, date_time_ymd,
};
use rest::problem::{Code, Outcome};
use serde_json::{Value, json};
use tiller_edge::config::{CertificateName, CertificatesConfig};
use tokio::time::{Duration, sleep};

use super::tls::{Line, secured};
use super::{BOB, by, people};
use crate::support::pki::{Identity, Pki};
use crate::support::{Plan, Stage, get, soon};

/// An edge that knows the people, and whom certificates of that authority name.
fn asking(pki: &Pki, change: impl FnOnce(&mut CertificatesConfig)) -> Plan {
    let mut certificates = CertificatesConfig {
        ca_file: pki.path("ca.pem"),
        crl_file: None,
        required: false,
        name: CertificateName::Cn,
        prefix: String::new(),
    };
    change(&mut certificates);
    secured(people(), pki).configure(move |config, _| config.certificates = Some(certificates))
}

/// What whoever shows `identity` is told about itself, the same over both versions of TLS; none if it gets no connection.
async fn who(stage: &Stage, pki: &Pki, identity: Option<&Identity>) -> Option<(u16, Value)> {
    let mut told = Vec::new();
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let caller = pki.caller_of(identity, &[version]);
        let asked = async {
            let mut line = Line::open(stage, &caller).await.ok()?;
            let (status, body) = line.get("/v1/access").await.ok()?;
            let mut body: Value = serde_json::from_str(&body).expect("JSON");
            body.as_object_mut()?.remove("request_id");
            Some((status.as_u16(), body))
        };
        told.push(soon(asked).await);
    }
    assert_eq!(told.first(), told.last());
    told.pop().expect("two versions")
}

/// Insists on a name.
#[track_caller]
fn is(told: Option<(u16, Value)>, name: &str, groups: &[&str]) {
    let (status, told) = told.expect("a connection");
    assert_eq!(status, 200, "{told}");
    assert_eq!(told["name"], name, "{told}");
    assert_eq!(told["groups"], json!(groups), "{told}");
    assert_eq!(told["method"], "certificate", "{told}");
}

/// Insists that there is a connection, and on the other end nobody.
#[track_caller]
fn is_nobody(told: Option<(u16, Value)>, why: &str) {
    let (status, told) = told.expect("a connection");
    assert_eq!(status, 401, "{told}");
    assert_eq!(told["code"], "unauthenticated", "{told}");
    assert!(
        told["detail"]
            .as_str()
            .is_some_and(|told| told.contains(why)),
        "{told}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_says_who_calls_and_grants_are_for_that_name() {
    let pki = Pki::new();
    let stage = asking(&pki, |_| {}).start().await;
    let alice = pki.client_with("alice", |params| {
        let name = &mut params.distinguished_name;
        name.push(DnType::OrganizationName, "shop-team");
        name.push(DnType::CustomDnType(vec![2, 5, 4, 10]), "system:masters");
    });
    is(
        who(&stage, &pki, Some(&alice)).await,
        "alice",
        &["shop-team"],
    );
    is(
        who(&stage, &pki, Some(&pki.client("bob"))).await,
        "bob",
        &[],
    );
    for (name, status) in [("bob", 200), ("mallory", 404)] {
        let caller = pki.caller(Some(&pki.client(name)));
        let ask = get("/v1/clusters/sim").secured(&caller);
        stage.send(ask).await.expect(status);
    }
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_sent_counts_before_what_is_shown() {
    let pki = Pki::new();
    let stage = asking(&pki, |_| {}).start().await;
    let caller = pki.caller(Some(&pki.client("alice")));
    let ask = by(BOB, get("/v1/access")).secured(&caller);
    let told = stage.send(ask).await.expect(200).json();
    assert_eq!(
        (&told["name"], &told["method"]),
        (&json!("bob"), &json!("token"))
    );
    let ask = by("te_nobodys", get("/v1/access")).secured(&caller);
    stage
        .send(ask)
        .await
        .refused(Code::Unauthenticated, Outcome::NotApplied);
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_that_are_not_good_get_no_connection() {
    let (pki, other) = (Pki::new(), Pki::new());
    pki.revoke(&[666]);
    for required in [false, true] {
        let stage = asking(&pki, |asked| {
            asked.required = required;
            asked.crl_file = Some(pki.path("crl.pem"));
        })
        .start()
        .await;
        is(
            who(&stage, &pki, Some(&pki.client("bob"))).await,
            "bob",
            &[],
        );
        let but = |change: fn(&mut CertificateParams)| pki.client_with("bob", change);
        for (what, bad) in [
            ("another authority's", other.client("bob")),
            (
                "expired",
                but(|params| params.not_after = date_time_ymd(2026, 1, 2)),
            ),
            (
                "not yet valid",
                but(|params| params.not_before = date_time_ymd(2099, 1, 1)),
            ),
            (
                "revoked",
                but(|params| params.serial_number = Some(SerialNumber::from(666_u64))),
            ),
            (
                "a server's",
                but(|params| {
                    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth]
                }),
            ),
        ] {
            let told = who(&stage, &pki, Some(&bad)).await;
            assert_eq!(told, None, "{what}");
        }
        stage.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_shows_none_is_asked_for_a_token_or_gets_no_connection() {
    let pki = Pki::new();
    let stage = asking(&pki, |_| {}).start().await;
    is_nobody(who(&stage, &pki, None).await, "does not show who");
    let ask = by(BOB, get("/v1/access")).secured(&pki.caller(None));
    stage.send(ask).await.expect(200);
    stage.end().await;

    let stage = asking(&pki, |asked| asked.required = true).start().await;
    assert_eq!(who(&stage, &pki, None).await, None);
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_good_certificate_that_does_not_name_one_caller_names_nobody() {
    let pki = Pki::new();
    let stage = asking(&pki, |_| {}).start().await;
    let two = pki.client_with("bob", |params| {
        let common_name = DnType::CustomDnType(vec![2, 5, 4, 3]);
        params.distinguished_name.push(common_name, "alice");
    });
    for (why, identity) in [
        ("more than one common name", two),
        ("control character", pki.client("bob\r\nx-forged: 1")),
        ("`system:`", pki.client("system:admin")),
        ("empty", pki.client("")),
        ("too long", pki.client(&"b".repeat(300))),
    ] {
        is_nobody(who(&stage, &pki, Some(&identity)).await, why);
    }
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_name_is_where_the_configuration_says() {
    let pki = Pki::new();
    let ia5 = |text: &str| text.try_into().expect("ASCII");
    let robot = pki.client_with("bob", |params| {
        params.subject_alt_names = vec![
            SanType::DnsName(ia5("CI.example.com")),
            SanType::Rfc822Name(ia5("ci@example.com")),
            SanType::URI(ia5("spiffe://example.com/ci")),
        ];
    });
    for (name, expected) in [
        (CertificateName::SanDns, "cert:ci.example.com"),
        (CertificateName::SanEmail, "cert:ci@example.com"),
        (CertificateName::SanUri, "cert:spiffe://example.com/ci"),
        (CertificateName::Cn, "cert:bob"),
    ] {
        let stage = asking(&pki, |asked| {
            asked.name = name;
            asked.prefix = "cert:".to_owned();
        })
        .start()
        .await;
        is(who(&stage, &pki, Some(&robot)).await, expected, &[]);
        stage.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_revoked_is_out_without_a_restart_on_open_connections_too() {
    let pki = Pki::new();
    pki.revoke(&[]);
    let stage = asking(&pki, |asked| asked.crl_file = Some(pki.path("crl.pem")))
        .start()
        .await;
    let numbered = |name: &str, serial: u64| {
        let serial = SerialNumber::from(serial);
        let identity = pki.client_with(name, |params| params.serial_number = Some(serial));
        pki.caller(Some(&identity))
    };
    let (alice, bob) = (numbered("alice", 7), numbered("bob", 8));
    let mut lines = Vec::new();
    for caller in [&alice, &bob] {
        let mut line = Line::open(&stage, caller).await.expect("a line");
        let (status, _) = line.get("/v1/access").await.expect("an answer");
        assert_eq!(status, 200);
        lines.push(line);
    }
    pki.revoke(&[7]);
    let [alices, bobs] = lines.as_mut_slice() else {
        panic!("two lines");
    };
    // Refused, or the connection is over: whichever comes first.
    soon(async {
        while matches!(alices.get("/v1/access").await, Ok((status, _)) if status == 200) {
            sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    let ended = async {
        while alices.get("/v1/access").await.is_ok() {
            sleep(Duration::from_millis(20)).await;
        }
    };
    soon(ended).await;
    let (status, _) = bobs.get("/v1/access").await.expect("an answer");
    assert_eq!(status, 200);
    let refused = async {
        let mut line = Line::open(&stage, &alice).await.ok()?;
        line.get("/v1/access").await.ok()
    };
    assert_eq!(soon(refused).await, None);
    drop(lines);
    stage.end().await;
}
