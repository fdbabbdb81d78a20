//! Whether what a chart makes is checked before it is made, and nothing is made that was not.

use prost::Message;
use rest::problem::{Code, Outcome, Refused};
use serde_json::json;
use tiller_api::hapi::release::{Hook, Info, Release, Status};
use tiller_api::hapi::services::tiller::{
    GetReleaseContentResponse, InstallReleaseRequest, InstallReleaseResponse, ListReleasesResponse,
    RollbackReleaseRequest, UpdateReleaseRequest,
};

use super::apiserver::{Answer, ApiServer, Seen, grpc_web, json, status};
use super::*;
use crate::access::Method as By;
use crate::config::GrantConfig;

const SUBJECT: &str = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
const SELF: &str = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";

const CONFIG_MAP: &str =
    "\n---\n# Source: web/templates/a.yaml\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n";

/// A cluster as far as an install, an upgrade and a rollback see it.
#[derive(Clone, Default)]
struct World {
    /// What the new revision is rendered to.
    planned: Release,
    /// What is there, newest first.
    current: Vec<Release>,
    /// `verb resource` that nobody may.
    forbidden: &'static [&'static str],
}

impl World {
    async fn start(self) -> ApiServer {
        ApiServer::start(move |seen| {
            let answer = self.answer(&seen);
            async move { answer }
        })
        .await
    }

    fn answer(&self, seen: &Seen) -> Answer {
        if matches!(seen.path.as_str(), SUBJECT | SELF) {
            return self.review(seen);
        }
        let resources = |resources: &[(&str, &str, bool)]| {
            let listed: Vec<_> = resources
                .iter()
                .map(|(name, kind, namespaced)| {
                    json!({ "name": name, "kind": kind, "namespaced": namespaced })
                })
                .collect();
            json(200, &json!({ "resources": listed }))
        };
        match seen.path.as_str() {
            "/api/v1" => resources(&[
                ("configmaps", "ConfigMap", true),
                ("secrets", "Secret", true),
                ("pods", "Pod", true),
            ]),
            "/apis/rbac.authorization.k8s.io/v1" => resources(&[
                ("clusterrolebindings", "ClusterRoleBinding", false),
                ("clusterroles", "ClusterRole", false),
            ]),
            path if path.starts_with("/apis/") => status(404, "not found"),
            path if path.ends_with("/GetReleaseContent") => match self.current.first() {
                Some(newest) => answered(&GetReleaseContentResponse {
                    release: Some(newest.clone()),
                }),
                None => failed("release: \"web\" not found"),
            },
            path if path.ends_with("/ListReleases") => answered(&ListReleasesResponse {
                releases: self.current.iter().skip(1).cloned().collect(),
                ..ListReleasesResponse::default()
            }),
            _ => answered(&InstallReleaseResponse {
                release: Some(self.planned.clone()),
            }),
        }
    }

    fn review(&self, seen: &Seen) -> Answer {
        let review: serde_json::Value = serde_json::from_slice(&seen.body).unwrap();
        let asked = &review["spec"]["resourceAttributes"];
        let what = format!(
            "{} {}",
            asked["verb"].as_str().unwrap(),
            asked["resource"].as_str().unwrap()
        );
        let allowed = !self.forbidden.contains(&what.as_str());
        let reason = if allowed { "" } else { "no rule" };
        json(
            201,
            &json!({ "status": { "allowed": allowed, "reason": reason } }),
        )
    }
}

fn answered(message: &impl Message) -> Answer {
    let mut trailers = grpc_web::Trailers::new();
    trailers.append("grpc-status", Bytes::from_static(b"0"));
    let message = grpc_web::encode_message(&message.encode_to_vec());
    grpc_web([message, trailers.encode()].concat())
}

fn failed(message: &str) -> Answer {
    let mut trailers = grpc_web::Trailers::new();
    trailers.append("grpc-status", Bytes::from_static(b"2"));
    trailers.append("grpc-message", Bytes::from(message.to_owned()));
    grpc_web(trailers.encode())
}

fn release(manifest: &str) -> Release {
    Release {
        name: "web".to_owned(),
        namespace: "team".to_owned(),
        manifest: manifest.to_owned(),
        ..Release::default()
    }
}

fn with_status(mut release: Release, code: i32) -> Release {
    release.info = Some(Info {
        status: Some(Status {
            code,
            ..Status::default()
        }),
        ..Info::default()
    });
    release
}

/// A relay that has manifests checked.
fn checking(server: &ApiServer, credentials: CredentialSource) -> Relay {
    let mut rig = Rig::new(server);
    let grant: GrantConfig = toml::from_str("principals = ['*']\nactions = ['*']").unwrap();
    rig.config.grants = vec![grant];
    rig.config.clusters[0].manifest_authorisation = true;
    rig.config.clusters[0].credentials = credentials;
    rig.relay()
}

