//! Archives that are not what their repository, or their signer, says.

use rest::problem::Code;
use serde_json::json;
use sim::store::{Entry, Fault, Part, archive, signed};
use tiller_edge::config::RepositoryConfig;

use crate::support::repositories::{repository, stable, webs};
use crate::support::stage;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_archive_that_was_tampered_with_is_not_installed() {
    let store = webs(&["1.2.3"]).start().await;
    let stage = stage()
        .repository(repository("stable", &store))
        .start()
        .await;
    for fault in [Fault::Tamper, Fault::Length] {
        store.set(Part::Archive, fault);
        let problem = stage
            .refuses(&stable("web", "1.2.3"), Code::ChartUnverified)
            .await;
        assert!(problem.detail.contains("index"), "{}", problem.detail);
    }
    store.clear();
    stage.request(&stable("web", "1.2.3")).await.expect(201);
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn digests_are_read_in_either_spelling_and_may_be_missing() {
    let web = archive("web", "1.0.0");
    let right = sim::store::digest(&web);
    let upper = right.to_uppercase();
    let prefixed = format!("sha256:{right}");
    let entry =
        |version: &str, digest| Entry::new("web", version, archive("web", version)).digest(digest);
    let store = sim::store()
        .entry(Entry::new("web", "1.0.0", web.clone()).digest(Some(&prefixed)))
        .entry(Entry::new("web", "2.0.0", web.clone()).digest(Some(&upper)))
        .entry(entry("3.0.0", None))
        .entry(entry("4.0.0", Some("")))
        .entry(entry("5.0.0", Some(&right)))
        .entry(entry("6.0.0", Some("md5:00")))
        .start()
        .await;
    let stage = stage()
        .repository(repository("stable", &store))
        .start()
        .await;
    for version in ["1.0.0", "2.0.0"] {
        let answer = stage
            .request(&stable(&format!("v{}", &version[..1]), version))
            .await;
        assert_eq!(answer.expect(201).json()["source"]["digest"], prefixed);
    }
    for version in ["3.0.0", "4.0.0"] {
        let answer = stage
            .request(&stable(&format!("v{}", &version[..1]), version))
            .await;
        let digest = format!("sha256:{}", sim::store::digest(&archive("web", version)));
        assert_eq!(answer.expect(201).json()["source"]["digest"], digest);
    }
    for version in ["5.0.0", "6.0.0"] {
        stage
            .refuses(&stable("web", version), Code::ChartUnverified)
            .await;
    }
    stage.end().await;
}

fn verified(store: &sim::Store, keyring: std::path::PathBuf) -> RepositoryConfig {
    RepositoryConfig {
        verify: true,
        keyring: Some(keyring),
        ..repository("stable", store)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signed_chart_is_installed_and_its_signer_told() {
    let store = sim::store().entry(signed::entry()).start().await;
    let stage = stage()
        .repository(verified(&store, signed::keyring()))
        .start()
        .await;
    let answer = stage.request(&stable("web", "")).await.expect(201).json();
    let source = &answer["source"];
    assert_eq!(source["provenance"]["signer"], signed::SIGNER);
    let fingerprint = source["provenance"]["fingerprint"].as_str().expect("one");
    let hex = |c: char| c.is_ascii_digit() || ('A'..='F').contains(&c);
    assert!(
        fingerprint.len() == 40 && fingerprint.chars().all(hex),
        "{fingerprint}"
    );
    let digest = source["digest"].as_str().expect("a digest");
    let description = format!(
        "Install complete (chart stable/web 1.2.3 {digest}, signed by {})",
        signed::SIGNER
    );
    assert_eq!(answer["description"], description);
    let asked = store.asked_for(Part::Provenance);
    assert_eq!(asked.len(), 1);
    assert_eq!(
        asked[0].path,
        format!("{}.prov", store.archive_path("web", "1.2.3"))
    );
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_signatures_are_wanted_nothing_else_is_installed() {
    let signature = signed::provenance();
    let broken = |from: &str, to: &str| {
        let text = std::str::from_utf8(&signature).expect("text");
        assert!(text.contains(from), "{text}");
        text.replacen(from, to, 1)
    };
    let entry = |version: &str| Entry::new("web", version, signed::archive());
    let store = sim::store()
        .entry(entry("0.1.0"))
        .entry(entry("0.2.0").provenance("not a signature"))
        .entry(entry("0.3.0").provenance(broken("A page", "B page")))
        .entry(entry("0.4.0").provenance(signature.clone()))
        .entry(Entry::new("web", "1.2.3", archive("web", "1.2.3")).provenance(signature.clone()))
        .start()
        .await;
    let stage = stage()
        .repository(verified(&store, signed::keyring()))
        .start()
        .await;
    for (version, says) in [
        ("0.1.0", ""),
        ("0.2.0", "signature block not found"),
        ("0.3.0", "signature"),
        (
            "0.4.0",
            "does not contain a SHA for a file named \"web-0.4.0.tgz\"",
        ),
        ("1.2.3", "sha256 sum does not match for web-1.2.3.tgz"),
    ] {
        let problem = stage
            .refuses(&stable("web", version), Code::ChartUnverified)
            .await;
        assert!(
            problem.detail.contains(says),
            "{version}: {}",
            problem.detail
        );
    }
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_is_no_signer() {
    let store = sim::store().entry(signed::entry()).start().await;
    let strange = verified(&store, signed::strange_keyring());
    let stage = stage().repository(strange).start().await;
    stage
        .refuses(&stable("web", ""), Code::ChartUnverified)
        .await;
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_verified_is_not_called_signed() {
    let store = sim::store().entry(signed::entry()).start().await;
    let stage = stage()
        .repository(repository("stable", &store))
        .start()
        .await;
    let answer = stage.request(&stable("web", "")).await.expect(201).json();
    assert_eq!(answer["source"]["provenance"], json!(null));
    assert_eq!(store.asked_for(Part::Provenance), []);
    stage.end().await;
}
