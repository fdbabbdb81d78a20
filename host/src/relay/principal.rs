//! Who a caller is at a cluster.
//!
//! Most callers are known before they name a cluster. Of the others nothing is known but a token that some APIServer
//! issued or trusts: it is shown to the APIServer of the cluster they name, which says whose it is. What it says holds
//! for that cluster only, and for seconds only, so that a revoked token is soon one; the token itself is not kept.
//!
//! The question is a `TokenReview` with the edge's own credentials. Where the edge has none, or may not ask that, the
//! caller's token asks for itself, which Kubernetes allows since 1.28.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rest::problem::{Code, Problem};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use tokio::sync::OnceCell;
use tokio::time::{Instant, timeout_at};

use super::{Caller, Relay, RelayError};
use crate::access::{HOOK, Identity, Method, Principal};
use crate::clusters::{ApiError, Behalf, Cluster, CredentialsError, SendError, UserInfo};

/// How long a cluster's word for whose a token is counts.
const KNOWN_FOR: Duration = Duration::from_secs(10);

/// How long its word that a token is nobody's counts.
const UNKNOWN_FOR: Duration = Duration::from_secs(2);

/// How long a cluster may take to say.
const PATIENCE: Duration = Duration::from_secs(5);

/// How many answers are kept.
const KEPT: usize = 4096;

/// The user of those without credentials.
const ANONYMOUS: &str = "system:anonymous";

impl Caller {
    /// What an APIServer may be told of the caller, who is `principal` there.
    pub(crate) fn behalf<'a>(&'a self, principal: &'a Principal) -> Behalf<'a> {
        Behalf {
            principal,
            authorization: self.authorization.as_ref(),
        }
    }
}

/// Who `caller` is at `cluster`.
///
/// # Errors
///
/// When the cluster does not know the caller's token, cannot be asked, or is none of those that may say who callers are.
pub(super) async fn principal(
    relay: &Relay,
    caller: &Caller,
    cluster: &Cluster,
) -> Result<Arc<Principal>, RelayError> {
    if let Identity::Known(principal) = &caller.identity {
        return Ok(Arc::clone(principal));
    }
    let prefix = cluster.identity_prefix().ok_or(IdentityError::Unknown)?;
    let authorization = caller
        .authorization
        .as_ref()
        .ok_or(IdentityError::Unknown)?;
    Ok(relay
        .identities
        .principal(cluster, prefix, authorization)
        .await?)
}

/// What clusters said of tokens lately.
#[derive(Default)]
pub(super) struct Identities {
    answers: Mutex<HashMap<Key, Entry>>,
}

/// A token at a cluster, by hash.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
struct Key([u8; 32]);

struct Entry {
    asked: Instant,
    answer: Arc<OnceCell<Answer>>,
}

struct Answer {
    principal: Option<Arc<Principal>>,
    until: Instant,
}

impl Identities {
    async fn principal(
        &self,
        cluster: &Cluster,
        prefix: &str,
        authorization: &SecretString,
    ) -> Result<Arc<Principal>, IdentityError> {
        let token = bearer(authorization).ok_or(IdentityError::Unknown)?;
        let deadline = Instant::now() + PATIENCE;
        let answer = self.answer(Key::new(cluster.name(), &token));
        // Whoever comes first asks; the others wait for what it hears, and ask themselves if it hears nothing.
        let asked = answer.get_or_try_init(|| async {
            let user = ask(cluster, authorization, &token, deadline).await?;
            let holds = user.as_ref().map_or(UNKNOWN_FOR, |_| KNOWN_FOR);
            Ok(Answer {
                principal: user.and_then(|user| known(user, prefix)).map(Arc::new),
                until: Instant::now() + holds,
            })
        });
        timeout_at(deadline, asked)
            .await
            .map_err(|_| IdentityError::Deadline)??
            .principal
            .clone()
            .ok_or(IdentityError::Unknown)
    }

    /// The place for an answer: an earlier one if it still holds or is being asked for.
    fn answer(&self, key: Key) -> Arc<OnceCell<Answer>> {
        let now = Instant::now();
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = answers.get(&key).filter(|entry| entry.holds(now)) {
            return Arc::clone(&entry.answer);
        }
        if answers.len() >= KEPT {
            make_room(&mut answers, now);
        }
        let answer = Arc::new(OnceCell::new());
        let entry = Entry {
            asked: now,
            answer: Arc::clone(&answer),
        };
        answers.insert(key, entry);
        answer
    }
}