fn jane() -> Caller {
    Caller {
        identity: Identity::Known(Arc::new(Principal {
            name: "jane".to_owned(),
            groups: vec!["dev".to_owned()],
            method: By::Token,
        })),
        authorization: Some(SecretString::from("Bearer jane-s3cret")),
        ..caller()
    }
}

async fn sent(relay: &Relay, method: &str, message: &impl Message) -> Response<Body> {
    let path = format!("/clusters/prod/hapi.services.tiller.ReleaseService/{method}");
    let frame = grpc_web::encode_message(&message.encode_to_vec());
    soon(relay.handle(&jane(), request(&path, frame))).await
}

fn install() -> InstallReleaseRequest {
    InstallReleaseRequest {
        name: "web".to_owned(),
        namespace: "team".to_owned(),
        ..InstallReleaseRequest::default()
    }
}

fn upgrade() -> UpdateReleaseRequest {
    UpdateReleaseRequest {
        name: "web".to_owned(),
        ..UpdateReleaseRequest::default()
    }
}

/// The messages of all calls of `method`, in order.
fn messages<M: Message + Default>(server: &ApiServer, method: &str) -> Vec<M> {
    server
        .seen()
        .iter()
        .filter(|seen| seen.path.ends_with(method))
        .map(|seen| M::decode(&seen.body[5..]).unwrap())
        .collect()
}

/// `verb resource namespace/name` of everything that was asked about, sorted.
fn reviewed(server: &ApiServer) -> Vec<String> {
    let mut asked: Vec<String> = server
        .seen()
        .iter()
        .filter(|seen| matches!(seen.path.as_str(), SUBJECT | SELF))
        .map(|seen| {
            let review: serde_json::Value = serde_json::from_slice(&seen.body).unwrap();
            let asked = &review["spec"]["resourceAttributes"];
            let text = |name: &str| asked[name].as_str().unwrap_or_default();
            format!(
                "{} {} {}/{}",
                text("verb"),
                text("resource"),
                text("namespace"),
                text("name")
            )
        })
        .collect();
    asked.sort();
    asked
}

#[tokio::test]
async fn what_the_caller_may_make_is_made_as_it_was_tried() {
    let mut planned = release(CONFIG_MAP);
    planned.hooks = vec![Hook {
        path: "web/templates/hook.yaml".to_owned(),
        manifest: "apiVersion: v1\nkind: Pod\nmetadata: {name: h, namespace: other}\n".to_owned(),
        delete_policies: vec![0],
        ..Hook::default()
    }];
    let server = World {
        planned,
        ..World::default()
    }
    .start()
    .await;
    let relay = checking(&server, CredentialSource::Kubeconfig);
    let answer = sent(&relay, "InstallRelease", &install()).await;
    assert_eq!(answer.status(), StatusCode::OK);
    read(answer).await;

    let installs: Vec<InstallReleaseRequest> = messages(&server, "InstallRelease");
    let dry: Vec<bool> = installs.iter().map(|install| install.dry_run).collect();
    assert_eq!(dry, [true, false]);
    assert_eq!(
        reviewed(&server),
        [
            "create configmaps team/a",
            "create pods other/h",
            "delete pods other/h",
        ]
    );
    let review = server
        .seen()
        .into_iter()
        .find(|seen| seen.path == SUBJECT)
        .unwrap();
    assert_eq!(review.headers["authorization"], "Bearer edge-s3cret");
    let review: serde_json::Value = serde_json::from_slice(&review.body).unwrap();
    assert_eq!(review["spec"]["user"], "jane");
    assert_eq!(
        review["spec"]["groups"],
        json!(["dev", "system:authenticated"])
    );
}

#[tokio::test]
async fn one_refused_object_keeps_everything_from_being_sent() {
    let manifest = format!(
        "{CONFIG_MAP}---\napiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata: {{name: b, \
         namespace: ignored}}\nroleRef: {{kind: ClusterRole, name: cluster-admin}}\n---\napiVersion: v1\nkind: Secret\n\
         metadata: {{name: s, namespace: kube-system}}\n"
    );
    let server = World {
        planned: release(&manifest),
        forbidden: &["bind clusterroles", "create secrets"],
        ..World::default()
    }
    .start()
    .await;
    let relay = checking(&server, CredentialSource::Kubeconfig);
    let problem = problem(sent(&relay, "InstallRelease", &install()).await).await;
    assert_eq!(problem.code, Code::ManifestForbidden);
    assert_eq!(problem.outcome, Outcome::NotApplied);
    let refused =
        |api_version: &str, kind: &str, namespace: Option<&str>, name: &str, verb: &str| Refused {
            api_version: api_version.to_owned(),
            kind: kind.to_owned(),
            namespace: namespace.map(str::to_owned),
            name: Some(name.to_owned()),
            verb: verb.to_owned(),
            reason: Some("no rule".to_owned()),
        };
    let rbac = "rbac.authorization.k8s.io/v1";
    let expected = [
        refused(rbac, "ClusterRoleBinding", None, "cluster-admin", "bind"),
        refused("v1", "Secret", Some("kube-system"), "s", "create"),
    ];
    for one in &expected {
        assert!(problem.refused().contains(one), "{one:?} {problem:?}");
    }
    assert_eq!(problem.refused().len(), expected.len());
    let installs: Vec<InstallReleaseRequest> = messages(&server, "InstallRelease");
    assert!(
        installs.iter().all(|install| install.dry_run),
        "{installs:?}"
    );
}

