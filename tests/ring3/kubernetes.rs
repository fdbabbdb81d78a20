//! The cluster's own say, by a real API server: whose a token is, what its bearer may do, whom the edge acts as, and what
//! a chart may make.

use anyhow::{Context, Result};
use real::{Edge, User};
use serde_json::{Value, json};
use sim::scenario::{Answer, Body, Client};
use tokio::sync::OnceCell;

use crate::stage::{Stage, caller, chart, expect, expect_problem, root, text, together};

/// Tokens of the edge, whose hashes are in [`configuration`].
const ALICE: &str = "te_alice-0123456789";
const BOB: &str = "te_bob-0123456789";
const ZOE: &str = "te_zoe-0123456789";

/// One cluster, in every way in which it may be called.
const ACTS: &str = "acts";
const ASKS: &str = "asks";
const PASSES: &str = "passes";

/// Who is known how, and may what by the edge's own rules.
fn configuration(stage: &Stage) -> String {
    let manifest = root().join("spin.toml");
    let contexts = stage.cluster.contexts();
    let cluster = |name: &str, credentials: &str| {
        format!(
            "[[cluster]]\nname = \"{name}\"\ncontext = \"real\"\ncredentials = \"{credentials}\"\n\
             manifest_authorisation = true\n\n"
        )
    };
    let tokens: String = [("alice", ALICE), ("bob", BOB), ("zoë", ZOE)]
        .map(|(name, token)| {
            let hash = tiller_edge::access::TokenHash::of(token);
            format!("[[token]]\nname = \"{name}\"\nhash = \"{hash}\"\n\n")
        })
        .concat();
    format!(
        "manifest = {manifest:?}\nkubeconfig = {contexts:?}\n\n[kubernetes]\n\n{tokens}\
         [[grant]]\nprincipals = [\"alice\", \"bob\", \"zoë\"]\nactions = [\"*\"]\n\n\
         [[grant]]\nname = \"ci\"\nprincipals = [\"system:serviceaccount:team:*\"]\nactions = [\"*\"]\n\
         namespaces = [\"team\"]\n\n{}{}{}",
        cluster(ACTS, "impersonate"),
        cluster(ASKS, "kubeconfig"),
        cluster(PASSES, "caller"),
    )
}

/// An edge for these tests, and the token of service account `ci` in `team`.
struct Scene {
    edge: Edge,
    ci: String,
    stranger: String,
}

/// Sets the cluster up: `ci`, alice and zoë may call Tiller; `ci` and alice may make ConfigMaps in `team`; bob nothing.
async fn scene(stage: &Stage) -> Result<&'static Scene> {
    static SCENE: OnceCell<Scene> = OnceCell::const_new();
    SCENE
        .get_or_try_init(|| async {
            for arguments in [
                &["create", "namespace", "team"][..],
                &["-n", "team", "create", "serviceaccount", "ci"],
                &["-n", "team", "create", "serviceaccount", "stranger"],
                &[
                    "-n",
                    "team",
                    "create",
                    "role",
                    "maker",
                    "--verb=create,patch",
                    "--resource=configmaps",
                ],
                &[
                    "-n",
                    "team",
                    "create",
                    "rolebinding",
                    "maker",
                    "--role=maker",
                    "--user=alice",
                    "--serviceaccount=team:ci",
                ],
                &[
                    "-n",
                    "kube-system",
                    "create",
                    "rolebinding",
                    "helm-users",
                    "--role=tiller-edge-bridge",
                    "--user=alice",
                    "--user=zoë",
                    "--serviceaccount=team:ci",
                ],
            ] {
                admin(stage, arguments).await?;
            }
            let ci = admin(stage, &["-n", "team", "create", "token", "ci"]).await?;
            let stranger = admin(stage, &["-n", "team", "create", "token", "stranger"]).await?;
            let edge = stage
                .cluster
                .edge(
                    "kubernetes-edge",
                    "serve",
                    "127.0.0.1:8087",
                    &configuration(stage),
                )
                .await?;
            Ok(Scene {
                edge,
                ci: ci.trim().to_owned(),
                stranger: stranger.trim().to_owned(),
            })
        })
        .await
}

