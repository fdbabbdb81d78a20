//! `POST …/releases`.

use std::fmt;

use bytes::Bytes;
use client::{Failure, Relay, Tiller, mutation};
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use rest::{
    body::{Apply, Verb},
    problem::{Code, Outcome, Problem},
    route::release_path,
    time::whole_seconds,
    view,
};
use tiller_api::{Method, hapi::services::tiller::InstallReleaseRequest};

use crate::{
    apply::{Request, released, tell_chart},
    atomic,
    body::Body,
    chart, names, plan, reply, requirements, skew, status, values,
};

/// Where releases go if neither caller nor cluster says.
const DEFAULT_NAMESPACE: &str = "default";

/// Answers an install.
pub(crate) async fn create<R: Relay, B>(
    tiller: &Tiller<R>,
    query: Option<&str>,
    headers: &HeaderMap,
    body: B,
) -> Result<Response<Body>, Failure>
where
    B: http_body::Body<Data = Bytes, Error: fmt::Display> + Unpin,
{
    let request = Request::read(Verb::Install, query, headers, body).await?;
    if plan::is_asked(headers) {
        check(&request.apply)?;
        let name = request.apply.name.clone();
        return plan::apply(&tiller.target, "install", name.as_deref(), request.apply);
    }
    install(tiller, request).await
}

/// Installs.
pub(crate) async fn install<R: Relay>(
    tiller: &Tiller<R>,
    request: Request,
) -> Result<Response<Body>, Failure> {
    let extras = request.extras();
    let apply = request.apply;
    let used = apply.used();
    check(&apply)?;
    let values = values::config(apply.values)?;
    let (mut chart, source) = chart::obtain(tiller, apply.chart).await?;
    requirements::prepare(&mut chart, &values)?;
    skew::check(tiller, Method::InstallRelease, &used).await?;
    let namespace = match apply.namespace {
        Some(namespace) => namespace,
        None => default_namespace(tiller).await?,
    };
    let message = InstallReleaseRequest {
        chart: Some(chart),
        values: Some(values),
        dry_run: apply.dry_run,
        name: apply.name.unwrap_or_default(),
        disable_hooks: apply.disable_hooks,
        namespace,
        reuse_name: apply.replace,
        timeout: whole_seconds(apply.timeout),
        wait: apply.wait,
        disable_crd_hook: apply.disable_crd_hook,
        description: chart::description(Some(&source), apply.description, "Install complete"),
        sub_notes: apply.sub_notes,
    };
    let deadline = mutation(apply.timeout);
    let undo = (apply.atomic && !apply.dry_run).then(|| atomic::of_install(&message));
    let answer = tiller
        .change(Method::InstallRelease, &message, deadline, undo.as_ref())
        .await;
    let answer = match answer {
        Ok(answer) => answer,
        Err(failure) => {
            let failure = doubt_crds(failure, &message);
            return Err(match undo {
                Some(_) => atomic::undo_install(tiller, &message, failure).await,
                None => failure,
            });
        }
    };
    drop(message);
    let mut view = released(Method::InstallRelease, answer, extras)?;
    tell_chart(&mut view, Some(source));
    if apply.dry_run {
        return Ok(reply::json(StatusCode::OK, &view));
    }
    confirm(tiller, &mut view).await?;
    let mut response = reply::release(StatusCode::CREATED, &view);
    let location = release_path(&tiller.target, &view.name);
    if let Ok(location) = HeaderValue::from_str(&location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

/// Checks the names, and that what is asked for can be done to them.
fn check(apply: &Apply) -> Result<(), Problem> {
    match &apply.name {
        Some(name) => names::check_new_release(name)?,
        None if apply.atomic => {
            return Err(Problem::new(
                Code::InvalidRequest,
                "field `atomic` needs `name`: a failed install under a name that Tiller made up could not be undone",
            ));
        }
        None => {}
    }
    match &apply.namespace {
        Some(namespace) => names::check_namespace(namespace),
        None => Ok(()),
    }
}

async fn default_namespace<R: Relay>(tiller: &Tiller<R>) -> Result<String, Failure> {
    let namespace = tiller.cluster().await?.namespace;
    Ok(namespace
        .filter(|namespace| !namespace.is_empty())
        .unwrap_or_else(|| DEFAULT_NAMESPACE.to_owned()))
}

/// Looks whether the release is there. Tiller only logs it when a record cannot be stored, for one because
/// it is larger than the cluster stores objects.
async fn confirm<R: Relay>(tiller: &Tiller<R>, view: &mut view::Release) -> Result<(), Failure> {
    let revision = view.revision.unwrap_or_default();
    match status::read(tiller, &view.name, revision).await {
        Ok((status, _)) => {
            status::add(view, &status);
            Ok(())
        }
        Err(failure) if is_not_found(&failure) => Err(Problem::new(
            Code::ReleaseNotStored,
            format!(
                "Tiller said that it installed release {} and then: {}",
                view.name,
                failure.detail()
            ),
        )
        .with_outcome(Outcome::Unknown)
        .with_hint(
            "its resources exist and belong to no release; a record larger than 1 MiB, compressed, cannot be stored, \
             so make the chart smaller, delete the resources and install again",
        )
        .into()),
        Err(failure) => {
            view.warnings.push(format!(
                "the release is installed, and its status could not be read: {}",
                failure.detail()
            ));
            Ok(())
        }
    }
}

fn is_not_found(failure: &Failure) -> bool {
    matches!(
        failure.code(),
        Some(Code::ReleaseNotFound | Code::RevisionNotFound)
    )
}

/// CRDs of a chart are made before its other manifests are validated.
fn doubt_crds(failure: Failure, message: &InstallReleaseRequest) -> Failure {
    let skipped = message.dry_run || message.disable_hooks || message.disable_crd_hook;
    let made_crds = failure.code() == Some(Code::ValidationFailed)
        && !skipped
        && message.chart.as_ref().is_some_and(chart::installs_crds);
    if !made_crds {
        return failure;
    }
    failure.map(|problem| problem.with_outcome(Outcome::Unknown))
}
