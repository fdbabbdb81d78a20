//! `PUT …/releases/{r}`: an upgrade, or with `install` an install if there is nothing to upgrade.

use std::fmt;

use bytes::Bytes;
use client::{Failure, Relay, Tiller, mutation};
use http::{HeaderMap, Response, StatusCode};
use rest::{
    body::{ChartRef, Verb},
    precondition::IfMatch,
    problem::{Code, Outcome, Problem},
    time::whole_seconds,
};
use tiller_api::{Method, hapi::services::tiller::UpdateReleaseRequest, light};

use crate::{
    apply::{Request, released, tell_chart},
    atomic,
    body::Body,
    chart, deployed, history, install, plan, reply, requirements, skew, values,
};

/// Answers an upgrade.
pub(crate) async fn replace<R: Relay, B>(
    tiller: &Tiller<R>,
    name: &str,
    query: Option<&str>,
    headers: &HeaderMap,
    body: B,
) -> Result<Response<Body>, Failure>
where
    B: http_body::Body<Data = Bytes, Error: fmt::Display> + Unpin,
{
    let condition = IfMatch::from_headers(headers)?;
    let mut request = Request::read(Verb::Upgrade, query, headers, body).await?;
    if let Some(other) = &request.apply.name
        && other != name
    {
        return Err(Problem::new(
            Code::InvalidRequest,
            "field `name` is not the name in the path",
        )
        .into());
    }
    if plan::is_asked(headers) {
        return plan::apply(&tiller.target, "upgrade", Some(name), request.apply);
    }
    // Tiller says the same of a release that it does not know and of one with no deployed revision.
    let newest = history::newest(tiller, name).await?;
    if let Some(condition) = &condition {
        condition.check(newest.as_ref().map(|newest| newest.version))?;
    }
    match newest {
        Some(newest) => upgrade(tiller, newest, condition.as_ref(), request).await,
        None if request.apply.install => {
            request.apply.name = Some(name.to_owned());
            install::install(tiller, request).await
        }
        None => Err(history::not_found(name).into()),
    }
}

async fn upgrade<R: Relay>(
    tiller: &Tiller<R>,
    mut newest: light::Release,
    condition: Option<&IfMatch>,
    request: Request,
) -> Result<Response<Body>, Failure> {
    let extras = request.extras();
    let apply = request.apply;
    // Only an install would make CRDs.
    let used: Vec<_> = apply
        .used()
        .into_iter()
        .filter(|field| *field != "disable_crd_hook")
        .collect();
    let values = values::config(apply.values)?;
    let is_sent = matches!(apply.chart, ChartRef::Archive(_));
    let (chart, source) = match apply.chart {
        ChartRef::Deployed => (deployed::chart(tiller, &newest).await?, None),
        wanted => {
            let (mut chart, source) = chart::obtain(tiller, wanted).await?;
            requirements::prepare(&mut chart, &values)?;
            (chart, Some(source))
        }
    };
    skew::check(tiller, Method::UpdateRelease, &used).await?;
    // While a chart was fetched, others may have upgraded; their revision is the one to match and to go back to.
    if !is_sent && (condition.is_some() || apply.atomic) {
        let name = &newest.name;
        let again = history::newest(tiller, name).await?;
        if let Some(condition) = condition {
            condition.check(again.as_ref().map(|again| again.version))?;
        }
        newest = again.ok_or_else(|| history::not_found(name))?;
    }
    let message = UpdateReleaseRequest {
        name: newest.name.clone(),
        chart: Some(chart),
        values: Some(values),
        dry_run: apply.dry_run,
        disable_hooks: apply.disable_hooks,
        recreate: apply.recreate_pods,
        timeout: whole_seconds(apply.timeout),
        reset_values: apply.reset_values,
        wait: apply.wait,
        reuse_values: apply.reuse_values,
        force: apply.force,
        description: chart::description(source.as_ref(), apply.description, "Upgrade complete"),
        sub_notes: apply.sub_notes,
        cleanup_on_fail: apply.cleanup_on_fail,
    };
    let deadline = mutation(apply.timeout);
    let is_undone = apply.atomic && !apply.dry_run;
    let undo = is_undone.then(|| atomic::of_upgrade(&message, newest.version));
    let answer = tiller
        .change(Method::UpdateRelease, &message, deadline, undo.as_ref())
        .await;
    let answer = match answer {
        Ok(answer) => answer,
        Err(failure) if hides_its_cause(&failure, &message) => {
            return Err(find_cause(tiller, message, failure).await);
        }
        Err(failure) if is_undone => {
            return Err(atomic::undo_upgrade(tiller, &message, newest.version, failure).await);
        }
        Err(failure) => return Err(failure),
    };
    drop(message);
    let mut view = released(Method::UpdateRelease, answer, extras)?;
    tell_chart(&mut view, source);
    if let Some(asked) = apply.namespace
        && asked != view.namespace
    {
        view.warnings.push(format!(
            "the release is in namespace {} and stays there",
            view.namespace
        ));
    }
    Ok(if apply.dry_run {
        reply::json(StatusCode::OK, &view)
    } else {
        reply::release(StatusCode::OK, &view)
    })
}

/// With `force`, Tiller takes a chart that does not render for a reason to install it anew, and complains
/// of the name.
fn hides_its_cause(failure: &Failure, message: &UpdateReleaseRequest) -> bool {
    message.force && failure.code() == Some(Code::ReleaseInUse)
}

/// Asks for the same without `force` and without doing it, which says what is wrong.
async fn find_cause<R: Relay>(
    tiller: &Tiller<R>,
    message: UpdateReleaseRequest,
    failure: Failure,
) -> Failure {
    let question = UpdateReleaseRequest {
        dry_run: true,
        force: false,
        ..message
    };
    let answer = tiller
        .unary_bytes(Method::UpdateRelease, &question, client::READ)
        .await;
    match answer {
        Err(Failure::Tiller(cause)) => {
            Failure::Tiller(Box::new(cause.with_outcome(Outcome::NotApplied).with_hint(
                format!("with `force`, Tiller only says: {}", failure.detail()),
            )))
        }
        Ok(_) | Err(_) => failure,
    }
}
