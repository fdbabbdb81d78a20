//! Asking for what is somewhere else: another cluster, another namespace, another path, another host.

use spin_sdk::http::Request;
use spin_sdk::wasip3::http::types::Scheme;

use crate::Answer;
use crate::attempt::{Attempt, ELSEWHERE, MINE, NAMESPACE, Report, THEIRS, every_release};
use crate::calls::Call;
use crate::message::{Message, chart, field, install, install_of, metadata, named, upgrade};

/// Everything of a release in another namespace, and every change to it.
pub(crate) async fn foreign_release(request: Request) -> Answer {
    let cluster = Call::of(&request).cluster;
    let mut report = Report::default();
    for (method, message) in [
        ("GetReleaseStatus", named(THEIRS)),
        ("GetReleaseContent", named(THEIRS)),
        ("GetReleaseContent", named(THEIRS).number(2, 1)),
        ("GetHistory", named(THEIRS).number(field::MAX, 10)),
        ("UpdateRelease", upgrade(THEIRS)),
        ("RollbackRelease", named(THEIRS)),
        ("UninstallRelease", named(THEIRS).number(field::PURGE, 1)),
        ("RunReleaseTest", named(THEIRS)),
    ] {
        let attempt = Attempt::call(&cluster, method, &message);
        report.attempt(method, attempt).await;
    }
    report.into_answer()
}

/// Lists that reach further than the caller.
pub(crate) async fn foreign_list(request: Request) -> Answer {
    let cluster = Call::of(&request).cluster;
    let mut report = Report::default();
    for (what, message) in [
        ("all", every_release()),
        ("of a namespace", every_release().text(7, ELSEWHERE)),
        ("by name", every_release().text(4, THEIRS)),
        ("from a name on", every_release().text(2, THEIRS)),
        ("one at a time", every_release().number(1, 1)),
        ("the one behind", every_release().number(1, 1).text(2, MINE)),
    ] {
        let attempt = Attempt::call(&cluster, "ListReleases", &message);
        report.attempt(what, attempt).await;
    }
    report.into_answer()
}

/// A release in another namespace, by installing one there, or by taking its name over.
pub(crate) async fn foreign_install(request: Request) -> Answer {
    let cluster = Call::of(&request).cluster;
    let mut report = Report::default();
    let taken_over = install(THEIRS, NAMESPACE).number(field::install::REUSE_NAME, 1);
    for (what, message) in [
        ("new", install("forged", ELSEWHERE)),
        ("nowhere", install("forged", "")),
        ("generated", install("", ELSEWHERE)),
        ("taken over", taken_over),
    ] {
        let attempt = Attempt::call(&cluster, "InstallRelease", &message);
        report.attempt(what, attempt).await;
    }
    report.into_answer()
}

/// A revision of the caller's own release that was in another namespace.
pub(crate) async fn foreign_revision(request: Request) -> Answer {
    let cluster = Call::of(&request).cluster;
    let mut report = Report::default();
    for (method, message) in [
        ("GetReleaseStatus", named(MINE).number(2, 1)),
        ("GetReleaseContent", named(MINE).number(2, 1)),
        ("GetHistory", named(MINE).number(field::MAX, 10)),
        ("RollbackRelease", named(MINE).number(4, 1)),
        ("RollbackRelease", named(MINE)),
    ] {
        let attempt = Attempt::call(&cluster, method, &message);
        report.attempt(method, attempt).await;
    }
    report.into_answer()
}

/// A cluster that is not the caller's, spelt in every way.
pub(crate) async fn foreign_cluster(_: Request) -> Answer {
    let mut report = Report::default();
    for cluster in [
        "two",
        "tw%6F",
        "%74%77%6f",
        "TWO",
        "two%20",
        "two%00",
        "one%2F..%2Ftwo",
        "one/../two",
        "./two",
        "one%2e%2e%2ftwo",
        "one%5Ctwo",
        "one;/two",
        "one%252F..%252Ftwo",
        "one/clusters/two",
        "two/tillers/default",
        "one/tillers/default%2F..%2F..%2F..%2Ftwo",
        "two%3F",
        "two%23",
        "",
        "%ff",
    ] {
        report.attempt(cluster, Attempt::list(cluster)).await;
    }
    report.into_answer()
}

/// Anything but the relay.
pub(crate) async fn foreign_destination(request: Request) -> Answer {
    let cluster = Call::of(&request).cluster;
    let mut report = Report::default();
    for (scheme, authority) in [
        (Scheme::Https, "relay.internal"),
        (Scheme::Other("ftp".to_owned()), "relay.internal"),
        (Scheme::Other("file".to_owned()), ""),
        (Scheme::Http, "relay.internal:80"),
        (Scheme::Http, "relay.internal:6443"),
        (Scheme::Http, "relay.internal."),
        (Scheme::Http, "user:secret@relay.internal"),
        (Scheme::Http, "relay.internal@metadata.internal"),
        (Scheme::Http, "relay.internal.metadata.internal"),
        (Scheme::Http, "169.254.169.254"),
        (Scheme::Http, "localhost"),
        (Scheme::Http, "[::1]"),
        (Scheme::Https, "kubernetes.default.svc"),
    ] {
        let what = format!("{scheme:?} {authority}");
        let attempt = Attempt::list(&cluster).to(scheme, authority);
        report.attempt(&what, attempt).await;
    }
    report.into_answer()
}

