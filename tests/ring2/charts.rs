//! Charts that the edge fetches: from repositories and by URL, and everything that goes wrong on that side.

mod addresses;
mod caches;
mod credentials;
mod installs;
mod lists;
mod scope;
mod trouble;
mod trust;

use rest::problem::{Code, Outcome, Problem};
use serde_json::Value;
use tiller_api::Method;

use crate::support::{Answer, Stage, Transport, post};

impl Stage {
    async fn request(&self, body: &Value) -> Answer {
        self.send(post(Transport::GrpcWeb.path("releases")).json(body))
            .await
    }

    /// Insists that an install is refused before anything is sent to Tiller.
    async fn refuses(&self, body: &Value, code: Code) -> Problem {
        let installs = self.cluster.tiller().count(Method::InstallRelease);
        let answer = self.request(body).await;
        let problem = answer.refused(code, Outcome::NotApplied);
        assert_eq!(
            self.cluster.tiller().count(Method::InstallRelease),
            installs
        );
        problem
    }
}
