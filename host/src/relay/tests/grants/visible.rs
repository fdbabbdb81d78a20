//! Which clusters and tillers there are for whom.

use rest::relay::{ClusterList, ClusterView};

use super::*;

async fn get(relay: &Relay, caller: &Caller, path: &str) -> Response<Body> {
    let request = Request::get(format!("http://relay.internal{path}"))
        .body(whole(Bytes::new()))
        .unwrap();
    soon(relay.handle(caller, request)).await
}

async fn document<T: serde::de::DeserializeOwned>(answer: Response<Body>) -> T {
    assert_eq!(answer.status(), StatusCode::OK);
    serde_json::from_slice(&read(answer).await.0).unwrap()
}

#[tokio::test]
async fn a_cluster_without_a_grant_is_one_that_is_not_there() {
    let tiller = FakeTiller::with(Vec::new()).await;
    let elsewhere = A.replace("namespaces = [\"a\"]", "clusters = [\"other\"]");
    let relay = Rig::new(&tiller.server).granting(&elsewhere).relay();
    let list: ClusterList = document(get(&relay, &alice(), "/clusters").await).await;
    assert!(list.items.is_empty());
    let list: ClusterList = document(get(&relay, &caller(), "/clusters").await).await;
    assert_eq!(list.items.len(), 1);

    let mut said = Vec::new();
    for name in ["prod", "none"] {
        for path in [
            format!("/clusters/{name}"),
            format!("/clusters/{name}?check=true"),
        ] {
            let answer = problem(get(&relay, &alice(), &path).await).await;
            said.push((name, answer));
        }
        let call = path(Rpc::GetVersion).replace("prod", name);
        let sent = request(&call, frame(b""));
        said.push((
            name,
            problem(soon(relay.handle(&alice(), sent)).await).await,
        ));
    }
    let (hidden, missing) = said.split_at(said.len() / 2);
    for ((_, hidden), (_, missing)) in hidden.iter().zip(missing) {
        assert_eq!(hidden.code, Code::ClusterNotFound);
        let hidden = String::from_utf8(hidden.to_json().to_vec()).unwrap();
        let missing = String::from_utf8(missing.to_json().to_vec()).unwrap();
        assert_eq!(hidden.replace("prod", "none"), missing);
    }
    assert!(tiller.called().is_empty());
}

#[tokio::test]
async fn only_tillers_with_a_grant_are_shown_and_called() {
    let tiller = FakeTiller::with(Vec::new()).await;
    let rules = A.replace("namespaces = [\"a\"]", "tillers = [\"secure\"]");
    let relay = Rig::new(&tiller.server).granting(&rules).relay();
    let view: ClusterView = document(get(&relay, &alice(), "/clusters/prod").await).await;
    let names: Vec<_> = view.tillers.iter().map(|tiller| &*tiller.name).collect();
    assert_eq!(names, ["secure"]);
    let problem = refused(soon(relay.handle(&alice(), request(LIST, frame(b"")))).await).await;
    assert_eq!(problem.detail, "`alice` may not `read` of cluster `prod`");
    let version = request(&path(Rpc::GetVersion), frame(b""));
    refused(soon(relay.handle(&alice(), version)).await).await;
    assert!(tiller.called().is_empty());
}

#[tokio::test]
async fn whoever_may_anything_may_ask_for_the_version() {
    let tiller = FakeTiller::with(Vec::new()).await;
    for action in ["read", "dry-run", "test", "get-values"] {
        let rules = A.replace("\"*\"", &format!("{action:?}"));
        let relay = Rig::new(&tiller.server).granting(&rules).relay();
        let version = request(&path(Rpc::GetVersion), frame(b""));
        messages(soon(relay.handle(&alice(), version)).await).await;
    }
}

#[tokio::test]
async fn who_calls_too_often_is_told_when_to_come_back() {
    let tiller = FakeTiller::with(Vec::new()).await;
    let mut rig = Rig::new(&tiller.server).granting(A);
    rig.config.rate = toml::from_str("cluster = '1/h'").unwrap();
    let relay = rig.relay();
    messages(soon(relay.handle(&alice(), request(LIST, frame(b"")))).await).await;
    let problem = problem(soon(relay.handle(&alice(), request(LIST, frame(b"")))).await).await;
    assert_eq!(problem.code, Code::RateLimited);
    assert!(problem.retry_after.is_some_and(|seconds| seconds > 3000));
}
