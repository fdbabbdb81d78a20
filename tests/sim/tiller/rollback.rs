//! RollbackRelease.

use tiller_api::{
    Method,
    hapi::{
        release::{Info, Release, Status, hook::Event, status::Code},
        services::tiller::{RollbackReleaseRequest, RollbackReleaseResponse},
    },
};

use super::{
    Point, Tiller,
    apply::Update,
    clock,
    dispatch::Fault,
    install::{described, set_code},
    name,
};

impl Tiller {
    pub(super) async fn rollback(
        &self,
        request: RollbackReleaseRequest,
    ) -> Result<RollbackReleaseResponse, Fault> {
        let (current, mut release) = self.prepare_rollback(&request)?;
        if !request.dry_run {
            self.state().store.create(&release)?;
            self.0
                .holds
                .pass(Method::RollbackRelease, Point::Underway)
                .await;
            self.perform_rollback(current, &mut release, &request)
                .await?;
        }
        Ok(RollbackReleaseResponse {
            release: Some(release),
        })
    }

    /// The newest revision, and a new one like the one to go back to. Nothing is rendered again.
    fn prepare_rollback(
        &self,
        request: &RollbackReleaseRequest,
    ) -> Result<(Release, Release), Fault> {
        name::validate(&request.name)?;
        if request.version < 0 {
            return Err("invalid release revision".into());
        }
        let state = self.state();
        let current = state.store.last(&request.name)?;
        let wanted = match request.version {
            0 => current.version - 1,
            version => version,
        };
        let target = state.store.get(&request.name, wanted)?;
        let notes = target
            .info
            .and_then(|info| info.status)
            .map(|status| status.notes);
        let release = Release {
            name: request.name.clone(),
            namespace: current.namespace.clone(),
            chart: target.chart,
            config: target.config,
            info: Some(Info {
                first_deployed: current.info.as_ref().and_then(|info| info.first_deployed),
                last_deployed: Some(clock::now()),
                deleted: None,
                status: Some(Status {
                    code: Code::PendingRollback.into(),
                    notes: notes.unwrap_or_default(),
                    ..Status::default()
                }),
                description: described(&request.description, &format!("Rollback to {wanted}")),
            }),
            manifest: target.manifest,
            hooks: target.hooks,
            version: current.version + 1,
        };
        Ok((current, release))
    }

    async fn perform_rollback(
        &self,
        mut current: Release,
        release: &mut Release,
        request: &RollbackReleaseRequest,
    ) -> Result<(), Fault> {
        if !request.disable_hooks {
            self.run_hooks(release, Event::PreRollback, request.timeout)
                .await?;
        }
        let options = Update {
            cleanup_on_fail: request.cleanup_on_fail,
            timeout: request.timeout,
            wait: request.wait,
        };
        let (from, to) = (&current.manifest, &release.manifest);
        let updated = self
            .update_objects(&release.namespace, from, to, options)
            .await;
        if let Err(error) = updated {
            set_code(&mut current, Code::Superseded);
            self.record(&current, true);
            let description = format!("Rollback {:?} failed: {error}", release.name);
            self.fail(release, description);
            return Err(error.into());
        }
        if !request.disable_hooks {
            self.run_hooks(release, Event::PostRollback, request.timeout)
                .await?;
        }
        set_code(&mut current, Code::Superseded);
        self.record(&current, true);
        let deployed = self.state().store.all_deployed(&release.name)?;
        for mut revision in deployed {
            set_code(&mut revision, Code::Superseded);
            self.record(&revision, true);
        }
        set_code(release, Code::Deployed);
        self.state().store.update(release)?;
        Ok(())
    }
}
