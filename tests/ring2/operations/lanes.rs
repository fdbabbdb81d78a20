//! The order in which operations on one release are carried out.

use tiller_api::Method;

use super::{history, install, upgrade};
use crate::support::{soon, stage};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn operations_on_a_release_are_carried_out_one_by_one_in_order() {
    let stage = stage().start().await;
    let mut hold = stage.cluster.tiller().pause(Method::InstallRelease);
    let mut places = vec![stage.accepted(install("web")).await];
    soon(hold.reached(1)).await;
    for replicas in 2..6 {
        places.push(stage.accepted(upgrade("web", replicas)).await);
    }
    let other = stage.accepted(upgrade("other", 1)).await;
    assert_eq!(stage.settled(&other).await["state"], "failed");
    hold.release();
    for (place, revision) in places.iter().zip(1..) {
        let operation = stage.settled(place).await;
        assert_eq!(operation["state"], "succeeded", "{operation:#}");
        assert_eq!(operation["result"]["revision"], revision);
    }
    assert_eq!(history(&stage, "web").await.len(), 5);
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_newer_upgrade_takes_the_place_of_those_that_wait_where_all_say_so() {
    let stage = stage().start().await;
    let mut hold = stage.cluster.tiller().pause(Method::InstallRelease);
    let first = stage.accepted(install("web")).await;
    soon(hold.reached(1)).await;
    let coalesced = |replicas| upgrade("web", replicas).header("prefer", "coalesce=newest");
    let second = stage.accepted(coalesced(2)).await;
    let third = stage.accepted(coalesced(3)).await;
    let replaced = stage.settled(&second).await;
    assert_eq!(replaced["state"], "superseded", "{replaced:#}");
    hold.release();
    assert_eq!(stage.settled(&first).await["state"], "succeeded");
    let newest = stage.settled(&third).await;
    assert_eq!(newest["result"]["revision"], 2, "{newest:#}");
    assert_eq!(replaced["superseded_by"], newest["id"]);
    stage.end().await;
}
