//! Test runs: each result comes when it is known.

use sim::tiller::Point;
use tiller_api::Method;

use super::FORMS;
use crate::support::{Transport, post, releases, soon, stage};

/// What Tiller says of a release with two tests.
const SAID: [&str; 4] = [
    "RUNNING: web-0",
    "PASSED: web-0",
    "RUNNING: web-1",
    "PASSED: web-1",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn results_arrive_as_they_happen() {
    for transport in Transport::BOTH {
        for form in FORMS {
            let stage = stage()
                .cluster(sim::Options::with_controllers)
                .start()
                .await;
            let tiller = stage.cluster.tiller();
            tiller.put(&releases::tested("web", 2));
            let points = (1..=SAID.len()).map(Point::Message);
            let holds: Vec<_> = points
                .map(|point| tiller.hold(Method::RunReleaseTest, point))
                .collect();
            let tests = post(transport.path("releases/web/tests")).header("accept", form);
            let mut answer = stage.open(tests).await;
            for (number, mut hold) in holds.into_iter().enumerate() {
                soon(hold.reached(1)).await;
                answer.reaches(|seen| seen.contains(SAID[number])).await;
                for later in &SAID[number + 1..] {
                    assert!(!answer.seen().contains(later), "{}", answer.seen());
                }
                hold.release();
            }
            let answer = answer.rest().await.expect("whole").expect(200);
            let text = answer.text();
            assert!(text.contains(r#""passed":2,"failed":0"#), "{text}");
            stage.end().await;
        }
    }
}