#[tokio::test]
async fn an_upgrade_needs_what_it_changes_and_what_it_removes() {
    let gone = "\n---\napiVersion: v1\nkind: Secret\nmetadata: {name: old}\n";
    let deployed = with_status(release(&format!("{CONFIG_MAP}{gone}")), 1);
    let failed = with_status(
        release("\n---\napiVersion: v1\nkind: Pod\nmetadata: {name: never}\n"),
        4,
    );
    let server = World {
        planned: release(CONFIG_MAP),
        current: vec![failed, deployed],
        ..World::default()
    }
    .start()
    .await;
    let relay = checking(&server, CredentialSource::Kubeconfig);
    let answer = sent(&relay, "UpdateRelease", &upgrade()).await;
    assert_eq!(answer.status(), StatusCode::OK);
    read(answer).await;
    assert_eq!(
        reviewed(&server),
        [
            "create configmaps team/a",
            "delete pods team/never",
            "delete secrets team/old",
            "patch configmaps team/a",
        ]
    );
    let upgrades: Vec<UpdateReleaseRequest> = messages(&server, "UpdateRelease");
    assert_eq!(
        upgrades
            .iter()
            .map(|upgrade| upgrade.dry_run)
            .collect::<Vec<_>>(),
        [true, false]
    );
}

#[tokio::test]
async fn force_may_delete_and_recreation_deletes_pods() {
    let server = World {
        planned: release(CONFIG_MAP),
        current: vec![with_status(release(CONFIG_MAP), 1)],
        forbidden: &["delete configmaps", "delete pods"],
    }
    .start()
    .await;
    let relay = checking(&server, CredentialSource::Kubeconfig);
    let plain = sent(&relay, "UpdateRelease", &upgrade()).await;
    assert_eq!(plain.status(), StatusCode::OK);
    read(plain).await;
    let rollback = RollbackReleaseRequest {
        name: "web".to_owned(),
        force: true,
        recreate: true,
        ..RollbackReleaseRequest::default()
    };
    let problem = problem(sent(&relay, "RollbackRelease", &rollback).await).await;
    let refused: Vec<_> = problem
        .refused()
        .iter()
        .map(|refused| format!("{} {}", refused.verb, refused.kind))
        .collect();
    assert_eq!(refused, ["delete ConfigMap", "delete Pod"]);
    let rollbacks: Vec<RollbackReleaseRequest> = messages(&server, "RollbackRelease");
    assert!(rollbacks.iter().all(|rollback| rollback.dry_run));
}

#[tokio::test]
async fn a_replaced_release_is_changed_and_a_new_name_is_not() {
    for (current, verbs) in [
        (vec![with_status(release(CONFIG_MAP), 2)], "create patch"),
        (Vec::new(), "create"),
    ] {
        let server = World {
            planned: release(CONFIG_MAP),
            current,
            ..World::default()
        }
        .start()
        .await;
        let relay = checking(&server, CredentialSource::Kubeconfig);
        let replacing = InstallReleaseRequest {
            reuse_name: true,
            ..install()
        };
        read(sent(&relay, "InstallRelease", &replacing).await).await;
        let asked: Vec<_> = reviewed(&server)
            .iter()
            .map(|asked| asked.split(' ').next().unwrap().to_owned())
            .collect();
        assert_eq!(asked.join(" "), verbs);
    }
}

#[tokio::test]
async fn what_a_replaced_release_had_is_removed_where_the_new_one_goes() {
    let secret = "\n---\napiVersion: v1\nkind: Secret\nmetadata: {name: s}\n";
    let mut elsewhere = with_status(release(secret), 2);
    elsewhere.namespace = "elsewhere".to_owned();
    let server = World {
        planned: release(CONFIG_MAP),
        current: vec![elsewhere],
        ..World::default()
    }
    .start()
    .await;
    let relay = checking(&server, CredentialSource::Kubeconfig);
    let replacing = InstallReleaseRequest {
        reuse_name: true,
        ..install()
    };
    read(sent(&relay, "InstallRelease", &replacing).await).await;
    assert!(reviewed(&server).contains(&"delete secrets team/s".to_owned()));
}

