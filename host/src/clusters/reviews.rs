//! Kubernetes' reviews: who is that, and may they?
//!
//! A review changes nothing and is stored nowhere, although it is a POST. `TokenReview` and `SubjectAccessReview` ask
//! about others with the edge's own credentials; the reviews of oneself ask with whoever's they are.

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::time::Instant;

use super::api::{self, ApiError};
use super::behalf::Behalf;
use super::cluster::{Cluster, Outgoing};
use super::subject::Subject;

const TOKEN_REVIEWS: &str = "/apis/authentication.k8s.io/v1/tokenreviews";
const SELF_SUBJECT_REVIEWS: &str = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
const ACCESS_REVIEWS: &str = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
const SELF_ACCESS_REVIEWS: &str = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";

/// A user as an APIServer knows it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
pub(crate) struct UserInfo {
    #[serde(default)]
    pub(crate) username: String,
    #[serde(default)]
    pub(crate) groups: Vec<String>,
}

/// One thing that somebody may or may not do; what is empty is all of it, or none in particular.
#[derive(Clone, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
pub(crate) struct Attributes {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) namespace: String,
    pub(crate) verb: String,
    pub(crate) group: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) version: String,
    pub(crate) resource: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) subresource: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) name: String,
}

/// An APIServer's decision.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Permission {
    Allowed,
    Denied {
        /// Why, if it says.
        reason: Option<String>,
    },
}

impl Cluster {
    /// Whose `token` is; none if it is nobody's.
    ///
    /// # Errors
    ///
    /// When the edge has no credentials of its own, may not ask, or gets no answer.
    pub(crate) async fn token_review(
        &self,
        token: &SecretString,
        deadline: Instant,
    ) -> Result<Option<UserInfo>, ApiError> {
        #[derive(Deserialize)]
        struct Review {
            status: Status,
        }
        #[derive(Deserialize)]
        struct Status {
            #[serde(default)]
            authenticated: bool,
            user: Option<UserInfo>,
        }

        self.check_is_encrypted()?;
        let review = json!({
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenReview",
            "spec": { "token": token.expose_secret() },
        });
        let Review { status } = self
            .ask_as_edge(&api::post(TOKEN_REVIEWS, &review), deadline)
            .await?;
        // What `error` says is not for anybody: an authenticator may quote what it was given.
        Ok(status
            .user
            .filter(|user| status.authenticated && !user.username.is_empty()))
    }

    /// Who the APIServer says the sender of `authorization` is. Kubernetes answers that since 1.28.
    ///
    /// # Errors
    ///
    /// When the APIServer does not know the sender, has no such review, or gives no answer.
    pub(crate) async fn self_subject_review(
        &self,
        authorization: &SecretString,
        deadline: Instant,
    ) -> Result<UserInfo, ApiError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Status {
            user_info: UserInfo,
        }
        #[derive(Deserialize)]
        struct Review {
            status: Status,
        }

        let review = json!({
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "SelfSubjectReview",
        });
        let asked = api::post(SELF_SUBJECT_REVIEWS, &review);
        let response = self.send_bare(authorization, &asked, deadline).await?;
        let Review { status } = api::read(response, deadline).await?;
        Ok(status.user_info)
    }

    /// Whether the caller may do that, as the APIServer sees the caller in calls.
    ///
    /// # Errors
    ///
    /// When there is no answer.
    pub(crate) async fn may(
        &self,
        behalf: &Behalf<'_>,
        attributes: &Attributes,
        deadline: Instant,
    ) -> Result<Permission, ApiError> {
        let response = self
            .send(behalf, &self_access(attributes), deadline)
            .await?;
        api::read(response, deadline).await.map(Review::permission)
    }

    /// Whether the edge itself may do that.
    ///
    /// # Errors
    ///
    /// When it has no credentials of its own, or there is no answer.
    pub(crate) async fn may_edge(
        &self,
        attributes: &Attributes,
        deadline: Instant,
    ) -> Result<Permission, ApiError> {
        self.ask_as_edge(&self_access(attributes), deadline)
            .await
            .map(Review::permission)
    }

    /// Whether `subject` may do that.
    ///
    /// # Errors
    ///
    /// When the edge has no credentials of its own, may not ask, or gets no answer.
    pub(crate) async fn may_subject(
        &self,
        subject: &Subject,
        attributes: &Attributes,
        deadline: Instant,
    ) -> Result<Permission, ApiError> {
        let review = json!({
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {
                "user": subject.user,
                "groups": subject.groups,
                "resourceAttributes": attributes,
            },
        });
        self.ask_as_edge(&api::post(ACCESS_REVIEWS, &review), deadline)
            .await
            .map(Review::permission)
    }

    /// What the APIServer has at `path`, for a caller.
    ///
    /// # Errors
    ///
    /// When it has nothing there, or there is no answer.
    pub(crate) async fn get<T: serde::de::DeserializeOwned>(
        &self,
        behalf: &Behalf<'_>,
        path: String,
        deadline: Instant,
    ) -> Result<T, ApiError> {
        let response = self.send(behalf, &api::get(path), deadline).await?;
        api::read(response, deadline).await
    }

    async fn ask_as_edge<T: serde::de::DeserializeOwned>(
        &self,
        asked: &Outgoing,
        deadline: Instant,
    ) -> Result<T, ApiError> {
        let response = self
            .send_as_edge(asked, deadline)
            .await
            .ok_or(ApiError::NoLogin)??;
        api::read(response, deadline).await
    }
}

fn self_access(attributes: &Attributes) -> Outgoing {
    let review = json!({
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": { "resourceAttributes": attributes },
    });
    api::post(SELF_ACCESS_REVIEWS, &review)
}

/// An access review that was answered.
#[derive(Deserialize)]
struct Review {
    status: ReviewStatus,
}

#[derive(Deserialize)]
struct ReviewStatus {
    allowed: bool,
    #[serde(default)]
    reason: Option<String>,
    #[serde(default, rename = "evaluationError")]
    evaluation_error: Option<String>,
}

impl Review {
    fn permission(self) -> Permission {
        let Self { status } = self;
        if status.allowed {
            return Permission::Allowed;
        }
        let said = |text: Option<String>| text.filter(|text| !text.is_empty());
        Permission::Denied {
            reason: said(status.reason).or_else(|| said(status.evaluation_error)),
        }
    }
}
