//! UninstallRelease.

use tiller_api::{
    Method,
    hapi::{
        release::{Release, hook::Event, status::Code},
        services::tiller::{UninstallReleaseRequest, UninstallReleaseResponse},
    },
};

use super::{
    Point, Tiller, clock,
    dispatch::Fault,
    install::{code, described, set},
    name,
};

impl Tiller {
    pub(super) async fn uninstall(
        &self,
        request: UninstallReleaseRequest,
    ) -> Result<UninstallReleaseResponse, Fault> {
        name::validate(&request.name)?;
        let history = self.state().store.history(&request.name)?;
        let Some(mut release) = history.last().cloned() else {
            return Err("no release provided".into());
        };
        if code(&release) == Code::Deleted {
            if !request.purge {
                let name = &request.name;
                return Err(format!("the release named {name:?} is already deleted").into());
            }
            self.purge(&history)?;
            return Ok(UninstallReleaseResponse {
                release: Some(release),
                info: String::new(),
            });
        }

        set(
            &mut release,
            Code::Deleting,
            "Deletion in progress (or silently failed)".to_owned(),
        );
        release.info.get_or_insert_default().deleted = Some(clock::now());
        let hooks = !request.disable_hooks;
        if hooks {
            self.run_hooks(&mut release, Event::PreDelete, request.timeout)
                .await?;
        }
        self.record(&release, true);
        self.0
            .holds
            .pass(Method::UninstallRelease, Point::Underway)
            .await;
        let (info, mut errors) = self.delete_objects(&release);
        if hooks {
            let run = self
                .run_hooks(&mut release, Event::PostDelete, request.timeout)
                .await;
            errors.extend(run.err());
        }
        set(
            &mut release,
            Code::Deleted,
            described(&request.description, "Deletion complete"),
        );
        if request.purge {
            // What went wrong with the objects is forgotten with the release.
            self.purge(&history)?;
        } else {
            self.record(&release, true);
            if !errors.is_empty() {
                let (count, errors) = (errors.len(), errors.join("; "));
                return Err(format!("deletion completed with {count} error(s): {errors}").into());
            }
        }
        Ok(UninstallReleaseResponse {
            release: Some(release),
            info,
        })
    }

    fn purge(&self, history: &[Release]) -> Result<(), Fault> {
        let store = &mut self.state().store;
        for release in history {
            store.delete(&release.name, release.version)?;
        }
        Ok(())
    }
}
