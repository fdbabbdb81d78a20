//! Bodies that mean harm: each ends in a 4xx within what one request may use, nothing of it reaches a cluster, and the next
//! request is served.

mod archives;
mod documents;
mod forms;
mod sizes;

use std::time::{Duration, Instant};

use rest::problem::{Code, Outcome, Problem};

use crate::support::{Ask, Stage, Transport, charts, post, stage};

/// No body takes an edge longer to see through.
const BUDGET: Duration = Duration::from_secs(20);

/// Longest answer to any of them: it does not repeat the attack.
const TERSE: usize = 4096;

impl Stage {
    /// Insists that the edge sees through it.
    async fn sees_through(&self, ask: Ask, code: Code) -> Problem {
        let asked = Instant::now();
        let answer = self.send(ask).await;
        assert!(asked.elapsed() < BUDGET, "{:?}", asked.elapsed());
        assert!(answer.status.is_client_error(), "{answer}");
        assert!(answer.body.len() < TERSE, "{} bytes", answer.body.len());
        let problem = answer.refused(code, Outcome::NotApplied);
        self.is_clean().await;
        let next = self.get(Transport::GrpcWeb.path("version")).await;
        next.expect(200);
        problem
    }

    /// Nothing but the questions for its version has reached Tiller.
    async fn end_untouched(self) {
        let calls = self.cluster.tiller().calls();
        let versions = self.cluster.tiller().count(tiller_api::Method::GetVersion);
        assert_eq!(calls.len(), versions);
        self.end().await;
    }
}

/// An install of that archive.
fn archive(archive: &[u8]) -> Ask {
    let body =
        serde_json::json!({"name": "web", "namespace": "shop", "chart": charts::field(archive)});
    install().json(&body)
}

fn install() -> Ask {
    post(Transport::GrpcWeb.path("releases"))
}
