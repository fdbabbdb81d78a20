//! Requests that are accepted now and carried out later.

mod approval;
mod keys;
mod lanes;
mod life;
mod recovery;
mod sight;

use serde_json::{Value, json};

use crate::support::{Answer, Ask, Stage, Transport, charts, get, post, put};

/// An install that may be carried out later.
fn install(name: &str) -> Ask {
    post(Transport::GrpcWeb.path("releases"))
        .header("prefer", "respond-async")
        .json(&charts::install(name))
}

/// An upgrade that may be carried out later, with that number of replicas.
fn upgrade(name: &str, replicas: u32) -> Ask {
    let body = json!({
        "chart": charts::field(&charts::archive("web")),
        "values": { "replicas": replicas },
    });
    put(Transport::GrpcWeb.path(&format!("releases/{name}")))
        .header("prefer", "respond-async")
        .json(&body)
}

impl Stage {
    /// Has a request accepted; the path of the operation that it became.
    async fn accepted(&self, ask: Ask) -> String {
        let answer = self.send(ask).await.expect(202);
        assert_eq!(answer.header("preference-applied"), "respond-async");
        let place = answer.header("location").to_owned();
        assert_eq!(answer.json()["links"]["self"], place);
        place
    }

    /// What becomes of an operation, once it has settled.
    async fn settled(&self, place: &str) -> Value {
        let waited = self.get(format!("{place}?wait=50s")).await.expect(200);
        let operation = waited.json();
        let state = operation["state"].as_str().expect("a state");
        assert!(
            !["accepted", "running", "unknown"].contains(&state),
            "{operation:#}"
        );
        operation
    }

    /// Waits until an operation is in that state.
    async fn comes_to(&self, place: &str, state: &str) -> Value {
        loop {
            let operation = self.get(place).await.expect(200).json();
            if operation["state"] == state {
                return operation;
            }
            tokio::task::yield_now().await;
        }
    }
}

/// The revisions of a release, the newest first, with their descriptions.
async fn history(stage: &Stage, release: &str) -> Vec<(i64, String)> {
    let path = Transport::GrpcWeb.path(&format!("releases/{release}/history"));
    let history: Answer = stage.send(get(path)).await.expect(200);
    let items = history.json();
    let items = items["items"].as_array().expect("a list").clone();
    items
        .iter()
        .map(|item| {
            let revision = item["revision"].as_i64().expect("a number");
            let description = item["description"].as_str().unwrap_or_default();
            (revision, description.to_owned())
        })
        .collect()
}
