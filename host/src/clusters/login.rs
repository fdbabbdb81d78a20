//! The edge's own way of being known to an APIServer.
//!
//! A client certificate belongs to a connection and wins over every header on it, so a login has connections of its
//! own: what is sent with a caller's token must never travel on one of these.

use http::header::AUTHORIZATION;
use http::{HeaderMap, Request, Response, StatusCode};
use tokio::time::{Instant, timeout_at};

use bytes::Bytes;
use http_body_util::Full;

use super::connection::{Connection, SendError, Upstream};
use super::credentials::{Credential, Credentials};
use crate::net::IdentitySource;

/// Who a kubeconfig, or a pod, says that the edge is.
#[derive(Debug, Default)]
pub(super) struct User {
    pub(super) credentials: Credentials,
    /// A client certificate.
    pub(super) identity: Option<IdentitySource>,
    /// As whom it acts: the kubeconfig's `as` and what goes with it.
    pub(super) impersonation: HeaderMap,
}

impl User {
    /// Whether an APIServer could not tell it from anybody else.
    pub(super) fn is_anonymous(&self) -> bool {
        matches!(self.credentials, Credentials::Anonymous) && self.identity.is_none()
    }
}

/// A user, and the connections on which it is known.
pub(super) struct Login {
    credentials: Credentials,
    impersonation: HeaderMap,
    connection: Connection,
}

impl Login {
    /// `connection` shows the user's client certificate.
    pub(super) fn new(user: User, connection: Connection) -> Self {
        Self {
            credentials: user.credentials,
            impersonation: user.impersonation,
            connection,
        }
    }

    /// Sends `request` and waits for the head of the answer until `deadline`.
    ///
    /// A 401 comes before the APIServer has done anything with the request, so if there is another credential or client
    /// certificate then, the request is sent once more with it. Nothing else is ever sent twice.
    pub(super) async fn send(
        &self,
        request: &Request<Bytes>,
        deadline: Instant,
    ) -> Result<Response<Upstream>, SendError> {
        let too_late = |_| SendError::Deadline { sent: false };
        let credential = timeout_at(deadline, self.credentials.current())
            .await
            .map_err(too_late)??;
        let response = self.send_with(&credential, request, deadline).await?;
        if !is_refusal(&response) {
            return Ok(response);
        }
        let renewed = timeout_at(deadline, self.renew(credential))
            .await
            .map_err(too_late)??;
        match renewed {
            None => Ok(response),
            Some(renewed) => {
                drop(response);
                self.send_with(&renewed, request, deadline).await
            }
        }
    }

    /// With what to send again after `refused` was, if with anything.
    async fn renew(&self, refused: Credential) -> Result<Option<Credential>, SendError> {
        Ok(match self.credentials.renew(&refused).await? {
            None if self.connection.has_new_certificates().await => Some(refused),
            renewed => renewed,
        })
    }

    async fn send_with(
        &self,
        credential: &Credential,
        request: &Request<Bytes>,
        deadline: Instant,
    ) -> Result<Response<Upstream>, SendError> {
        let mut request = request.clone();
        request.headers_mut().extend(self.impersonation.clone());
        send_with(&self.connection, credential, request, deadline).await
    }
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Login")
            .field("credentials", &self.credentials)
            .finish_non_exhaustive()
    }
}

/// Sends `request` with `credential`, once.
pub(super) async fn send_with(
    connection: &Connection,
    credential: &Credential,
    mut request: Request<Bytes>,
    deadline: Instant,
) -> Result<Response<Upstream>, SendError> {
    if let Some(authorization) = &credential.authorization {
        request
            .headers_mut()
            .insert(AUTHORIZATION, authorization.clone());
    }
    connection
        .send(
            request.map(Full::new),
            credential.identity.as_ref(),
            deadline,
        )
        .await
}

/// Whether the APIServer did not accept the credentials. What has a gRPC status was said further on.
fn is_refusal(response: &Response<Upstream>) -> bool {
    response.status() == StatusCode::UNAUTHORIZED && !response.headers().contains_key("grpc-status")
}
