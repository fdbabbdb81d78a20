//! Whether a call may be made, decided on what its message asks for.
//!
//! Many a request names a release and not its namespace. Where the decision is the same wherever the release is, nothing
//! is asked; where it is not, the relay finds out. A read of one release may instead be judged by the answer, which says
//! where the release is and is shown or not. A change is judged by where the newest revision is, and by every other place
//! that Tiller would touch: it upgrades what counts as deployed, which need not be the newest, and a rollback or a purge
//! writes to the records of all. Nothing that is not found out is taken for allowed.

use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use tiller_api::Method;

use super::call::Call;
use super::error::NotAllowed;
use super::facts::Facts;
use super::filter::{Sight, Values, View};
use super::lookup::Revision;
use super::record::Record;
use super::{Relay, RelayError};
use crate::grants::{Action, Attempt, Decision};

impl Relay {
    /// Decides about `call`, whose message is `message` and asks for `facts`; what of the answer its caller may see.
    ///
    /// # Errors
    ///
    /// When it may not be made, or what it depends on cannot be found out.
    pub(super) async fn authorise(
        &self,
        call: &Call<'_>,
        facts: &Facts,
        message: &Bytes,
        record: &mut Record,
    ) -> Result<Sight, RelayError> {
        let mut case = Case {
            relay: self,
            call,
            facts,
            record,
            chart: None,
            now: Timestamp::now(),
        };
        match call.method {
            // Whoever may anything here may know what is here.
            Method::GetVersion => {
                if !self.policy.sees(&call.principal, &call.place()) {
                    return Err(case.refused(Action::Read, None, String::new()));
                }
                Ok(Sight::Whole)
            }
            Method::ListReleases => case.list(),
            Method::GetHistory | Method::GetReleaseContent => case.read(),
            Method::GetReleaseStatus => case.status().await,
            Method::InstallRelease => {
                case.find_source(message).await;
                case.install().await
            }
            Method::UpdateRelease => {
                case.find_source(message).await;
                case.upgrade().await
            }
            Method::RollbackRelease => case.roll_back().await,
            Method::UninstallRelease => case.uninstall().await,
            Method::RunReleaseTest => {
                case.change(Action::Test, Reach::Newest).await?;
                Ok(Sight::Whole)
            }
        }
    }
}

/// A call that is judged.
struct Case<'c> {
    relay: &'c Relay,
    call: &'c Call<'c>,
    facts: &'c Facts,
    record: &'c mut Record,
    /// Where the chart is from, as grants name it.
    chart: Option<String>,
    now: Timestamp,
}

/// Which of a release's revisions a change has to do with.
#[derive(Clone, Copy, PartialEq)]
enum Reach {
    /// Whichever count as deployed, and the newest.
    All,
    /// The newest and, if that does not count as deployed, whichever do.
    Base,
    /// The newest alone.
    Newest,
}

/// Whether something is allowed wherever the release is.
enum Everywhere {
    Allowed,
    Depends,
}

impl<'c> Case<'c> {
    fn list(&mut self) -> Result<Sight, RelayError> {
        let readable = self.anywhere(Action::Read)?;
        if let (Everywhere::Depends, Some(namespace)) = (&readable, &self.facts.namespace) {
            self.possible(Action::Read, namespace)?;
        }
        Ok(self.sight(matches!(readable, Everywhere::Allowed)))
    }

    /// Where it depends, the answer says where the release is.
    fn read(&mut self) -> Result<Sight, RelayError> {
        let readable = self.anywhere(Action::Read)?;
        Ok(self.sight(matches!(readable, Everywhere::Allowed)))
    }

    /// Asked for a status, Tiller asks the cluster for objects, and its error may name them: so where the release is must
    /// be known before.
    async fn status(&mut self) -> Result<Sight, RelayError> {
        if let Everywhere::Allowed = self.anywhere(Action::Read)? {
            return Ok(self.sight(true));
        }
        let found = self
            .relay
            .revision_lately(self.call, self.release(), self.facts.revision)
            .await?;
        // Of what is not found, Tiller says so.
        if let Some(namespace) = found {
            self.record.found_in(&namespace);
            self.require(Action::Read, &namespace)?;
        }
        Ok(self.sight(false))
    }

