//! Asking one registry, with the token it wants.

use http::StatusCode;
use tokio::time::Instant;
use url::Url;

use super::OciError;
use super::challenge::Challenge;
use super::token::Tokens;
use crate::net::address::Origin;
use crate::net::fetch::{Authorization, Fetched, Fetcher, Get};

/// The ways to a registry, and the tokens it has been shown.
pub(super) struct Session {
    fetcher: Fetcher,
    /// Its root.
    root: Url,
    tokens: Tokens,
}

/// One question to the registry.
pub(super) struct Question<'q> {
    /// What it is, for errors.
    pub(super) what: &'static str,
    pub(super) path: String,
    pub(super) query: Option<&'q str>,
    /// The value of `Accept`; empty: none.
    pub(super) accept: &'static str,
    /// The value of `If-None-Match`; an answer that says so is one then.
    pub(super) unless: Option<&'q str>,
    /// What a token for it is to allow.
    pub(super) scope: &'q str,
    /// The largest answer, in bytes.
    pub(super) limit: usize,
    pub(super) deadline: Instant,
}

impl Session {
    /// `root` is where the registry is, without a path.
    pub(super) fn new(fetcher: Fetcher, root: Url) -> Self {
        Self {
            fetcher,
            root,
            tokens: Tokens::default(),
        }
    }

    /// Asks with a token if there is one, with the configured credential if not, and with a new token if neither will do.
    pub(super) async fn ask(&self, question: Question<'_>) -> Result<Fetched, OciError> {
        let (what, scope) = (question.what, question.scope);
        let held = self.tokens.held(scope);
        let mut fetched = match &held {
            Some(token) => self.fetch(&question, Authorization::Bearer(token)).await?,
            None => self.fetch(&question, Authorization::Own).await?,
        };
        if let Some(challenge) = self.challenge(&fetched) {
            self.tokens.forget(scope);
            let token = self
                .tokens
                .fetch(
                    &self.fetcher,
                    &self.root,
                    &challenge,
                    scope,
                    question.deadline,
                )
                .await?;
            fetched = self.fetch(&question, Authorization::Bearer(&token)).await?;
        }
        match fetched.status {
            StatusCode::OK => Ok(fetched),
            StatusCode::NOT_MODIFIED if question.unless.is_some() => Ok(fetched),
            StatusCode::NOT_FOUND => Err(OciError::NotFound),
            status @ (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => {
                self.tokens.forget(scope);
                Err(OciError::Denied { what, status })
            }
            status => Err(OciError::Status { what, status }),
        }
    }

    async fn fetch(
        &self,
        question: &Question<'_>,
        authorization: Authorization<'_>,
    ) -> Result<Fetched, OciError> {
        let mut url = self.root.clone();
        url.set_path(&question.path);
        url.set_query(question.query);
        self.fetcher
            .get(Get {
                url,
                accept: question.accept,
                authorization,
                if_none_match: question.unless,
                if_modified_since: None,
                limit: question.limit,
                deadline: question.deadline,
            })
            .await
            .map_err(|source| OciError::Fetch {
                what: question.what,
                source,
            })
    }

    /// The token service that the registry wants a token of. Where it has redirected to has no say in that.
    fn challenge(&self, fetched: &Fetched) -> Option<Challenge> {
        let own = Origin::of(&fetched.url) == Origin::of(&self.root);
        let wants = own && fetched.status == StatusCode::UNAUTHORIZED;
        wants.then(|| Challenge::of(&fetched.headers)).flatten()
    }
}
