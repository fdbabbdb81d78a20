//! Credentials that the APIServer does not take, once or for good.

use std::fs;

use rest::problem::{Code, Outcome};
use sim::apiserver::{Answer, User, When};
use sim::cluster::EDGE_TOKEN;

use super::Kind;
use crate::support::{Transport, stage};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_was_renewed_is_taken_up_and_the_call_sent_once_more() {
    for transport in Transport::BOTH {
        for kind in Kind::BOTH {
            let stage = stage().token_file().start().await;
            // What was read once is kept for a while.
            stage.serves().await;
            let apiserver = stage.cluster.apiserver();
            fs::write(stage.token_file(), "another-token\n").expect("written");
            apiserver.add_token("another-token", User::named("edge"));
            apiserver.revoke_token(EDGE_TOKEN);
            let before = apiserver.seen().len();
            let answer = stage.send(kind.ask(transport)).await;
            assert!(answer.status.is_success(), "{answer}");
            assert_eq!(stage.arrived(kind), 1);
            let users: Vec<_> = apiserver.seen()[before..]
                .iter()
                .map(|seen| seen.user.clone())
                .collect();
            assert_eq!(&users[..2], ["-", "edge"], "refused, then taken");
            stage.end().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_is_refused_for_good_is_the_edges_trouble() {
    for file in [false, true] {
        for transport in Transport::BOTH {
            for kind in Kind::BOTH {
                let plan = stage();
                let plan = if file { plan.token_file() } else { plan };
                let stage = plan.start().await;
                stage.cluster.apiserver().revoke_token(EDGE_TOKEN);
                let answer = stage.send(kind.ask(transport)).await;
                let code = Code::ClusterCredentialsRefused;
                let outcome = Outcome::NotApplied;
                stage.admits((transport, kind), &answer, code, outcome);
                assert_eq!(stage.cluster.apiserver().seen().len(), 1, "asked once");
                stage.end().await;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_single_refusal_of_a_good_token_is_told_and_forgotten() {
    let stage = stage().start().await;
    for transport in Transport::BOTH {
        let apiserver = stage.cluster.apiserver();
        apiserver.answer_next(When::BeforeBackend, Answer::Unauthorized);
        let answer = stage.send(Kind::Mutation.ask(transport)).await;
        answer.refused(Code::ClusterCredentialsRefused, Outcome::NotApplied);
    }
    assert_eq!(stage.arrived(Kind::Mutation), 0);
    stage.serves().await;
    stage.end().await;
}