#[tokio::test]
async fn whoever_the_apiserver_sees_asks_for_itself() {
    for (source, header) in [
        (CredentialSource::Caller, "Bearer jane-s3cret"),
        (CredentialSource::Impersonate, "Bearer edge-s3cret"),
    ] {
        let server = World {
            planned: release(CONFIG_MAP),
            ..World::default()
        }
        .start()
        .await;
        let relay = checking(&server, source);
        read(sent(&relay, "InstallRelease", &install()).await).await;
        let seen = server.seen();
        assert!(seen.iter().any(|seen| seen.path == SELF));
        for seen in seen {
            assert_ne!(seen.path, SUBJECT);
            assert_eq!(seen.headers["authorization"], header);
            let acts = seen.headers.contains_key("impersonate-user");
            assert_eq!(acts, source == CredentialSource::Impersonate);
        }
    }
}

#[tokio::test]
async fn what_is_not_understood_is_not_made() {
    for (manifest, hint) in [
        ("\n---\nkind: ConfigMap\n", "apiVersion"),
        ("\n---\napiVersion: e.io/v1\nkind: Thing\n", "Thing"),
        ("\n---\napiVersion: ../v1\nkind: ConfigMap\n", "ConfigMap"),
        ("\n---\na: [\n", "manifest"),
    ] {
        let server = World {
            planned: release(manifest),
            ..World::default()
        }
        .start()
        .await;
        let relay = checking(&server, CredentialSource::Kubeconfig);
        let problem = problem(sent(&relay, "InstallRelease", &install()).await).await;
        assert_eq!(problem.code, Code::ManifestForbidden, "{manifest}");
        assert!(problem.detail.contains(hint), "{}", problem.detail);
        let installs: Vec<InstallReleaseRequest> = messages(&server, "InstallRelease");
        assert_eq!(installs.len(), 1);
    }
}

#[tokio::test]
async fn an_install_without_a_name_cannot_be_checked() {
    let server = World::default().start().await;
    let relay = checking(&server, CredentialSource::Kubeconfig);
    let unnamed = InstallReleaseRequest {
        name: String::new(),
        ..install()
    };
    let problem = problem(sent(&relay, "InstallRelease", &unnamed).await).await;
    assert_eq!(problem.code, Code::InvalidRequest);
    assert!(problem.hint.is_some());
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn a_dry_run_is_not_tried_twice() {
    let server = World {
        planned: release(CONFIG_MAP),
        forbidden: &["create configmaps"],
        ..World::default()
    }
    .start()
    .await;
    let relay = checking(&server, CredentialSource::Kubeconfig);
    let dry = InstallReleaseRequest {
        dry_run: true,
        ..install()
    };
    read(sent(&relay, "InstallRelease", &dry).await).await;
    let installs: Vec<InstallReleaseRequest> = messages(&server, "InstallRelease");
    assert_eq!(installs.len(), 1);
    assert_eq!(reviewed(&server), [""; 0]);
}

#[tokio::test]
async fn a_trial_that_fails_is_what_the_call_would_have_come_to() {
    let server = ApiServer::start(|_| async {
        failed("render error in \"web/templates/a.yaml\": template: boom")
    })
    .await;
    let relay = checking(&server, CredentialSource::Kubeconfig);
    let problem = problem(sent(&relay, "UpdateRelease", &upgrade()).await).await;
    assert_eq!(problem.code, Code::RenderFailed);
    assert_eq!(problem.outcome, Outcome::NotApplied);
}

#[tokio::test]
async fn an_edge_that_may_not_ask_is_to_be_allowed_to() {
    let world = World {
        planned: release(CONFIG_MAP),
        ..World::default()
    };
    let server = ApiServer::start(move |seen| {
        let answer = match seen.path.as_str() {
            SUBJECT => status(
                403,
                "subjectaccessreviews.authorization.k8s.io is forbidden",
            ),
            _ => world.answer(&seen),
        };
        async move { answer }
    })
    .await;
    let relay = checking(&server, CredentialSource::Kubeconfig);
    let problem = problem(sent(&relay, "InstallRelease", &install()).await).await;
    assert_eq!(problem.code, Code::ClusterForbidden);
    assert!(problem.hint.unwrap().contains("subjectaccessreviews"));
    let installs: Vec<InstallReleaseRequest> = messages(&server, "InstallRelease");
    assert_eq!(installs.len(), 1);
}
