//! Charts from registries good and bad.

mod faults;
mod registry;
mod tokens;

use serde_json::json;

use self::registry::{Asked, CHART, INDEX, MANIFEST, PROV, Server, Store, archive, deadline, pull};
use super::*;

async fn serve(store: Store) -> Server {
    Server::start(move |asked: &Asked| store.answer(asked)).await
}

#[tokio::test]
async fn a_constraint_chooses_among_all_pages_of_tags() {
    let server = serve(Store::with(&[
        "1.0.0",
        "latest",
        "1.2.0",
        "1.10.0_build.5",
        "2.0.0-rc.1",
        "sha256-0a.sig",
    ]))
    .await;
    let registry = server.registry();
    for (wanted, version) in [
        ("", "1.10.0+build.5"),
        ("^1.0.0, <1.10.0", "1.2.0"),
        (">0.0.0-0", "2.0.0-rc.1"),
        ("1.2.0", "1.2.0"),
        ("1.10.0+build.5", "1.10.0+build.5"),
        ("1.10.0", "1.10.0+build.5"),
        ("2.0.0-rc.1", "2.0.0-rc.1"),
    ] {
        let pulled = registry.pull("web", wanted, pull()).await.unwrap();
        assert_eq!(pulled.version.as_deref(), Some(version), "{wanted}");
        let tag = version.replace('+', "_");
        assert_eq!(pulled.archive, archive(&tag));
        assert_eq!(pulled.digest, Digest::of(&archive(&tag)).to_string());
        assert!(pulled.provenance.is_none());
    }
    assert_eq!(
        registry.versions("web", deadline()).await.unwrap(),
        ["2.0.0-rc.1", "1.10.0+build.5", "1.2.0", "1.0.0"]
    );
}

#[tokio::test]
async fn a_version_that_is_there_needs_no_list() {
    let server = serve(Store::with(&["1.0.0"])).await;
    let registry = server.registry();
    registry.pull("web", "1.0.0", pull()).await.unwrap();
    let blob = format!("/v2/charts/web/blobs/{}", Digest::of(&archive("1.0.0")));
    assert_eq!(
        server.paths(),
        ["/v2/charts/web/manifests/1.0.0", blob.as_str()]
    );
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let server = serve(Store::with(&["1.0.0", "latest"])).await;
    let registry = server.registry();
    for (chart, wanted) in [
        ("web", "2.0.0"),
        ("web", ">=2"),
        ("db", ""),
        ("db", "1.0.0"),
        ("../web", ""),
        ("Web", ""),
        ("", ""),
    ] {
        let error = registry.pull(chart, wanted, pull()).await.unwrap_err();
        assert!(
            matches!(error, OciError::NotFound),
            "{chart} {wanted}: {error}"
        );
    }
    let asked = server.paths().len();
    for wanted in ["latest", "1 2", "x/../y"] {
        let error = registry.pull("web", wanted, pull()).await.unwrap_err();
        assert!(
            matches!(error, OciError::Constraint(_)),
            "{wanted}: {error}"
        );
    }
    assert_eq!(server.paths().len(), asked, "nothing is asked for that");
}

#[tokio::test]
async fn a_catalog_is_what_is_below_the_prefix() {
    let mut store = Store::with(&["1.0.0"]);
    let names = [
        "other/db",
        "charts",
        "charts/web",
        "charts/team/db",
        "chartsx/a",
        "charts/../x",
        "charts/",
    ];
    store.catalog = names.map(str::to_owned).to_vec();
    let server = serve(store).await;
    let registry = server.registry();
    assert_eq!(
        registry.catalog(deadline()).await.unwrap(),
        ["team/db", "web"]
    );
    let whole = Registry::new(Fetcher::new(server.access()), &server.url).unwrap();
    assert_eq!(
        whole.catalog(deadline()).await.unwrap(),
        [
            "charts",
            "charts/team/db",
            "charts/web",
            "chartsx/a",
            "other/db"
        ]
    );
}

#[tokio::test]
async fn a_provenance_file_comes_along_when_it_is_needed() {
    let mut store = Store::with(&["1.0.0"]);
    let prov = Bytes::from_static(b"signed");
    store.push("1.1.0", &[(PROV, prov.clone()), (CHART, archive("1.1.0"))]);
    let server = serve(store).await;
    let registry = server.registry();
    let signed = Pull {
        signed: true,
        ..pull()
    };
    let pulled = registry.pull("web", "1.1.0", signed).await.unwrap();
    assert_eq!(pulled.provenance, Some(prov));
    let error = registry.pull("web", "1.0.0", signed).await.unwrap_err();
    assert!(matches!(error, OciError::NotSigned), "{error}");
}

#[tokio::test]
async fn the_chart_is_found_in_an_index() {
    let mut store = Store::default();
    let image = json!({ "config": Store::descriptor("application/vnd.oci.image.config.v1+json", b"{}"), "layers": [] });
    let image = store.put("image", MANIFEST, &image);
    let chart = store.push("chart", &[(CHART, archive("x"))]);
    let index = json!({ "manifests": [image.clone(), chart] });
    store.put("1.0.0", INDEX, &index);
    store.put("1.1.0", INDEX, &json!({ "manifests": [image] }));
    let nested = Store::descriptor(INDEX, index.to_string().as_bytes());
    store.put("1.2.0", INDEX, &json!({ "manifests": [nested] }));
    let server = serve(store).await;
    let registry = server.registry();
    let pulled = registry.pull("web", "1.0.0", pull()).await.unwrap();
    assert_eq!(pulled.archive, archive("x"));
    for version in ["1.1.0", "1.2.0"] {
        let error = registry.pull("web", version, pull()).await.unwrap_err();
        assert!(matches!(error, OciError::NotAChart(_)), "{error}");
    }
}

#[tokio::test]
async fn a_reference_names_a_chart_by_its_tag_or_content() {
    let mut store = Store::with(&["1.0.0_a"]);
    let manifest = store.push("x", &[(CHART, archive("x"))]);
    let server = serve(store).await;
    let registry = Registry::new(Fetcher::new(server.access()), &server.url).unwrap();
    let reference = |text: &str| Reference::of(&server.url.join(text).unwrap()).unwrap();

    let tagged = reference("charts/web:1.0.0+a");
    let pulled = registry.pull_reference(&tagged, pull()).await.unwrap();
    assert_eq!(pulled.version.as_deref(), Some("1.0.0+a"));
    assert_eq!(pulled.archive, archive("1.0.0_a"));

    let fixed = format!("charts/web@{}", manifest["digest"].as_str().unwrap());
    let pulled = registry
        .pull_reference(&reference(&fixed), pull())
        .await
        .unwrap();
    assert_eq!(pulled.version, None);
    assert_eq!(pulled.archive, archive("x"));
}

#[test]
fn a_path_that_no_registry_has_is_none() {
    for base in [
        "https://example.com/Charts",
        "https://example.com/a%20b",
        "https://example.com/a//b",
    ] {
        let base = Url::parse(base).unwrap();
        let fetcher = Fetcher::new(crate::net::fetch::Access::to(None));
        assert!(Registry::new(fetcher, &base).is_none(), "{base}");
    }
}
