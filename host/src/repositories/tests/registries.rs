//! Registries as repositories, and charts of one by their URL.

use rest::problem::Code;
use serde_json::json;

use super::*;

/// A registry with `team/web` and no list of what it has.
async fn registry() -> Store {
    Store::http(|seen| {
        let layer = |kind: &str, size: usize, digest: &str| {
            json!({
                "mediaType": format!("application/vnd.cncf.helm.{kind}"),
                "size": size,
                "digest": format!("sha256:{digest}"),
            })
        };
        match seen.path() {
            "/v2/team/web/tags/list" => {
                ok(json!({"name": "team/web", "tags": ["1.0.0", "latest", "1.1.0_b"]}).to_string())
            }
            "/v2/team/web/manifests/1.1.0_b" => {
                let chart = layer("chart.content.v1.tar+gzip", ARCHIVE.len(), DIGEST);
                let manifest = json!({
                    "schemaVersion": 2,
                    "mediaType": "application/vnd.oci.image.manifest.v1+json",
                    "config": layer("config.v1+json", 2, &"0".repeat(64)),
                    "layers": [chart],
                });
                let mut answer = ok(manifest.to_string());
                let kind = "application/vnd.oci.image.manifest.v1+json";
                answer
                    .headers_mut()
                    .insert("content-type", kind.parse().unwrap());
                answer
            }
            path if path.ends_with(DIGEST) => ok(ARCHIVE),
            _ => status(404, "nothing here"),
        }
    })
    .await
}

fn rig(store: &Store) -> Rig {
    Rig::new(store).with(|repository| {
        repository.url = store.url().replace("http", "oci") + "/team";
        repository.plain_http = true;
    })
}

#[tokio::test]
async fn a_tag_is_a_version_and_its_archive_comes_with_its_source() {
    let store = registry().await;
    let repositories = rig(&store).load();
    let versions = soon(repositories.versions("stable", "web", WHOLE)).await;
    let versions = versions.unwrap().items.into_iter();
    let versions: Vec<_> = versions.map(|chart| chart.version).collect();
    assert_eq!(versions, ["1.1.0+b", "1.0.0"]);
    for wanted in ["", "^1", "1.1.0+b"] {
        let found = soon(repositories.archive("stable", "web", wanted, None)).await;
        let found = found.unwrap();
        assert_eq!(found.bytes, ARCHIVE);
        assert_eq!(found.source.version.as_deref(), Some("1.1.0+b"));
        assert_eq!(found.source.digest, format!("sha256:{DIGEST}"));
        let url = store.url().replace("http", "oci") + "/team/web:1.1.0+b";
        assert_eq!(found.source.url, Some(url));
    }
}

#[tokio::test]
async fn charts_are_those_that_are_configured_where_the_registry_has_no_list() {
    let store = registry().await;
    let repositories = rig(&store).load();
    let error = soon(repositories.charts("stable", "", false, WHOLE)).await;
    let error = error.unwrap_err();
    assert_eq!(told(&error).0, Code::RepositoryError);
    assert!(error.problem().hint.unwrap().contains("`charts`"));
    let named = rig(&store)
        .with(|repository| repository.charts = vec!["web".to_owned(), "db".to_owned()])
        .load();
    for (text, expected) in [("", &["db", "web"][..]), ("STABLE/W", &["web"]), ("x", &[])] {
        let charts = soon(named.charts("stable", text, false, WHOLE)).await;
        let names: Vec<_> = charts
            .unwrap()
            .items
            .into_iter()
            .map(|chart| chart.name)
            .collect();
        assert_eq!(names, expected);
    }
}

#[tokio::test]
async fn what_a_registry_does_not_have_or_sign_is_not_taken() {
    let store = registry().await;
    let signed = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/signed/signer.gpg");
    let open = rig(&store).load();
    let strict = rig(&store)
        .with(|repository| {
            repository.verify = true;
            repository.keyring = Some(signed.into());
        })
        .load();
    for (repositories, chart, version, code) in [
        (&open, "db", "", Code::ChartNotFound),
        (&open, "web", ">2", Code::ChartNotFound),
        (&open, "web", "latest", Code::InvalidRequest),
        (&strict, "web", "", Code::ChartUnverified),
    ] {
        let found = soon(repositories.archive("stable", chart, version, None)).await;
        assert_eq!(told(&found.unwrap_err()).0, code, "{chart} {version}");
    }
}

#[tokio::test]
async fn a_url_of_a_registry_names_a_tag_or_a_digest() {
    let store = registry().await;
    let oci = store.url().replace("http", "oci");
    let repositories = rig(&store)
        .with_limits(|charts| {
            charts.urls = vec![oci.clone()];
            charts.addresses = loopback();
        })
        .load();
    for url in [format!("{oci}/team/web"), oci.clone()] {
        let error = soon(repositories.url(&url)).await.unwrap_err();
        assert_eq!(told(&error).0, Code::InvalidRequest, "{url}");
    }
    // It is asked by https, which this one does not speak.
    let error = soon(repositories.url(&format!("{oci}/team/web:1.1.0+b"))).await;
    assert_eq!(told(&error.unwrap_err()).0, Code::RepositoryUnreachable);
}