async fn admin(stage: &Stage, arguments: &[&str]) -> Result<String> {
    let output = stage.cluster.kubectl(User::Admin, arguments).await?;
    output.check("kubectl")
}

/// Somebody at the edge.
struct Person {
    client: Client,
    authorization: String,
}

impl Scene {
    fn person(&self, token: &str) -> Person {
        Person {
            client: caller(&self.edge),
            authorization: format!("Bearer {token}"),
        }
    }
}

impl Person {
    async fn send(&self, method: &str, path: &str, body: Option<Body>) -> Result<Answer> {
        let headers = [("authorization", self.authorization.as_str())];
        self.client.send(method, path, &headers, body).await
    }

    async fn get(&self, path: &str) -> Result<Answer> {
        self.send("GET", path, None).await
    }

    /// Installs chart `rights` into `team`.
    async fn install(&self, cluster: &str, name: &str, values: Value) -> Result<Answer> {
        let fields = json!({ "name": name, "namespace": "team", "values": values });
        let body = Body::form(&chart("rights")?, Some(&fields));
        let path = format!("/v1/clusters/{cluster}/releases");
        self.send("POST", &path, Some(body)).await
    }

    async fn upgrade(&self, cluster: &str, name: &str, values: Value) -> Result<Answer> {
        let fields = json!({ "values": values });
        let body = Body::form(&chart("rights")?, Some(&fields));
        let path = format!("/v1/clusters/{cluster}/releases/{name}");
        self.send("PUT", &path, Some(body)).await
    }

    async fn purge(&self, cluster: &str, name: &str) -> Result<()> {
        let path = format!("/v1/clusters/{cluster}/releases/{name}?purge=true");
        expect(200, &self.send("DELETE", &path, None).await?);
        Ok(())
    }
}

/// Verb, kind and place of everything that a problem lists.
fn refused(answer: &Answer) -> Vec<String> {
    expect(403, answer);
    expect_problem(answer, "manifest_forbidden", "caller", "not_applied");
    let listed = answer.json().and_then(|json| json["refused"].as_array());
    let mut listed: Vec<String> = listed
        .into_iter()
        .flatten()
        .map(|refused| {
            let place = refused["namespace"].as_str().unwrap_or("-");
            format!(
                "{} {} {place}",
                refused["verb"].as_str().unwrap_or_default(),
                refused["kind"].as_str().unwrap_or_default()
            )
        })
        .collect();
    listed.sort();
    listed
}

#[test]
fn a_service_accounts_token_is_known_to_its_cluster_and_its_rbac_decides() {
    together(async |stage| {
        let scene = scene(stage).await?;
        let ci = scene.person(&scene.ci);
        for cluster in [PASSES, ASKS] {
            let access =
                format!("/v1/access?cluster={cluster}&action=read&namespace=team&release=x");
            let access = ci.get(&access).await?;
            expect(200, &access);
            assert!(
                access.to_string().contains("system:serviceaccount:team:ci"),
                "{access}"
            );
            expect(
                200,
                &ci.get(&format!("/v1/clusters/{cluster}/releases")).await?,
            );
        }
        // The grant lets it, the cluster does not.
        let stranger = scene.person(&scene.stranger);
        let answer = stranger.get("/v1/clusters/passes/releases").await?;
        expect(403, &answer);
        expect_problem(&answer, "caller_forbidden", "caller", "not_applied");
        let detail = text(&answer, "/detail");
        assert!(
            detail.contains("system:serviceaccount:team:stranger"),
            "{answer}"
        );
        // With the edge's credentials the cluster is not asked about that.
        expect(200, &stranger.get("/v1/clusters/asks/releases").await?);
        // The grant is for one namespace.
        let fields = json!({ "name": "elsewhere", "namespace": "default" });
        let body = Body::form(&chart("rights")?, Some(&fields));
        let answer = ci
            .send("POST", "/v1/clusters/passes/releases", Some(body))
            .await?;
        expect_problem(&answer, "not_allowed", "caller", "not_applied");
        Ok(())
    });
}

