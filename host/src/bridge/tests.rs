//! The bridge between a caller and a fake Tiller, over real sockets.

mod caller;
mod calls;
mod fake;
mod life;
mod limits;
mod lost;
mod tls;

use std::future::Future;
use std::time::Duration;

use super::{Bridge, Options};
use caller::Caller;
use fake::Tiller;

const INSTALL: &str = "/hapi.services.tiller.ReleaseService/InstallRelease";
const LIST: &str = "/hapi.services.tiller.ReleaseService/ListReleases";

/// No test waits longer.
async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), future)
        .await
        .expect("the test hangs")
}

/// Waits for something that other tasks bring about.
async fn until(mut condition: impl FnMut() -> bool) {
    soon(async {
        while !condition() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// Options for a bridge on a free port before this Tiller.
fn before(tiller: &Tiller) -> Options {
    Options {
        listen: "127.0.0.1:0".to_owned(),
        tiller: tiller.addr().to_string(),
        ..Options::default()
    }
}

async fn start(options: Options) -> Bridge {
    soon(Bridge::start(options)).await.unwrap()
}

/// Nothing is left of any call.
async fn at_rest(bridge: &Bridge) {
    until(|| bridge.stats().calls_open == 0).await;
}
