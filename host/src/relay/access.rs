//! `GET /access`: who a caller is, what it may do, and why it may or may not do one thing.
//!
//! A caller hears of rules that are for itself, and of clusters where it has any: one where it has none is not there.
//! Nothing is looked up in a cluster but who the caller is there, so what depends on where a release is stays open unless
//! the question says it.

use std::sync::Arc;

use http::Response;
use jiff::Timestamp;
use rest::problem::{Code, Problem};
use rest::query;
use rest::relay::DEFAULT_TILLER;
use serde::Serialize;

use super::{Body, Caller, Relay, RelayError, json, principal};
use crate::access::{Identity, Principal};
use crate::clusters::Cluster;
use crate::grants::{self, Action, Attempt, Explanation, Place};

/// The answer.
#[derive(Serialize)]
struct Standing<'a> {
    #[serde(flatten)]
    principal: &'a Principal,
    #[serde(flatten)]
    access: grants::Access,
    #[serde(skip_serializing_if = "Option::is_none")]
    explanation: Option<Explanation>,
}

impl Relay {
    pub(super) async fn access(&self, caller: &Caller, query: Option<&str>) -> Response<Body> {
        match self.standing(caller, query).await {
            Ok(response) => response,
            Err(problem) => self.problem(caller, &problem),
        }
    }

    async fn standing(
        &self,
        caller: &Caller,
        query: Option<&str>,
    ) -> Result<Response<Body>, Problem> {
        let question = Question::parse(query)?;
        let (principal, cluster) = match &question.cluster {
            Some(name) => {
                let seen = self.seen(caller, name).await;
                let (principal, cluster) = seen.map_err(|error| error.problem(None))?;
                (principal, Some(cluster))
            }
            None => (anywhere(&caller.identity)?, None),
        };
        let place = match &cluster {
            Some(cluster) => {
                let tiller = question.tiller.as_deref();
                Some(self.place(&principal, cluster, tiller)?)
            }
            None => None,
        };
        let now = Timestamp::now();
        let explanation = question.action.map(|action| {
            let attempt = Attempt {
                action,
                dry_run: question.dry_run,
                place,
                namespace: question.namespace.as_deref(),
                release: question.release.as_deref(),
                chart: question.chart.as_deref(),
            };
            self.policy.explain(&principal, &attempt, now)
        });
        Ok(json(&Standing {
            principal: &principal,
            access: self.policy.of(&principal, now),
            explanation,
        }))
    }

    /// The cluster of that name and who the caller is there, if it is anybody who has a grant there.
    pub(super) async fn seen(
        &self,
        caller: &Caller,
        name: &str,
    ) -> Result<(Arc<Principal>, Arc<Cluster>), RelayError> {
        let cluster = self.cluster(caller, name)?;
        let principal = principal::principal(self, caller, &cluster).await?;
        if !self.policy.sees(&principal, &cluster.place(None)) {
            return Err(RelayError::ClusterHidden(name.to_owned()));
        }
        Ok((principal, cluster))
    }

    /// The tiller of that name, if the caller has a grant there.
    fn place<'a>(
        &self,
        principal: &Principal,
        cluster: &'a Cluster,
        tiller: Option<&str>,
    ) -> Result<Place<'a>, Problem> {
        let place = cluster
            .tiller(tiller)
            .map(|found| cluster.place(Some(found.name())))
            .filter(|place| self.policy.sees(principal, place));
        place.ok_or_else(|| {
            let error = RelayError::TillerNotFound {
                cluster: cluster.name().to_owned(),
                tiller: tiller.unwrap_or(DEFAULT_TILLER).to_owned(),
            };
            error.problem(None).with_cluster(cluster.name())
        })
    }
}

/// Who a caller is wherever it is.
pub(super) fn anywhere(identity: &Identity) -> Result<Arc<Principal>, Problem> {
    match identity {
        Identity::Known(principal) => Ok(Arc::clone(principal)),
        Identity::PerCluster => Err(Problem::new(
            Code::InvalidRequest,
            "each cluster says for itself who the sender of such a token is",
        )
        .with_hint("name a cluster with `cluster=`")),
    }
}

/// What is asked.
#[derive(Debug)]
struct Question {
    action: Option<Action>,
    dry_run: bool,
    cluster: Option<String>,
    tiller: Option<String>,
    namespace: Option<String>,
    release: Option<String>,
    chart: Option<String>,
}

impl Question {
    fn parse(query: Option<&str>) -> Result<Self, Problem> {
        let mut fields = query::parse(query, &[])?;
        let actions: Vec<_> = Action::ALL
            .iter()
            .map(|action| (action.as_str(), *action))
            .collect();
        let question = Self {
            action: fields.word("action", &actions)?,
            dry_run: fields.flag("dry_run")?,
            cluster: fields.string("cluster")?,
            tiller: fields.string("tiller")?,
            namespace: fields.string("namespace")?,
            release: fields.string("release")?,
            chart: fields.string("chart")?,
        };
        fields.finish()?;
        question.check()?;
        Ok(question)
    }

    /// Refuses what would be answered for something else than was meant.
    fn check(&self) -> Result<(), Problem> {
        let needs = |what: &str, other: &str| {
            let detail = format!("parameter `{what}` says nothing without `{other}`");
            Err(Problem::new(Code::InvalidRequest, detail))
        };
        let Some(action) = self.action else {
            let of_an_action = [
                ("dry_run", self.dry_run),
                ("tiller", self.tiller.is_some()),
                ("namespace", self.namespace.is_some()),
                ("release", self.release.is_some()),
                ("chart", self.chart.is_some()),
            ];
            return match of_an_action.iter().find(|(_, given)| *given) {
                Some((name, _)) => needs(name, "action"),
                None => Ok(()),
            };
        };
        if self.cluster.is_none() && action != Action::ReadCharts {
            let detail = format!("whether somebody may {action} depends on the cluster");
            return Err(
                Problem::new(Code::InvalidRequest, detail).with_hint("name one with `cluster=`")
            );
        }
        if self.tiller.is_some() && self.cluster.is_none() {
            return needs("tiller", "cluster");
        }
        let rehearsable = [Action::Install, Action::Rollback, Action::Upgrade];
        if self.dry_run && !rehearsable.contains(&action) {
            let detail = format!("Tiller has no dry run of {action}");
            return Err(Problem::new(Code::InvalidRequest, detail));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_read_whole_or_refused() {
        let question = Question::parse(Some(
            "action=upgrade&cluster=prod&tiller=blue&namespace=shop&release=web&chart=stable%2Fweb&dry_run=true",
        ))
        .expect("a question");
        assert_eq!(question.action, Some(Action::Upgrade));
        assert!(question.dry_run);
        assert_eq!(question.chart.as_deref(), Some("stable/web"));
        assert!(Question::parse(None).expect("a question").action.is_none());
        for (query, complaint) in [
            ("action=upgrad&cluster=c", "did you mean `upgrade`?"),
            ("actoin=read", "actoin"),
            ("action=read", "depends on the cluster"),
            (
                "cluster=c&release=web",
                "`release` says nothing without `action`",
            ),
            (
                "action=read-charts&tiller=t",
                "`tiller` says nothing without `cluster`",
            ),
            ("action=test&cluster=c&dry_run=true", "no dry run of test"),
            ("action=read&action=test&cluster=c", "action"),
            ("principal=bob", "principal"),
        ] {
            let problem = Question::parse(Some(query)).expect_err("no question");
            assert_eq!(problem.code, Code::InvalidRequest, "{query}");
            assert!(problem.detail.contains(complaint), "{query}: {problem}");
        }
    }
}
