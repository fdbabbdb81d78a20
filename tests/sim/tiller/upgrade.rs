//! UpdateRelease, and what `force` makes of it.

use tiller_api::{
    Method,
    hapi::{
        release::{Info, Release, Status, hook::Event, status::Code},
        services::tiller::{InstallReleaseRequest, UpdateReleaseRequest, UpdateReleaseResponse},
    },
};

use super::{
    Point, Tiller,
    apply::Update,
    clock,
    dispatch::Fault,
    install::{code, described, set, set_code, shown},
    name,
    objects::Objects,
    render::{Subject, render},
    values,
};

impl Tiller {
    pub(super) async fn upgrade(
        &self,
        mut request: UpdateReleaseRequest,
    ) -> Result<UpdateReleaseResponse, Fault> {
        name::validate(&request.name)?;
        let release = match self.prepare_upgrade(&mut request) {
            Ok((current, release)) => self.perform_upgrade(current, release, &request).await?,
            Err(Fault::Refused(_)) if request.force => self.force(&request).await?,
            Err(fault) => return Err(fault),
        };
        Ok(UpdateReleaseResponse {
            release: Some(release),
        })
    }

    /// The deployed revision and the one to follow it.
    fn prepare_upgrade(
        &self,
        request: &mut UpdateReleaseRequest,
    ) -> Result<(Release, Release), Fault> {
        if request.chart.is_none() {
            return Err("no chart provided".into());
        }
        let current = self.state().store.deployed(&request.name)?;
        values::carry_over(request, &current)?;
        let last = self.state().store.last(&request.name)?;
        if let Code::PendingInstall | Code::PendingRollback | Code::PendingUpgrade = code(&last) {
            return Err("another operation (install/upgrade/rollback) is in progress".into());
        }
        let now = clock::now();
        let subject = Subject {
            name: &request.name,
            namespace: &current.namespace,
            revision: last.version + 1,
            is_install: false,
        };
        let chart = request.chart.clone().unwrap_or_default();
        let config = request.values.as_ref();
        let rendered = render(&chart, config, &subject, request.sub_notes, &self.0.options)
            .map_err(|failed| failed.fault)?;
        let release = Release {
            name: request.name.clone(),
            namespace: current.namespace.clone(),
            chart: Some(chart),
            config: request.values.clone(),
            info: Some(Info {
                first_deployed: current.info.as_ref().and_then(|info| info.first_deployed),
                last_deployed: Some(now),
                deleted: None,
                status: Some(Status {
                    code: Code::PendingUpgrade.into(),
                    notes: rendered.notes,
                    ..Status::default()
                }),
                description: "Preparing upgrade".to_owned(),
            }),
            manifest: rendered.manifest,
            hooks: rendered.hooks,
            version: last.version + 1,
        };
        Objects::build(&release.namespace, &release.manifest)?;
        Ok((current, release))
    }

    async fn perform_upgrade(
        &self,
        mut current: Release,
        mut release: Release,
        request: &UpdateReleaseRequest,
    ) -> Result<Release, Fault> {
        if request.dry_run {
            set(
                &mut release,
                Code::PendingUpgrade,
                "Dry run complete".to_owned(),
            );
            return Ok(release);
        }
        self.state().store.create(&release)?;
        self.0
            .holds
            .pass(Method::UpdateRelease, Point::Underway)
            .await;
        let hooks = !request.disable_hooks;
        if hooks {
            self.run_hooks(&mut release, Event::PreUpgrade, request.timeout)
                .await?;
        }
        let (old, new) = (&current.manifest, &release.manifest);
        let updated = self
            .update_objects(&release.namespace, old, new, options(request))
            .await;
        if let Err(error) = updated {
            let description = format!("Upgrade {:?} failed: {error}", release.name);
            self.fail(&mut release, description);
            return Err(error.into());
        }
        if hooks {
            self.run_hooks(&mut release, Event::PostUpgrade, request.timeout)
                .await?;
        }
        set_code(&mut current, Code::Superseded);
        self.record(&current, true);
        set(
            &mut release,
            Code::Deployed,
            described(&request.description, "Upgrade complete"),
        );
        self.state().store.update(&release)?;
        Ok(release)
    }

    /// Deletes and installs anew, for whatever reason the upgrade could not be prepared.
    async fn force(&self, request: &UpdateReleaseRequest) -> Result<Release, Fault> {
        let mut old = self.state().store.last(&request.name)?;
        let install = InstallReleaseRequest {
            chart: request.chart.clone(),
            values: request.values.clone(),
            dry_run: request.dry_run,
            name: request.name.clone(),
            namespace: old.namespace.clone(),
            reuse_name: true,
            ..InstallReleaseRequest::default()
        };
        let prepared = self.prepare(&install);
        let mut release = prepared.map_err(|failed| shown(failed, request.dry_run))?;
        release.version = old.version + 1;
        if request.dry_run {
            set(
                &mut release,
                Code::PendingInstall,
                "Dry run complete".to_owned(),
            );
            return Ok(release);
        }

        let timeout = request.timeout;
        let hooks = !request.disable_hooks;
        set(
            &mut old,
            Code::Deleting,
            "Deletion in progress (or silently failed)".to_owned(),
        );
        old.info.get_or_insert_default().deleted = Some(clock::now());
        self.record(&old, true);
        if hooks {
            self.run_hooks(&mut old, Event::PreDelete, timeout).await?;
        }
        let (_, errors) = self.delete_objects(&old);
        set(&mut old, Code::Deleted, "Deletion complete".to_owned());
        self.record(&old, true);
        if !errors.is_empty() {
            return Err(Fault::Refused(format!(
                "Upgrade --force successfully deleted the previous release, but encountered {} \
                 error(s) and cannot continue: {}",
                errors.len(),
                errors.join("; ")
            )));
        }
        if hooks {
            self.run_hooks(&mut old, Event::PostDelete, timeout).await?;
            self.run_hooks(&mut release, Event::PreInstall, timeout)
                .await?;
        }

        self.record(&release, false);
        self.0
            .holds
            .pass(Method::UpdateRelease, Point::Underway)
            .await;
        let (from, to) = (&old.manifest, &release.manifest);
        let updated = self
            .update_objects(&release.namespace, from, to, options(request))
            .await;
        if let Err(error) = updated {
            let description = format!("Upgrade {:?} failed: {error}", release.name);
            self.fail(&mut release, description);
            return Err(error.into());
        }
        if hooks
            && let Err(error) = self
                .run_hooks(&mut release, Event::PostInstall, timeout)
                .await
        {
            let description = format!("Release {:?} failed post-install: {error}", release.name);
            self.fail(&mut release, description);
            return Err(error.into());
        }
        set(
            &mut release,
            Code::Deployed,
            described(&request.description, "Upgrade complete"),
        );
        self.record(&release, true);
        Ok(release)
    }
}

fn options(request: &UpdateReleaseRequest) -> Update {
    Update {
        cleanup_on_fail: request.cleanup_on_fail,
        timeout: request.timeout,
        wait: request.wait,
    }
}
