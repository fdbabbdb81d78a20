//! Hostile components (`tests/guests`) behind the whole edge: each behaviour costs its own request, nothing else, and
//! nothing of it reaches a cluster that should not.

mod answers;
mod authority;
mod calls;
mod confined;
mod confinement;
mod exhaustion;
mod neighbours;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use rest::problem::{Code, Outcome};
use tiller_edge::config::{Limits, Size};

use crate::support::{Answer, Ask, Protocol, Stage, get, stage};

/// What any behaviour may take that does not wait on purpose.
const BUDGET: Duration = Duration::from_secs(5);

macro_rules! tested {
    ($($name:literal in $test:path,)+) => {
        /// Each behaviour with the test that has it; the compiler sees that the tests exist.
        const TESTED: &[(&str, fn())] = &[$(($name, $test)),+];
    };
}

tested! {
    "count" in answers::state_ends_with_its_request,
    "echo" in answers::bodies_stream_both_ways,
    "hello" in answers::plain_answers_are_whole,
    "large" in answers::plain_answers_are_whole,
    "fail" in answers::failures_are_told_without_their_inside,
    "forge-response-headers" in answers::headers_of_the_host_cannot_be_forged,
    "hang" in answers::failures_are_told_without_their_inside,
    "huge-header" in answers::headers_that_are_none_are_refused,
    "overlong" in answers::answers_of_another_length_than_told_break,
    "short" in answers::answers_of_another_length_than_told_break,
    "split-header" in answers::headers_that_are_none_are_refused,
    "stall" in answers::an_answer_that_never_ends_breaks,
    "trap-mid-stream" in answers::a_trap_in_mid_answer_never_looks_like_its_end,
    "allocate" in exhaustion::what_one_request_may_use_is_bounded,
    "chatter" in exhaustion::talk_is_swallowed,
    "flood" in exhaustion::a_flood_of_calls_trickles,
    "panic" in answers::failures_are_told_without_their_inside,
    "recurse" in exhaustion::what_one_request_may_use_is_bounded,
    "spin" in exhaustion::what_one_request_may_use_is_bounded,
    "trap" in answers::failures_are_told_without_their_inside,
    "environment" in authority::the_relays_address_is_the_whole_environment,
    "filesystem" in authority::there_are_no_files_and_no_sockets,
    "sockets" in authority::there_are_no_files_and_no_sockets,
    "list" in calls::a_right_call_is_carried_out,
    "foreign-authority" in calls::other_destinations_are_refused,
    "foreign-host-header" in calls::other_destinations_are_refused,
    "foreign-method" in calls::what_is_no_call_is_not_relayed,
    "foreign-path" in calls::what_is_no_call_is_not_relayed,
    "forge-audit-headers" in calls::forged_headers_stay_behind,
    "forge-authorization" in calls::other_destinations_are_refused,
    "get" in calls::what_is_no_call_is_not_relayed,
    "html" in calls::what_is_no_call_is_not_relayed,
    "no-frame" in calls::what_is_no_call_is_not_relayed,
    "trailer-frame" in calls::what_is_no_call_is_not_relayed,
    "truncated-frame" in calls::what_is_no_call_is_not_relayed,
    "two-frames" in calls::what_is_no_call_is_not_relayed,
    "foreign-apiserver-path" in confined::what_its_caller_may_not_a_component_may_not,
    "foreign-chart" in confined::a_chart_is_what_it_was_when_it_was_fetched,
    "foreign-cluster" in confined::what_its_caller_may_not_a_component_may_not,
    "foreign-destination" in confined::what_its_caller_may_not_a_component_may_not,
    "foreign-install" in confined::what_its_caller_may_not_a_component_may_not,
    "foreign-inventory" in confined::only_what_a_caller_has_is_there,
    "foreign-list" in confined::what_its_caller_may_not_a_component_may_not,
    "foreign-release" in confined::what_its_caller_may_not_a_component_may_not,
    "foreign-revision" in confined::what_its_caller_may_not_a_component_may_not,
    "foreign-service" in confined::what_its_caller_may_not_a_component_may_not,
    "change-of-mind" in confined::what_its_caller_may_not_a_component_may_not,
    "compressed" in confined::what_its_caller_may_not_a_component_may_not,
    "dry-run-that-is-none" in confined::who_may_see_what_would_happen_makes_nothing_happen,
    "duplicate-fields" in confined::what_its_caller_may_not_a_component_may_not,
    "forge-connection-headers" in confined::nobody_can_be_passed_off_as_somebody_else,
    "forge-identity" in confined::nobody_can_be_passed_off_as_somebody_else,
    "forge-pseudo-headers" in confined::nobody_can_be_passed_off_as_somebody_else,
    "forge-trailers" in confined::nobody_can_be_passed_off_as_somebody_else,
    "second-message" in confined::what_its_caller_may_not_a_component_may_not,
    "smuggle-by-length" in confined::what_its_caller_may_not_a_component_may_not,
    "unknown-fields" in confined::what_its_caller_may_not_a_component_may_not,
    "hoard" in confined::nothing_is_kept_for_the_next_caller,
    "outlive" in confined::nothing_outlives_its_request,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_behaviour_has_a_test() {
    let stage = stage().start().await;
    let list = stage.get("/guests/").await.expect(200);
    let listed: BTreeSet<_> = list.text().lines().collect();
    let tested: BTreeSet<_> = TESTED.iter().map(|(name, _)| *name).collect();
    assert_eq!(listed, tested);
    stage.end().await;
}

/// An edge that loses patience soon.
async fn strict() -> Stage {
    stage().limits(strict_limits).start().await
}

fn strict_limits(limits: &mut Limits) {
    limits.cpu = Duration::from_millis(300);
    limits.memory = Size::MIB * 32;
    limits.read_deadline = Duration::from_secs(2);
}

fn ask(behaviour: &str) -> Ask {
    get(format!("/guests/{behaviour}"))
}

impl Stage {
    /// Has a component behave in some way, over each protocol, and looks at the answer, whole or broken. After each
    /// nothing is left, the next request is served, and no cluster has heard of it.
    async fn behaves(&self, behaviour: &str, check: impl Fn(hyper::Result<Answer>)) {
        for protocol in [Protocol::H1, Protocol::H2] {
            let seen = self.cluster.apiserver().seen().len();
            let asked = Instant::now();
            check(self.attempt(ask(behaviour).over(protocol)).await);
            assert!(
                asked.elapsed() < BUDGET,
                "{behaviour}: {:?}",
                asked.elapsed()
            );
            self.is_clean().await;
            assert_eq!(self.cluster.apiserver().seen().len(), seen, "{behaviour}");
            assert_eq!(self.send(ask("hello")).await.text(), "hello\n");
        }
    }

    /// The answer is whole and says this.
    async fn says(&self, behaviour: &str, text: &str) {
        self.behaves(behaviour, |answer| {
            let answer = answer.expect("whole").expect(200);
            assert_eq!(answer.text(), text, "{behaviour}");
        })
        .await;
    }

    /// The host refuses the component what it wants.
    async fn denies(&self, behaviour: &str, why: &str) {
        self.behaves(behaviour, |answer| {
            let answer = answer.expect("whole").expect(200);
            let text = answer.text();
            assert!(text.starts_with("refused: "), "{behaviour}: {text}");
            assert!(text.contains(why), "{behaviour}: {text}");
        })
        .await;
    }

    /// The answer is a problem.
    async fn fails(&self, behaviour: &str, code: Code) {
        self.behaves(behaviour, |answer| {
            let answer = answer.expect("whole");
            answer.refused(code, Outcome::NotApplied);
        })
        .await;
    }

    /// The answer breaks off, and everybody can tell: over HTTP/1.1 it is incomplete, over HTTP/2 it is reset.
    async fn breaks(&self, behaviour: &str) {
        self.behaves(behaviour, |answer| {
            let error = answer.expect_err(behaviour);
            assert!(
                is_incomplete(&error) || is_reset(&error),
                "{behaviour}: {error:?}"
            );
        })
        .await;
    }
}

fn is_incomplete(error: &hyper::Error) -> bool {
    use std::error::Error;
    let cause = error.source().and_then(|cause| cause.downcast_ref());
    let ended = |cause: &std::io::Error| cause.kind() == std::io::ErrorKind::UnexpectedEof;
    error.is_incomplete_message() || cause.is_some_and(ended)
}

fn is_reset(error: &hyper::Error) -> bool {
    use std::error::Error;
    let cause = error.source().and_then(|cause| cause.downcast_ref());
    cause.is_some_and(|cause: &h2::Error| cause.is_remote() && cause.is_reset())
}