fn make_room(answers: &mut HashMap<Key, Entry>, now: Instant) {
    answers.retain(|_, entry| entry.holds(now));
    if answers.len() < KEPT {
        return;
    }
    let oldest = answers.iter().min_by_key(|(_, entry)| entry.asked);
    if let Some(key) = oldest.map(|(key, _)| *key) {
        answers.remove(&key);
    }
}

impl Key {
    fn new(cluster: &str, token: &SecretString) -> Self {
        let mut hash = Sha256::new();
        hash.update(cluster);
        // No name and no token has it, so that no two pairs are one text.
        hash.update([0]);
        hash.update(token.expose_secret());
        Self(hash.finalize().into())
    }
}

impl Entry {
    fn holds(&self, now: Instant) -> bool {
        match self.answer.get() {
            Some(answer) => now < answer.until,
            None => now.duration_since(self.asked) < PATIENCE,
        }
    }
}

impl fmt::Debug for Identities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identities").finish_non_exhaustive()
    }
}

/// Whose `token` is, in the APIServer's words; none if it is nobody's.
async fn ask(
    cluster: &Cluster,
    authorization: &SecretString,
    token: &SecretString,
    deadline: Instant,
) -> Result<Option<UserInfo>, IdentityError> {
    match cluster.token_review(token, deadline).await {
        Err(ApiError::NoLogin) => (),
        // It may not ask, or is not let in: neither keeps the caller from asking for itself.
        Err(error) if error.is_forbidden() || error.is_unauthorized() => (),
        result => return result.map_err(IdentityError::Unavailable),
    }
    match cluster.self_subject_review(authorization, deadline).await {
        Ok(user) => Ok(Some(user).filter(|user| user.username != ANONYMOUS)),
        Err(error) if error.is_unauthorized() => Ok(None),
        // Who is let in may ask that, unless the APIServer has never heard of it.
        Err(error) if error.is_missing() || error.is_forbidden() => Err(IdentityError::Unasked),
        Err(ApiError::Send(SendError::Credentials(CredentialsError::CallerUnprintable))) => {
            Ok(None)
        }
        Err(error) => Err(IdentityError::Unavailable(error)),
    }
}

/// None of what would be taken for a hook of this edge.
fn known(user: UserInfo, prefix: &str) -> Option<Principal> {
    let mut groups: Vec<String> = user
        .groups
        .into_iter()
        .map(|group| format!("{prefix}{group}"))
        .collect();
    groups.sort_unstable();
    groups.dedup();
    let name = format!("{prefix}{}", user.username);
    (!name.starts_with(HOOK)).then_some(Principal {
        name,
        groups,
        method: Method::Kubernetes,
    })
}

/// The token of an `Authorization: Bearer …`.
fn bearer(authorization: &SecretString) -> Option<SecretString> {
    let (scheme, token) = authorization.expose_secret().split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then(|| SecretString::from(token))
}

/// Why nobody can say who a caller is at a cluster.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The cluster did not say in time.
    #[error("the cluster did not say in time whose this token is")]
    Deadline,
    /// The edge may not ask, and the cluster does not tell callers themselves.
    #[error("this edge may not ask the cluster whose this token is")]
    Unasked,
    /// The cluster cannot be asked.
    #[error("the cluster cannot be asked whose this token is")]
    Unavailable(#[source] ApiError),
    /// The token is nobody's.
    #[error("the cluster does not know this token")]
    Unknown,
}

impl IdentityError {
    /// The problem that it is.
    pub(super) fn problem(&self) -> Problem {
        match self {
            Self::Unknown => Problem::new(Code::Unauthenticated, self.to_string()),
            Self::Unasked => Problem::new(Code::IdentityUnavailable, self.to_string()).with_hint(
                "the operator lets this edge `create` `tokenreviews.authentication.k8s.io`; `tiller-edge check` says how",
            ),
            Self::Deadline | Self::Unavailable(_) => {
                Problem::new(Code::IdentityUnavailable, self.to_string())
            }
        }
    }
}
