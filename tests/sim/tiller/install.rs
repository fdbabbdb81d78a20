//! InstallRelease.

use tiller_api::{
    Method,
    hapi::{
        release::{Hook, Info, Release, Status, hook::Event, status::Code},
        services::tiller::{InstallReleaseRequest, InstallReleaseResponse},
    },
};

use super::{
    Point, Tiller,
    apply::Update,
    clock,
    dispatch::Fault,
    name,
    objects::Objects,
    render::{Failed, Subject, render},
};

impl Tiller {
    pub(super) async fn install(
        &self,
        request: InstallReleaseRequest,
    ) -> Result<InstallReleaseResponse, Fault> {
        let release = self
            .prepare(&request)
            .map_err(|failed| shown(failed, request.dry_run))?;
        let release = self.perform(release, &request).await?;
        Ok(InstallReleaseResponse {
            release: Some(release),
        })
    }

    /// The release as it would be installed, at revision 1.
    pub(super) fn prepare(&self, request: &InstallReleaseRequest) -> Result<Release, Failed> {
        let Some(chart) = &request.chart else {
            return Err(Fault::from("no chart provided").into());
        };
        let name = self.unique_name(&request.name, request.reuse_name)?;
        let now = clock::now();
        let subject = Subject {
            name: &name,
            namespace: &request.namespace,
            revision: 1,
            is_install: true,
        };
        let rendered = render(
            chart,
            request.values.as_ref(),
            &subject,
            request.sub_notes,
            &self.0.options,
        )?;
        Ok(Release {
            name: name.clone(),
            namespace: request.namespace.clone(),
            chart: request.chart.clone(),
            config: request.values.clone(),
            info: Some(Info {
                first_deployed: Some(now),
                last_deployed: Some(now),
                deleted: None,
                status: Some(Status {
                    code: Code::PendingInstall.into(),
                    notes: rendered.notes,
                    ..Status::default()
                }),
                description: "Initial install underway".to_owned(),
            }),
            manifest: rendered.manifest,
            hooks: rendered.hooks,
            version: 1,
        })
    }

    fn unique_name(&self, wanted: &str, reuse: bool) -> Result<String, Fault> {
        if wanted.is_empty() {
            for _ in 0..5 {
                let name = name::generate();
                if self.state().store.get(&name, 1).is_err() {
                    return Ok(name);
                }
            }
            return Err("no available release name found".into());
        }
        if wanted.len() > name::MAX_NAME {
            let max = name::MAX_NAME;
            return Err(format!("release name {wanted:?} exceeds max length of {max}").into());
        }
        let Ok(last) = self.state().store.last(wanted) else {
            return Ok(wanted.to_owned());
        };
        match (reuse, code(&last)) {
            (true, Code::Deleted | Code::Failed) => Ok(wanted.to_owned()),
            (true, _) => Err(format!(
                "a release named {wanted} is in use, cannot re-use a name that is still in use"
            )
            .into()),
            (false, _) => Err(format!(
                "a release named {wanted} already exists.\nRun: helm ls --all {wanted}; to check the \
                 status of the release\nOr run: helm del --purge {wanted}; to delete it"
            )
            .into()),
        }
    }

