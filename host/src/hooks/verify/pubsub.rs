//! Google's Pub/Sub: a token of Google's, for this subscription's audience and of this subscription's account.
//!
//! It is checked as the tokens of callers are, and makes nobody a caller: what it names is the account that pushes.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Parcel, Refused};
use crate::access::{Oidc, Unauthenticated, bearer};
use crate::config::{ClaimValue, HookConfig, OidcConfig};
use crate::hooks::HooksError;

/// How far Google's clock and this host's may be apart.
const SKEW: Duration = Duration::from_secs(60);

/// Whose tokens are accepted.
#[derive(Debug)]
pub(super) struct Pubsub(Oidc);

impl Pubsub {
    pub(super) fn load(config: &HookConfig) -> Result<Self, HooksError> {
        let email = config.email.clone().unwrap_or_default();
        let provider = OidcConfig {
            issuer: config.issuer().to_owned(),
            audiences: config.audience.iter().cloned().collect(),
            algorithms: vec!["RS256".to_owned(), "ES256".to_owned()],
            // With it comes that the address must be a verified one.
            name_claim: "email".to_owned(),
            groups_claim: "groups".to_owned(),
            prefix: "pubsub:".to_owned(),
            required_claims: BTreeMap::from([("email".to_owned(), ClaimValue::Text(email))]),
            skew: SKEW,
            ca_file: None,
            addresses: Vec::new(),
        };
        let oidc = Oidc::load(&[provider]).map_err(|source| HooksError::Issuer {
            hook: config.name.clone(),
            source,
        })?;
        Ok(Self(oidc))
    }

    pub(super) async fn check(&self, parcel: &Parcel<'_>) -> Result<(), Refused> {
        let authorization = parcel
            .authorization
            .ok_or_else(|| Refused::Absent("authorization".to_owned()))?;
        let token =
            bearer(authorization).ok_or_else(|| Refused::Malformed("authorization".to_owned()))?;
        match self.0.authenticate(token).await {
            Ok(_) => Ok(()),
            Err(error @ Unauthenticated::Unavailable { .. }) => Err(Refused::Unavailable(error)),
            Err(error) => Err(Refused::Token(error)),
        }
    }
}
