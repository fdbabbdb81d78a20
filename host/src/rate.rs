//! How often a principal may call, so that one that is out of hand leaves room for the others.
//!
//! Every edge counts for itself. Those that are counted are known by 64 bits of a hash that this process keys anew, which
//! nobody outside can aim at; who has not called lately is forgotten.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::DefaultKeyedStateStore;
use governor::{Quota, RateLimiter};
use rest::problem::{Code, Problem};
use tokio::time::Instant;

use crate::access::{Principal, TokenHash};
use crate::config::{Pace, RateConfig};

/// After so many checks those that have not called lately are forgotten.
const SWEEP: usize = 1 << 12;

/// The limits of one edge.
#[derive(Debug)]
pub struct Rate {
    keys: RandomState,
    principal: Option<Limiter>,
    cluster: Option<Limiter>,
}

impl Rate {
    /// With the limits of `config`.
    #[must_use]
    pub fn new(config: &RateConfig) -> Self {
        Self {
            keys: RandomState::new(),
            principal: config.principal.map(Limiter::new),
            cluster: config.cluster.map(Limiter::new),
        }
    }

    /// Without any.
    #[must_use]
    pub fn unlimited() -> Self {
        Self::new(&RateConfig::default())
    }

    /// Counts a request of `principal`.
    ///
    /// # Errors
    ///
    /// How long to wait, if that is one too many; then it is not counted.
    pub fn check_principal(&self, principal: &Principal) -> Result<(), Duration> {
        check(self.principal.as_ref(), || {
            self.keys.hash_one((principal.method, &principal.name))
        })
    }

    /// Counts a request of whoever has the token of that digest, as long as nobody has said who that is.
    ///
    /// # Errors
    ///
    /// As [`Self::check_principal`].
    pub(crate) fn check_bearer(&self, bearer: TokenHash) -> Result<(), Duration> {
        check(self.principal.as_ref(), || self.keys.hash_one(bearer))
    }

    /// Counts a call of `principal` to `cluster`.
    ///
    /// # Errors
    ///
    /// As [`Self::check_principal`].
    pub fn check_cluster(&self, principal: &Principal, cluster: &str) -> Result<(), Duration> {
        check(self.cluster.as_ref(), || {
            self.keys
                .hash_one((principal.method, &principal.name, cluster))
        })
    }
}

fn check(limiter: Option<&Limiter>, key: impl FnOnce() -> u64) -> Result<(), Duration> {
    limiter.map_or(Ok(()), |limiter| limiter.check(key()))
}

/// What a caller is told that has to wait so long.
pub(crate) fn too_many(wait: Duration) -> Problem {
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    let seconds = u32::try_from(seconds).unwrap_or(u32::MAX).max(1);
    Problem::new(
        Code::RateLimited,
        "more requests than this edge takes from one principal",
    )
    .with_retry_after(Some(seconds))
}

#[derive(Debug)]
struct Limiter {
    states: RateLimiter<u64, DefaultKeyedStateStore<u64>, Uptime, NoOpMiddleware<Duration>>,
    checks: AtomicUsize,
}

impl Limiter {
    fn new(pace: Pace) -> Self {
        let quota = Quota::with_period(pace.interval())
            .expect("an interval is longer than nothing")
            .allow_burst(pace.burst);
        Self {
            states: RateLimiter::new(quota, DefaultKeyedStateStore::default(), Uptime::start()),
            checks: AtomicUsize::new(0),
        }
    }

    fn check(&self, key: u64) -> Result<(), Duration> {
        if self.checks.fetch_add(1, Ordering::Relaxed) % SWEEP == SWEEP - 1 {
            self.states.retain_recent();
        }
        self.states
            .check_key(&key)
            .map_err(|refused| refused.wait_time_from(self.states.clock().now()))
    }
}

/// The runtime's clock, which tests can move.
#[derive(Clone, Debug)]
struct Uptime(Instant);

impl Uptime {
    fn start() -> Self {
        Self(Instant::now())
    }
}

impl Clock for Uptime {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.0.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;
    use crate::access::Method;

    fn rate(principal: &str, cluster: &str) -> Rate {
        Rate::new(&RateConfig {
            principal: Some(principal.parse().expect("a pace")),
            cluster: Some(cluster.parse().expect("a pace")),
        })
    }

    fn principal(name: &str, method: Method) -> Principal {
        Principal {
            name: name.to_owned(),
            groups: Vec::new(),
            method,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_principal_may_call_so_often_and_is_told_when_to_come_back() {
        let rate = rate("2/s", "1/s");
        let alice = principal("alice", Method::Token);
        rate.check_principal(&alice).expect("the first");
        rate.check_principal(&alice).expect("the second");
        let wait = rate.check_principal(&alice).expect_err("one too many");
        assert_eq!(wait, Duration::from_millis(500));
        advance(wait).await;
        rate.check_principal(&alice).expect("after the wait");
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_pays_for_another() {
        let rate = rate("1/h", "1/h");
        let token = TokenHash::of("one");
        for caller in [
            principal("alice", Method::Token),
            principal("bob", Method::Token),
            principal("alice", Method::Oidc),
        ] {
            rate.check_principal(&caller).expect("its own");
            rate.check_principal(&caller).expect_err("one too many");
            for cluster in ["prod", "dev"] {
                rate.check_cluster(&caller, cluster).expect("its own");
                rate.check_cluster(&caller, cluster)
                    .expect_err("one too many");
            }
        }
        rate.check_bearer(token).expect("its own");
        rate.check_bearer(token).expect_err("one too many");
        rate.check_bearer(TokenHash::of("two")).expect("its own");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_not_set_is_not_limited() {
        let rate = Rate::unlimited();
        let alice = principal("alice", Method::Token);
        for _ in 0..10_000 {
            rate.check_principal(&alice).expect("not limited");
            rate.check_cluster(&alice, "prod").expect("not limited");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn those_who_call_no_more_are_forgotten() {
        let rate = rate("1/s", "1/s");
        let limiter = rate.principal.as_ref().expect("set");
        for n in 0..10 * SWEEP {
            _ = rate.check_bearer(TokenHash::of(&n.to_string()));
            advance(Duration::from_millis(10)).await;
        }
        assert!(
            limiter.states.len() <= 2 * SWEEP,
            "{}",
            limiter.states.len()
        );
    }
}
