//! What a token says, held against what is wanted of it.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::TokenError;
use crate::access::HOOK;

/// The longest name of a user or group, in bytes, without the prefix.
pub(crate) const MAX_NAME: usize = 256;

/// More groups than this fill a token anyway.
pub(crate) const MAX_GROUPS: usize = 500;

/// What names of Kubernetes' own begin with.
const RESERVED: &str = "system:";

/// What is wanted of one provider's tokens.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    /// The provider.
    pub(crate) issuer: String,
    /// The audiences of which a token must have one.
    pub(crate) audiences: Vec<String>,
    /// Where the name is.
    pub(crate) name: String,
    /// Where the groups are.
    pub(crate) groups: String,
    /// Goes before names and groups.
    pub(crate) prefix: String,
    /// How far clocks may be apart, in seconds.
    pub(crate) skew: i64,
    /// What else a token must have.
    pub(crate) required: Vec<(String, Value)>,
}

/// Whom a token stands for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Subject {
    /// The name, with the prefix.
    pub(crate) name: String,
    /// The groups, with the prefix, sorted.
    pub(crate) groups: Vec<String>,
    /// When the token expires, in seconds since 1970.
    pub(crate) expires: i64,
}

/// The claims of a token whose signature is good.
#[derive(Debug)]
pub(crate) struct Claims<'t>(&'t Map<String, Value>);

impl<'t> Claims<'t> {
    /// `claims`, which the provider has signed.
    pub(super) const fn of_verified(claims: &'t Map<String, Value>) -> Self {
        Self(claims)
    }

    /// Whom they stand for under `rules`; `now` is in seconds since 1970.
    pub(crate) fn subject(&self, rules: &Rules, now: i64) -> Result<Subject, TokenError> {
        if self.0.get("iss").and_then(Value::as_str) != Some(&rules.issuer) {
            return Err(TokenError::Issuer);
        }
        // Security event tokens (RFC 8417), to which logout tokens belong, are signed with the same keys and are for
        // the same audiences.
        if self.0.contains_key("events") {
            return Err(TokenError::Purpose);
        }
        if !self.is_for(&rules.audiences) {
            return Err(TokenError::Audience);
        }
        let expires = self.lifetime(rules.skew, now)?;
        for (name, wanted) in &rules.required {
            if !self.find(name).is_some_and(|claim| holds(claim, wanted)) {
                return Err(TokenError::ClaimRequired(name.clone()));
            }
        }
        Ok(Subject {
            name: self.name(rules)?,
            groups: self.groups(rules)?,
            expires,
        })
    }

    fn is_for(&self, audiences: &[String]) -> bool {
        let is_wanted = |audience: &str| audiences.iter().any(|wanted| wanted == audience);
        match self.0.get("aud") {
            Some(Value::String(audience)) => is_wanted(audience),
            Some(Value::Array(list)) => {
                list.iter().all(Value::is_string)
                    && list.iter().filter_map(Value::as_str).any(is_wanted)
            }
            _ => false,
        }
    }

    fn lifetime(&self, skew: i64, now: i64) -> Result<i64, TokenError> {
        let expires = self
            .time("exp")?
            .ok_or_else(|| TokenError::Claim("exp".to_owned()))?;
        if now >= expires.saturating_add(skew) {
            return Err(TokenError::Expired { at: expires });
        }
        for start in ["nbf", "iat"] {
            if self
                .time(start)?
                .is_some_and(|start| now.saturating_add(skew) < start)
            {
                return Err(TokenError::NotYet);
            }
        }
        Ok(expires)
    }

    /// A point in time, in whole seconds (RFC 7519 §2, NumericDate).
    fn time(&self, name: &str) -> Result<Option<i64>, TokenError> {
        let Some(claim) = self.0.get(name) else {
            return Ok(None);
        };
        let seconds = claim.as_i64().or_else(|| {
            let seconds = claim.as_f64()?.floor();
            // Beyond, a float does not hold every second.
            (seconds.abs() < 9e15).then_some(seconds as i64)
        });
        match seconds {
            Some(seconds) => Ok(Some(seconds)),
            None => Err(TokenError::Claim(name.to_owned())),
        }
    }

    fn name(&self, rules: &Rules) -> Result<String, TokenError> {
        let name = self
            .find(&rules.name)
            .and_then(Value::as_str)
            .filter(|name| is_name(name))
            .ok_or_else(|| TokenError::Claim(rules.name.clone()))?;
        // Some providers let users write any address down.
        if rules.name.trim_start_matches('/') == "email"
            && self.0.get("email_verified") != Some(&Value::Bool(true))
        {
            return Err(TokenError::EmailUnverified);
        }
        let name = format!("{}{name}", rules.prefix);
        if name.starts_with(RESERVED) || name.starts_with(HOOK) {
            return Err(TokenError::Reserved);
        }
        Ok(name)
    }

    fn groups(&self, rules: &Rules) -> Result<Vec<String>, TokenError> {
        let unusable = || TokenError::Claim(rules.groups.clone());
        let found = match self.find(&rules.groups) {
            None | Some(Value::Null) => return Ok(Vec::new()),
            Some(Value::String(group)) => vec![group.as_str()],
            Some(Value::Array(list)) if list.len() > MAX_GROUPS => {
                return Err(TokenError::TooManyGroups { limit: MAX_GROUPS });
            }
            Some(Value::Array(list)) => list
                .iter()
                .map(Value::as_str)
                .collect::<Option<_>>()
                .ok_or_else(unusable)?,
            Some(_) => return Err(unusable()),
        };
        // One that is left out could be one that a refusal is for.
        if !found.iter().all(|group| is_name(group)) {
            return Err(unusable());
        }
        let groups: BTreeSet<String> = found
            .into_iter()
            .map(|group| format!("{}{group}", rules.prefix))
            .filter(|group| !group.starts_with(RESERVED))
            .collect();
        Ok(groups.into_iter().collect())
    }

    /// The claim that is called so; with a `/` in front, the one that the JSON pointer leads to.
    fn find(&self, name: &str) -> Option<&Value> {
        let Some(path) = name.strip_prefix('/') else {
            return self.0.get(name);
        };
        let (first, rest) = match path.split_once('/') {
            Some((first, rest)) => (first, format!("/{rest}")),
            None => (path, String::new()),
        };
        let first = first.replace("~1", "/").replace("~0", "~");
        self.0.get(&first)?.pointer(&rest)
    }
}

/// Whether a claim is what is wanted, or a list that has it.
fn holds(claim: &Value, wanted: &Value) -> bool {
    claim == wanted
        || claim
            .as_array()
            .is_some_and(|list| list.iter().any(|item| item == wanted))
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= MAX_NAME && !name.chars().any(char::is_control)
}
