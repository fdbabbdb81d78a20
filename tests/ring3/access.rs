//! Who may do what in the cluster, and what `check` and kubectl say of it.

use std::fs;

use anyhow::Result;
use real::User;

use crate::stage::{Stage, expect, expect_problem, together};

#[test]
fn cluster_info_shows_the_bridge() {
    together(async |stage| {
        let shown = stage
            .cluster
            .kubectl(User::Admin, &["cluster-info"])
            .await?;
        let shown = shown.check("kubectl cluster-info")?;
        let path = "/api/v1/namespaces/kube-system/services/tiller-bridge:grpc-web/proxy";
        assert!(shown.contains("TillerBridge"), "{shown}");
        assert!(shown.contains(path), "{shown}");
        Ok(())
    });
}

#[test]
fn the_edge_may_call_its_two_services_and_nothing_else() {
    together(async |stage| {
        for user in [User::Edge, User::EdgeByCertificate] {
            for (verb, what, may) in [
                ("create", "services/tiller-bridge:grpc-web", true),
                ("create", "services/https:tiller-deploy:tiller", true),
                ("create", "services/tiller-bridge", false),
                ("create", "services/other:grpc-web", false),
                ("get", "services/tiller-bridge:grpc-web", false),
            ] {
                let arguments = ["--subresource=proxy", "--namespace=kube-system"];
                assert_eq!(
                    can(stage, user, verb, what, &arguments).await?,
                    may,
                    "{user:?} {verb} {what}"
                );
            }
            for what in ["secrets", "pods", "services", "configmaps"] {
                assert!(
                    !can(stage, user, "list", what, &["--all-namespaces"]).await?,
                    "{user:?} {what}"
                );
            }
        }
        Ok(())
    });
}

#[test]
fn token_and_certificate_reach_both_tillers() {
    together(async |stage| {
        let caller = stage.caller();
        for cluster in ["real", "real-by-certificate"] {
            for tiller in ["default", "native"] {
                let path = format!("/v1/clusters/{cluster}/tillers/{tiller}/version");
                let answer = caller.get(&path).await?;
                expect(200, &answer);
                assert!(answer.to_string().contains("v2.17.0"), "{answer}");
            }
        }
        Ok(())
    });
}

#[test]
fn a_user_without_the_role_is_told_so() {
    together(async |stage| {
        let answer = stage.caller().get("/v1/clusters/stranger/releases").await?;
        expect(502, &answer);
        expect_problem(&answer, "cluster_forbidden", "edge", "not_applied");
        Ok(())
    });
}

#[test]
fn check_reports_both_transports_of_a_cluster_that_works() {
    together(async |stage| {
        let config = stage.cluster.folder().join("edge.toml");
        let config = config.to_str().unwrap_or_default();
        let checked = stage
            .cluster
            .tiller_edge(&["--config", config, "check", "real"])
            .await?;
        assert!(checked.success, "{checked:?}");
        for word in ["real", "grpc-web", "grpc", "native", "v2.17.0"] {
            assert!(
                checked.stdout.contains(word),
                "no {word} in {}",
                checked.stdout
            );
        }
        Ok(())
    });
}

#[test]
fn check_fails_for_a_cluster_that_does_not_work_and_says_what_to_do() {
    together(async |stage| {
        let config = stage.cluster.folder().join("edge.toml");
        let config = config.to_str().unwrap_or_default();
        let checked = stage
            .cluster
            .tiller_edge(&["--config", config, "check", "stranger"])
            .await?;
        assert!(!checked.success, "{checked:?}");
        assert!(
            checked.stdout.contains("services/proxy"),
            "{}",
            checked.stdout
        );
        Ok(())
    });
}

#[test]
fn check_names_the_file_and_key_of_a_wrong_configuration() {
    together(async |stage| {
        let file = stage.cluster.folder().join("wrong.toml");
        fs::write(&file, "listn = \"127.0.0.1:1\"\n")?;
        let file = file.to_str().unwrap_or_default();
        let checked = stage
            .cluster
            .tiller_edge(&["--config", file, "check"])
            .await?;
        assert!(!checked.success, "{checked:?}");
        for word in ["wrong.toml", "listn", "listen"] {
            assert!(
                checked.stderr.contains(word),
                "no {word} in {}",
                checked.stderr
            );
        }
        Ok(())
    });
}

async fn can(stage: &Stage, user: User, verb: &str, what: &str, more: &[&str]) -> Result<bool> {
    let ask = [&["auth", "can-i", verb, what][..], more].concat();
    let answer = stage.cluster.kubectl(user, &ask).await?;
    Ok(answer.stdout.trim() == "yes")
}