    async fn install(&mut self) -> Result<Sight, RelayError> {
        let facts = self.facts;
        let namespace = facts.namespace.as_deref().unwrap_or_default();
        self.require(Action::Install, namespace)?;
        let anywhere = matches!(self.decide(Action::Install, None), Decision::Allowed { .. });
        if let Some(release) = facts.release.as_deref()
            && facts.replaces
            && !anywhere
            && let Some(replaced) = self.relay.revision(self.call, release, 0).await?
            && replaced.namespace != namespace
        {
            self.require(Action::Install, &replaced.namespace)?;
        }
        Ok(self.sight(true))
    }

    async fn upgrade(&mut self) -> Result<Sight, RelayError> {
        self.change(Action::Upgrade, Reach::Base).await?;
        Ok(self.sight(true))
    }

    async fn uninstall(&mut self) -> Result<Sight, RelayError> {
        let reach = if self.facts.purges {
            Reach::All
        } else {
            Reach::Newest
        };
        self.change(Action::Uninstall, reach).await?;
        Ok(self.sight(true))
    }

    /// What is rolled back to comes with its values, and from then on they are those of the newest revision.
    async fn roll_back(&mut self) -> Result<Sight, RelayError> {
        let found = self.change(Action::Rollback, Reach::All).await?;
        let newest = match found {
            Some(newest) => newest,
            None => match self.decide(Action::GetValues, None) {
                Decision::Depends => self.newest().await?,
                Decision::Allowed { .. } | Decision::Refused { .. } => return Ok(self.sight(true)),
            },
        };
        let target = match self.facts.revision {
            0 => newest.number - 1,
            number => number,
        };
        // Below 1 there is none, which Tiller says.
        if target > 0
            && target != newest.number
            && let Some(target) = self
                .relay
                .revision(self.call, self.release(), target)
                .await?
            && target.namespace != newest.namespace
        {
            self.require(Action::Read, &target.namespace)?;
            self.require(Action::GetValues, &target.namespace)?;
        }
        Ok(self.sight(true))
    }

    /// Requires `action` wherever the change reaches; the newest revision, if that had to be found.
    async fn change(
        &mut self,
        action: Action,
        reach: Reach,
    ) -> Result<Option<Revision>, RelayError> {
        if let Everywhere::Allowed = self.anywhere(action)? {
            return Ok(None);
        }
        let newest = self.newest().await?;
        self.require(action, &newest.namespace)?;
        let others = match reach {
            Reach::All => true,
            Reach::Base => !newest.is_deployed,
            Reach::Newest => false,
        };
        if others {
            for namespace in self.relay.deployed(self.call, self.release()).await? {
                self.require(action, &namespace)?;
            }
        }
        Ok(Some(newest))
    }

    async fn newest(&mut self) -> Result<Revision, RelayError> {
        let release = self.release();
        let newest = self.relay.revision(self.call, release, 0).await?;
        let newest = newest.ok_or_else(|| RelayError::ReleaseNotFound(release.to_owned()))?;
        self.record.found_in(&newest.namespace);
        Ok(newest)
    }

    /// Finds out which of the charts that the sandbox was given it sends.
    async fn find_source(&mut self, message: &Bytes) {
        let Some(chart) = &self.facts.chart else {
            return;
        };
        let (call, session) = (self.call, &self.call.caller.session);
        let source = match session.source_of(chart, message).await {
            Some(source) => source,
            None if call.method == Method::UpdateRelease => {
                let (release, field) = (self.release(), chart.field);
                let is_kept = session.kept.has(call, release, field, message).await;
                if is_kept { DEPLOYED } else { UPLOAD }.to_owned()
            }
            None => UPLOAD.to_owned(),
        };
        self.record.source(&source);
        self.chart = Some(source);
    }

