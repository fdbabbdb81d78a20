//! Authority that nobody gave.

use super::strict;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
pub(super) async fn the_relays_address_is_the_whole_environment() {
    let stage = strict().await;
    let relay = "TILLER_EDGE_RELAY=http://relay.internal\n";
    stage.says("environment", relay).await;
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
pub(super) async fn there_are_no_files_and_no_sockets() {
    let stage = strict().await;
    stage.says("filesystem", "").await;
    stage.says("sockets", "").await;
    stage.end().await;
}