#[test]
fn a_token_that_no_cluster_knows_is_nobodys() {
    together(async |stage| {
        let scene = scene(stage).await?;
        let broken = format!("{}x", scene.ci);
        for token in ["nobodys", broken.as_str()] {
            for cluster in [PASSES, ASKS, ACTS] {
                let answer = scene
                    .person(token)
                    .get(&format!("/v1/clusters/{cluster}/releases"))
                    .await?;
                expect(401, &answer);
                expect_problem(&answer, "unauthenticated", "caller", "not_applied");
                assert!(!answer.to_string().contains(token), "{answer}");
            }
        }
        Ok(())
    });
}

#[test]
fn without_token_reviews_callers_ask_for_themselves() {
    together(async |stage| {
        let scene = scene(stage).await?;
        // The context of a user that may ask nothing, and of nobody at all.
        let manifest = root().join("spin.toml");
        let contexts = stage.cluster.contexts();
        let config = format!(
            "manifest = {manifest:?}\nkubeconfig = {contexts:?}\n[kubernetes]\n\
             [[grant]]\nprincipals = [\"system:serviceaccount:team:ci\"]\nactions = [\"*\"]\n\
             [[cluster]]\nname = \"stranger\"\ncredentials = \"caller\"\n"
        );
        let edge = stage
            .cluster
            .edge("self-edge", "serve", "127.0.0.1:8088", &config)
            .await?;
        let ci = Person {
            client: caller(&edge),
            authorization: format!("Bearer {}", scene.ci),
        };
        expect(200, &ci.get("/v1/clusters/stranger/releases").await?);
        let nobody = Person {
            authorization: "Bearer nobodys".to_owned(),
            ..ci
        };
        expect(401, &nobody.get("/v1/clusters/stranger/releases").await?);
        Ok(())
    });
}

#[test]
fn the_cluster_sees_whom_the_edge_acts_as() {
    together(async |stage| {
        let scene = scene(stage).await?;
        for token in [ALICE, ZOE, scene.ci.as_str()] {
            let answer = scene
                .person(token)
                .get("/v1/clusters/acts/releases")
                .await?;
            expect(200, &answer);
        }
        let answer = scene.person(BOB).get("/v1/clusters/acts/releases").await?;
        expect(403, &answer);
        expect_problem(&answer, "caller_forbidden", "caller", "not_applied");
        assert!(
            text(&answer, "/detail").contains("User \"bob\" cannot create"),
            "{answer}"
        );
        // What is bob's fault in one is nobody's in the other.
        expect(
            200,
            &scene.person(BOB).get("/v1/clusters/asks/releases").await?,
        );
        Ok(())
    });
}

#[test]
fn a_chart_makes_what_its_caller_may_make() {
    together(async |stage| {
        let scene = scene(stage).await?;
        for (cluster, token) in [
            (ASKS, ALICE),
            (ACTS, ALICE),
            (PASSES, scene.ci.as_str()),
            (ASKS, scene.ci.as_str()),
        ] {
            let person = scene.person(token);
            let answer = person
                .install(cluster, "rights", json!({ "hook": "team" }))
                .await?;
            expect(201, &answer);
            let found = admin(
                stage,
                &[
                    "-n",
                    "team",
                    "get",
                    "configmap",
                    "rights-hook",
                    "-o",
                    "name",
                ],
            );
            assert_eq!(found.await?.trim(), "configmap/rights-hook");
            expect(
                200,
                &person
                    .upgrade(cluster, "rights", json!({ "second": true }))
                    .await?,
            );
            // Whoever may make and change may not remove.
            let answer = person
                .upgrade(cluster, "rights", json!({ "second": false }))
                .await?;
            assert_eq!(refused(&answer), ["delete ConfigMap team"], "{answer}");
            person.purge(cluster, "rights").await?;
            admin(stage, &["-n", "team", "delete", "configmap", "rights-hook"]).await?;
        }
        Ok(())
    });
}