    /// Whether `action` is allowed wherever the release is.
    ///
    /// # Errors
    ///
    /// When it is refused wherever the release is.
    fn anywhere(&mut self, action: Action) -> Result<Everywhere, RelayError> {
        match self.decide(action, None) {
            Decision::Allowed { grant } => {
                self.record.allowed_by(grant);
                Ok(Everywhere::Allowed)
            }
            Decision::Depends => Ok(Everywhere::Depends),
            Decision::Refused { refusal, why } => Err(self.refused(action, refusal, why)),
        }
    }

    /// Fails unless `action` is allowed in `namespace`.
    fn require(&mut self, action: Action, namespace: &str) -> Result<(), RelayError> {
        match self.decide(action, Some(namespace)) {
            Decision::Allowed { grant } => {
                self.record.allowed_by(grant);
                Ok(())
            }
            // It depends on a name that Tiller will make up.
            Decision::Depends => Err(self.refused(action, None, String::new())),
            Decision::Refused { refusal, why } => Err(self.refused(action, refusal, why)),
        }
    }

    /// Fails if `action` is refused for every release of `namespace`.
    fn possible(&mut self, action: Action, namespace: &str) -> Result<(), RelayError> {
        match self.decide(action, Some(namespace)) {
            Decision::Allowed { .. } | Decision::Depends => Ok(()),
            Decision::Refused { refusal, why } => Err(self.refused(action, refusal, why)),
        }
    }

    fn decide(&self, action: Action, namespace: Option<&str>) -> Decision<'c> {
        let attempt = Attempt {
            action,
            dry_run: self.facts.dry_run,
            place: Some(self.call.place()),
            namespace,
            release: self.facts.release.as_deref(),
            chart: self.chart.as_deref(),
        };
        self.relay
            .policy
            .decide(&self.call.principal, &attempt, self.now)
    }

    /// What of the answer may be seen, where it is known that the release may be read, or not.
    fn sight(&self, readable: bool) -> Sight {
        let values = match self.decide(Action::GetValues, None) {
            Decision::Allowed { .. } => Values::Shown,
            Decision::Depends => Values::Depends,
            Decision::Refused { .. } => Values::Withheld,
        };
        if readable && values == Values::Shown {
            return Sight::Whole;
        }
        Sight::Judged(Box::new(View {
            policy: Arc::clone(&self.relay.policy),
            principal: Arc::clone(&self.call.principal),
            cluster: Arc::clone(self.call.cluster),
            tiller: self.call.tiller.name().to_owned(),
            readable,
            values,
            cuts_errors: self.cuts_errors(),
            now: self.now,
            refusal: self.refused(Action::Read, None, String::new()),
        }))
    }

    /// Whether an error must be cut before what Tiller puts behind that of a dry run: all manifests.
    fn cuts_errors(&self) -> bool {
        let values = self.decide(Action::GetValues, self.record.namespace());
        self.facts.dry_run && !matches!(values, Decision::Allowed { .. })
    }

    /// Only what the caller said itself is in it, and a refusal's reason.
    fn refused(&self, action: Action, refusal: Option<&str>, why: String) -> RelayError {
        let is_dry = self.facts.dry_run && action.is_mutation();
        let action = if is_dry { Action::DryRun } else { action };
        RelayError::NotAllowed(Box::new(NotAllowed {
            principal: self.call.principal.name.clone(),
            action: action.to_string(),
            release: self.facts.release.clone(),
            namespace: self.facts.namespace.clone(),
            chart: self.chart.clone(),
            cluster: Some(self.call.cluster.name().to_owned()),
            refusal: refusal.map(ToOwned::to_owned),
            reason: refusal.map(|_| why),
        }))
    }

    fn release(&self) -> &str {
        self.facts.release.as_deref().unwrap_or_default()
    }
}

/// The source of a chart that the release has already.
const DEPLOYED: &str = "deployed";

/// The source of a chart that is none of those this edge fetched for the request.
pub(super) const UPLOAD: &str = "upload";
