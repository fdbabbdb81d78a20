//! When a provider is asked, with a clock that the tests turn.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Semaphore;
use tokio::task::yield_now;
use tokio::time::{advance, timeout};

use super::*;

/// How long the scripted provider's keys are good.
const HOUR: Duration = Duration::from_secs(3600);
const SECOND: Duration = Duration::from_secs(1);

/// A provider that answers what the test lets it.
#[derive(Default)]
struct Scripted {
    asked: AtomicUsize,
    /// Whether it is down, for each question; up when nothing is left.
    down: Mutex<VecDeque<bool>>,
    /// A question for each permit, where there is a gate.
    gate: Option<Semaphore>,
}

impl Ask for Arc<Scripted> {
    fn ask(&self) -> BoxFuture<'_, Result<Answer, ProviderError>> {
        async {
            self.asked.fetch_add(1, Ordering::SeqCst);
            if let Some(gate) = &self.gate {
                gate.acquire().await.unwrap().forget();
            }
            if self.down.lock().unwrap().pop_front().unwrap_or_default() {
                return Err(ProviderError::KeysUrl);
            }
            Ok(Answer {
                keys: Keys::default(),
                lifetime: HOUR,
            })
        }
        .boxed()
    }
}

struct Rig {
    provider: Arc<Scripted>,
    cache: Arc<Cache<Arc<Scripted>>>,
}

impl Rig {
    fn of(provider: Scripted) -> Self {
        let provider = Arc::new(provider);
        Self {
            cache: Arc::new(Cache::new("id".to_owned(), Arc::clone(&provider))),
            provider,
        }
    }

    fn new(down: &[bool]) -> Self {
        Self::of(Scripted {
            down: Mutex::new(down.iter().copied().collect()),
            ..Scripted::default()
        })
    }

    fn asked(&self) -> usize {
        self.provider.asked.load(Ordering::SeqCst)
    }

    async fn keys(&self) -> Result<Arc<Keys>, Arc<ProviderError>> {
        soon(self.cache.keys()).await
    }

    async fn newer(&self, known: &Arc<Keys>) -> Result<Option<Arc<Keys>>, Arc<ProviderError>> {
        soon(self.cache.newer(known)).await
    }

    /// Lets what goes on in the background go on.
    async fn settle(&self) {
        for _ in 0..10 {
            yield_now().await;
        }
    }
}