#[test]
fn a_chart_makes_nothing_if_it_would_make_what_its_caller_may_not() {
    together(async |stage| {
        let scene = scene(stage).await?;
        let greedy = json!({ "admin": true, "secret": "kube-system", "hook": "default" });
        for (cluster, token) in [(ASKS, ALICE), (ACTS, ALICE), (PASSES, scene.ci.as_str())] {
            let person = scene.person(token);
            let answer = person.install(cluster, "greedy", greedy.clone()).await?;
            assert_eq!(
                refused(&answer),
                [
                    "bind ClusterRoleBinding -",
                    "create ClusterRoleBinding -",
                    "create ConfigMap default",
                    "create Secret kube-system",
                ],
                "{answer}"
            );
            let path = format!("/v1/clusters/{cluster}/releases/greedy");
            expect(404, &person.get(&path).await?);
            for found in [
                &["get", "clusterrolebinding", "greedy", "--ignore-not-found"][..],
                &[
                    "-n",
                    "kube-system",
                    "get",
                    "secret",
                    "greedy",
                    "--ignore-not-found",
                ],
                &[
                    "-n",
                    "default",
                    "get",
                    "configmap",
                    "greedy-hook",
                    "--ignore-not-found",
                ],
                &[
                    "-n",
                    "team",
                    "get",
                    "configmap",
                    "greedy",
                    "--ignore-not-found",
                ],
            ] {
                assert_eq!(admin(stage, found).await?, "", "{found:?}");
            }
        }
        Ok(())
    });
}

#[test]
fn whoever_may_do_everything_may_install_everything() {
    together(async |stage| {
        let scene = scene(stage).await?;
        admin(
            stage,
            &[
                "create",
                "clusterrolebinding",
                "zoe",
                "--clusterrole=cluster-admin",
                "--user=zoë",
            ],
        )
        .await?;
        let zoe = scene.person(ZOE);
        for cluster in [ASKS, ACTS] {
            let all = json!({ "admin": true, "secret": "kube-system", "second": true });
            expect(201, &zoe.install(cluster, "everything", all).await?);
            let upgraded = zoe.upgrade(cluster, "everything", json!({})).await?;
            expect(200, &upgraded);
            let described = upgraded.json().map(|release| &release["description"]);
            assert_eq!(described, Some(&json!("Upgrade complete (by zoë)")));
            zoe.purge(cluster, "everything").await?;
        }
        Ok(())
    });
}

#[test]
fn check_says_whether_the_edge_may_ask_and_act() {
    together(async |stage| {
        let scene = scene(stage).await?;
        let config = stage.cluster.folder().join("kubernetes-edge.toml");
        let config = config.to_str().context("a path that is text")?;
        let check = async |arguments: &[&str]| {
            let arguments = [&["--config", config, "check"][..], arguments].concat();
            stage.cluster.tiller_edge(&arguments).await
        };
        let asks = check(&[ASKS]).await?;
        assert!(asks.success, "{asks:?}");
        for line in [
            "ok   permission    create tokenreviews.authentication.k8s.io",
            "ok   permission    create subjectaccessreviews.authorization.k8s.io",
        ] {
            assert!(asks.stdout.contains(line), "{}", asks.stdout);
        }
        let acts = check(&[ACTS, "--as", "alice", "--as-group", "dev"]).await?;
        assert!(acts.success, "{acts:?}");
        for line in [
            "impersonate users alice",
            "impersonate groups dev",
            "v2.17.0",
        ] {
            assert!(acts.stdout.contains(line), "{}", acts.stdout);
        }
        let bob = check(&[ACTS, "--as", "bob"]).await?;
        assert!(!bob.success, "{bob:?}");
        assert!(bob.stdout.contains("--user=bob"), "{}", bob.stdout);
        let token = format!("Bearer {}", scene.ci);
        let passes = check(&[PASSES, "--authorization", &token]).await?;
        assert!(passes.success, "{passes:?}");
        assert!(!passes.stdout.contains(&scene.ci), "{}", passes.stdout);
        Ok(())
    });
}