/// Paths of the APIServer, reached through the relay.
pub(crate) async fn foreign_apiserver_path(request: Request) -> Answer {
    let cluster = Call::of(&request).cluster;
    let mut report = Report::default();
    let secrets = "api/v1/namespaces/kube-system/secrets";
    let service = "hapi.services.tiller.ReleaseService";
    for path in [
        format!("/{secrets}"),
        format!("//{secrets}"),
        format!("/clusters/{cluster}/{secrets}"),
        format!("/clusters/{cluster}/../../{secrets}"),
        format!("/clusters/{cluster}/{service}/../../{secrets}"),
        format!("/clusters/{cluster}/{service}/%2e%2e/%2e%2e/{secrets}"),
        format!("/clusters/{cluster}/{service}/..%2f..%2f{secrets}"),
        format!("/clusters/{cluster}/{service}%2F..%2F{secrets}"),
        format!("/clusters/{cluster}/{service}/ListReleases/../../../{secrets}"),
        format!("/clusters/{cluster}/{service}/ListReleases%3Fwatch=true"),
        format!("/clusters/{cluster}/{service}/ListReleases;{secrets}"),
        format!("/clusters/{cluster}/{service}/\\..\\{secrets}"),
        format!("/clusters/{cluster}/tillers/..%2F..%2Fsecrets/{service}/ListReleases"),
        format!("/clusters/{cluster}/tillers/https:tiller-deploy:tiller/{service}/ListReleases"),
        format!("/clusters/{cluster}/{service}/ListReleases?path=/{secrets}"),
        format!("http://relay.internal/clusters/two/{service}/ListReleases"),
    ] {
        report
            .attempt(&path, Attempt::list(&cluster).at(&path))
            .await;
    }
    report.into_answer()
}

/// Charts of which the caller may not know, and one that is passed off as another.
pub(crate) async fn foreign_chart(request: Request) -> Answer {
    let cluster = Call::of(&request).cluster;
    let mut report = Report::default();
    let fetch = format!("/repositories/stable/charts/web/archive?cluster={cluster}");
    let private = format!("/repositories/private/charts/web/archive?cluster={cluster}");
    let private_elsewhere = "/repositories/private/charts/web/archive?cluster=two".to_owned();
    let link_local = "/archive?url=http://169.254.169.254/web.tgz".to_owned();
    for path in [
        "/repositories".to_owned(),
        "/repositories/private/charts".to_owned(),
        "/repositories/private/charts/web".to_owned(),
        "/repositories/stable%2F..%2Fprivate/charts/web".to_owned(),
        private,
        private_elsewhere,
        link_local,
        fetch,
    ] {
        report.attempt(&path, Attempt::get(&path)).await;
    }
    let fetched = ("web", "1.2.3");
    let forged = chart(fetched.0, fetched.1);
    let in_parts = install("forged", NAMESPACE)
        .message(field::install::CHART, &metadata(fetched.0, fetched.1));
    for (what, message) in [
        ("forged", install_of(&forged, "forged", NAMESPACE)),
        ("forged in parts", in_parts),
    ] {
        let attempt = Attempt::call(&cluster, "InstallRelease", &message);
        report.attempt(what, attempt).await;
    }
    report.into_answer()
}

/// What there is besides what the caller has, and what others may.
pub(crate) async fn foreign_inventory(_: Request) -> Answer {
    let mut report = Report::default();
    for path in [
        "/clusters",
        "/clusters/two",
        "/clusters/off",
        "/clusters/two?check=true",
        "/clusters/%74wo",
        "/clusters/one/../two",
        "/access",
        "/access?cluster=two",
        "/access?cluster=one&as=charlotte",
        "/access?principal=charlotte",
    ] {
        report.attempt(path, Attempt::get(path)).await;
    }
    report.into_answer()
}

/// Nothing but a name, of a method that is told apart from its path only by its case.
pub(crate) async fn foreign_service(request: Request) -> Answer {
    let cluster = Call::of(&request).cluster;
    let mut report = Report::default();
    for method in [
        "installRelease",
        "InstallRelease ",
        "InstallRelease%00",
        "InstallReleasé",
        "../../grpc.health.v1.Health/Check",
    ] {
        let attempt = Attempt::call(&cluster, method, &Message::default());
        report.attempt(method, attempt).await;
    }
    report.into_answer()
}