    async fn perform(
        &self,
        mut release: Release,
        request: &InstallReleaseRequest,
    ) -> Result<Release, Fault> {
        if request.dry_run {
            return dry_run(release, request);
        }
        let timeout = request.timeout;
        if !request.disable_hooks && !request.disable_crd_hook {
            self.run_hooks(&mut release, Event::CrdInstall, timeout)
                .await?;
        }
        Objects::build(&request.namespace, &release.manifest)
            .map_err(|error| format!("validation failed: {error}"))?;
        if !request.disable_hooks {
            self.run_hooks(&mut release, Event::PreInstall, timeout)
                .await?;
        }

        let last = self
            .state()
            .store
            .last(&request.name)
            .ok()
            .filter(|_| request.reuse_name);
        match last {
            Some(last) => self.replace(last, &mut release, request).await?,
            None => {
                self.record(&release, false);
                self.0
                    .holds
                    .pass(Method::InstallRelease, Point::Underway)
                    .await;
                let Release {
                    namespace,
                    manifest,
                    ..
                } = &release;
                let created = self
                    .create_objects(namespace, manifest, timeout, request.wait)
                    .await;
                if let Err(error) = created {
                    let name = &release.name;
                    let description = format!("Release {name:?} failed: {error}");
                    let text = format!("release {name} failed: {error}");
                    self.fail(&mut release, description);
                    return Err(text.into());
                }
            }
        }

        if !request.disable_hooks {
            let hooks = self
                .run_hooks(&mut release, Event::PostInstall, timeout)
                .await;
            if let Err(error) = hooks {
                let description =
                    format!("Release {:?} failed post-install: {error}", release.name);
                self.fail(&mut release, description);
                return Err(error.into());
            }
        }
        set(
            &mut release,
            Code::Deployed,
            described(&request.description, "Install complete"),
        );
        self.record(&release, true);
        Ok(release)
    }

    /// Installs over a deleted or failed release, as its next revision.
    async fn replace(
        &self,
        mut last: Release,
        release: &mut Release,
        request: &InstallReleaseRequest,
    ) -> Result<(), Fault> {
        set_code(&mut last, Code::Superseded);
        self.record(&last, true);
        release.version = last.version + 1;
        self.record(release, false);
        self.0
            .holds
            .pass(Method::InstallRelease, Point::Underway)
            .await;
        let options = Update {
            timeout: request.timeout,
            wait: request.wait,
            ..Update::default()
        };
        let (old, new) = (&last.manifest, &release.manifest);
        let updated = self
            .update_objects(&release.namespace, old, new, options)
            .await;
        updated.map_err(|error| {
            let description = format!("Release replace {:?} failed: {error}", release.name);
            self.fail(release, description);
            error.into()
        })
    }

    /// Stores a record. What goes wrong Tiller only logs: an install whose record does not fit
    /// succeeds and is gone.
    pub(super) fn record(&self, release: &Release, update: bool) {
        let store = &mut self.state().store;
        let stored = if update {
            store.update(release)
        } else {
            store.create(release)
        };
        if let Err(error) = stored {
            tracing::debug!(release.name, error, "a release was not recorded");
        }
    }

    pub(super) fn fail(&self, release: &mut Release, description: String) {
        set(release, Code::Failed, description);
        self.record(release, true);
    }
}

fn dry_run(mut release: Release, request: &InstallReleaseRequest) -> Result<Release, Fault> {
    let is_crd = |hook: &Hook| hook.events.contains(&Event::CrdInstall.into());
    let description = if !request.disable_crd_hook && release.hooks.iter().any(is_crd) {
        "Validation skipped because CRDs are not installed"
    } else {
        Objects::build(&request.namespace, &release.manifest)?;
        "Dry run complete"
    };
    set(&mut release, Code::PendingInstall, description.to_owned());
    Ok(release)
}

/// The error of a preparation; a dry run is shown the files that did not parse.
pub(super) fn shown(failed: Failed, dry_run: bool) -> Fault {
    match failed.fault {
        Fault::Refused(text) if dry_run && text.starts_with("YAML parse error") => {
            Fault::Refused(format!("{text}\n{}", failed.files))
        }
        fault => fault,
    }
}

pub(super) fn described(given: &str, default: &str) -> String {
    if given.is_empty() { default } else { given }.to_owned()
}

pub(super) fn code(release: &Release) -> Code {
    let status = release.info.as_ref().and_then(|info| info.status.as_ref());
    status.map_or(Code::Unknown, Status::code)
}

pub(super) fn set_code(release: &mut Release, code: Code) {
    let info = release.info.get_or_insert_default();
    info.status.get_or_insert_default().set_code(code);
}

pub(super) fn set(release: &mut Release, code: Code, description: String) {
    set_code(release, code);
    release.info.get_or_insert_default().description = description;
}