async fn soon<T>(future: impl Future<Output = T>) -> T {
    timeout(30 * SECOND, future).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn nobody_is_asked_before_a_token_comes_and_once_for_many() {
    let rig = Rig::new(&[]);
    assert_eq!(rig.asked(), 0);
    let first = rig.keys().await.unwrap();
    for _ in 0..100 {
        assert!(Arc::ptr_eq(&first, &rig.keys().await.unwrap()));
    }
    assert_eq!(rig.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn callers_at_once_wait_for_one_question() {
    let rig = Rig::of(Scripted {
        gate: Some(Semaphore::new(0)),
        ..Scripted::default()
    });
    let callers: Vec<_> = (0..50)
        .map(|_| {
            let cache = Arc::clone(&rig.cache);
            tokio::spawn(async move { cache.keys().await.is_ok() })
        })
        .collect();
    rig.settle().await;
    rig.provider.gate.as_ref().unwrap().add_permits(1);
    for caller in callers {
        assert!(soon(caller).await.unwrap());
    }
    assert_eq!(rig.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_goes_away_does_not_take_the_question_along() {
    let rig = Rig::of(Scripted {
        gate: Some(Semaphore::new(0)),
        ..Scripted::default()
    });
    let cache = Arc::clone(&rig.cache);
    let caller = tokio::spawn(async move { cache.keys().await.is_ok() });
    rig.settle().await;
    caller.abort();
    rig.provider.gate.as_ref().unwrap().add_permits(1);
    assert!(rig.keys().await.is_ok());
    assert_eq!(rig.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn keys_are_renewed_before_their_end_while_the_old_ones_are_used() {
    let rig = Rig::new(&[]);
    let old = rig.keys().await.unwrap();
    advance(HOUR / 5 * 4 - SECOND).await;
    rig.keys().await.unwrap();
    rig.settle().await;
    assert_eq!(rig.asked(), 1);
    advance(SECOND).await;
    assert!(Arc::ptr_eq(&old, &rig.keys().await.unwrap()));
    rig.settle().await;
    assert_eq!(rig.asked(), 2);
    assert!(!Arc::ptr_eq(&old, &rig.keys().await.unwrap()));
}

#[tokio::test(start_paused = true)]
async fn after_their_end_callers_wait_for_new_keys() {
    let rig = Rig::new(&[]);
    let old = rig.keys().await.unwrap();
    advance(HOUR).await;
    assert!(!Arc::ptr_eq(&old, &rig.keys().await.unwrap()));
    assert_eq!(rig.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_is_down_is_bridged_for_a_day() {
    let rig = Rig::new(&[false, true, true, true, true, false]);
    let old = rig.keys().await.unwrap();
    advance(HOUR).await;
    assert!(Arc::ptr_eq(&old, &rig.keys().await.unwrap()));
    assert_eq!(rig.asked(), 2);
    // It is left alone for a while.
    advance(9 * SECOND).await;
    assert!(Arc::ptr_eq(&old, &rig.keys().await.unwrap()));
    rig.settle().await;
    assert_eq!(rig.asked(), 2);
    advance(SECOND).await;
    assert!(Arc::ptr_eq(&old, &rig.keys().await.unwrap()));
    rig.settle().await;
    assert_eq!(rig.asked(), 3);
    advance(STALE - 11 * SECOND).await;
    assert!(Arc::ptr_eq(&old, &rig.keys().await.unwrap()));
    rig.settle().await;
    assert_eq!(rig.asked(), 4);
    // And no longer.
    advance(10 * SECOND).await;
    assert!(rig.keys().await.is_err());
    assert_eq!(rig.asked(), 5);
    assert!(rig.keys().await.is_err());
    assert_eq!(rig.asked(), 5);
    advance(10 * SECOND).await;
    assert!(rig.keys().await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_never_answered_is_asked_every_ten_seconds() {
    let rig = Rig::new(&[true, true, false]);
    for asked in 1..=2 {
        for _ in 0..10 {
            assert!(rig.keys().await.is_err());
        }
        assert_eq!(rig.asked(), asked);
        advance(10 * SECOND).await;
    }
    assert!(rig.keys().await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn unknown_keys_lead_to_one_question_in_ten_seconds() {
    let rig = Rig::new(&[]);
    let mut known = rig.keys().await.unwrap();
    // It was asked just now.
    assert!(rig.newer(&known).await.unwrap().is_none());
    assert_eq!(rig.asked(), 1);
    for asked in 2..=4 {
        advance(10 * SECOND).await;
        let newer = rig.newer(&known).await.unwrap().unwrap();
        // Whoever looked at the old ones finds the new ones without a question.
        assert!(Arc::ptr_eq(
            &newer,
            &rig.newer(&known).await.unwrap().unwrap()
        ));
        for _ in 0..100 {
            assert!(rig.newer(&newer).await.unwrap().is_none());
        }
        assert_eq!(rig.asked(), asked);
        known = newer;
    }
}

#[tokio::test(start_paused = true)]
async fn whether_an_unknown_key_is_good_is_not_known_while_the_provider_is_down() {
    let rig = Rig::new(&[false, true, false]);
    let known = rig.keys().await.unwrap();
    advance(10 * SECOND).await;
    for _ in 0..10 {
        assert!(rig.newer(&known).await.is_err());
    }
    assert_eq!(rig.asked(), 2);
    // Tokens of known keys are as good as before.
    assert!(rig.keys().await.is_ok());
    advance(10 * SECOND).await;
    assert!(rig.newer(&known).await.unwrap().is_some());
}
