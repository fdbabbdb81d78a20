//! GetVersion, GetReleaseStatus, GetReleaseContent, GetHistory.

use tiller_api::hapi::{
    release::status::Code,
    services::tiller::{
        GetHistoryRequest, GetHistoryResponse, GetReleaseContentRequest, GetReleaseContentResponse,
        GetReleaseStatusRequest, GetReleaseStatusResponse, GetVersionResponse,
    },
    version::Version,
};

use super::{
    Tiller, apply::no_objects, dispatch::Fault, install::code, name, objects::Objects, table,
};

#[expect(clippy::unused_async, reason = "one signature for all handlers")]
impl Tiller {
    pub(super) fn version(&self) -> GetVersionResponse {
        GetVersionResponse {
            version: Some(Version {
                sem_ver: self.0.options.version.clone(),
                ..Version::default()
            }),
        }
    }

    pub(super) async fn status(
        &self,
        request: GetReleaseStatusRequest,
    ) -> Result<GetReleaseStatusResponse, Fault> {
        let GetReleaseStatusRequest { name, version } = &request;
        name::validate(name)?;
        let state = self.state();
        let release = if *version <= 0 {
            let last = state.store.last(name);
            last.map_err(|error| format!("getting deployed release {name:?}: {error}"))?
        } else {
            let release = state.store.get(name, *version);
            release.map_err(|error| format!("getting release '{name}' (v{version}): {error}"))?
        };
        let code = code(&release);
        let mut info = release
            .info
            .ok_or_else(|| "release info is missing".to_owned())?;
        release
            .chart
            .ok_or_else(|| "release chart is missing".to_owned())?;
        if !matches!(code, Code::Deleted | Code::Failed) {
            let objects = Objects::build(&release.namespace, &release.manifest)?;
            if objects.is_empty() {
                return Err(no_objects().into());
            }
            let resources = table::print(&objects, &state.objects);
            info.status.get_or_insert_default().resources = resources;
        }
        Ok(GetReleaseStatusResponse {
            name: release.name,
            info: Some(info),
            namespace: release.namespace,
        })
    }

    pub(super) async fn content(
        &self,
        request: GetReleaseContentRequest,
    ) -> Result<GetReleaseContentResponse, Fault> {
        name::validate(&request.name)?;
        let store = &self.state().store;
        let release = match request.version {
            ..=0 => store.last(&request.name)?,
            version => store.get(&request.name, version)?,
        };
        Ok(GetReleaseContentResponse {
            release: Some(release),
        })
    }

    /// Newest first; none at all unless the request says how many.
    pub(super) async fn history(
        &self,
        request: GetHistoryRequest,
    ) -> Result<GetHistoryResponse, Fault> {
        name::validate(&request.name)?;
        let mut releases = self.state().store.history(&request.name)?;
        releases.reverse();
        releases.truncate(usize::try_from(request.max).unwrap_or_default());
        Ok(GetHistoryResponse { releases })
    }
}
