//! One request in, one answer out.

use std::fmt;

use bytes::Bytes;
use client::{Edge, Failure, Relay, Scope, Tiller};
use http::{HeaderValue, Method, Request, Response, header, request::Parts};
use rest::{
    negotiate::{self, JSON, ListFormat},
    problem::{Code, Problem},
    relay::REQUEST_ID,
    route::{Part, Resource, Route},
};

use crate::{
    access, body::Body, clusters, content, history, install, list, names, repositories, rollback,
    status, test_run, uninstall, upgrade, version,
};

/// Serves a request.
///
/// `base` is the relay's base URL, as [`BASE_VARIABLE`](rest::relay::BASE_VARIABLE) has it. Never fails: what goes wrong is an answer, or
/// the end of one.
pub async fn serve<R: Relay, B>(
    relay: R,
    base: Option<String>,
    request: Request<B>,
) -> Response<Body>
where
    B: http_body::Body<Data = Bytes, Error: fmt::Display> + Unpin,
{
    let (parts, body) = request.into_parts();
    let id = parts.headers.get(REQUEST_ID).cloned();
    let mut scope = Scope {
        request_id: id.as_ref().and_then(|id| id.to_str().ok()).map(Into::into),
        ..Scope::default()
    };
    let mut response = match Route::parse(parts.uri.path()) {
        Err(problem) => Failure::from(problem).to_response(&scope).map(Body::from),
        Ok(route) => {
            scope.cluster = route.cluster().map(str::to_owned);
            if let Route::Tiller(target, _) = &route {
                scope.tiller = target.tiller.as_deref().map(Into::into);
            }
            let edge = edge(relay, base, &parts);
            match route_to(edge, route, &parts, body, &scope).await {
                Ok(response) => response,
                Err(failure) => failure.to_response(&scope).map(Body::from),
            }
        }
    };
    if let Some(id) = id {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}

fn edge<R>(relay: R, base: Option<String>, parts: &Parts) -> Result<Edge<R>, Problem> {
    Ok(Edge {
        relay,
        base: client::base(base)?,
        request_id: parts.headers.get(REQUEST_ID).cloned(),
        authorization: parts.headers.get(header::AUTHORIZATION).cloned(),
    })
}

async fn route_to<R: Relay, B>(
    edge: Result<Edge<R>, Problem>,
    route: Route,
    parts: &Parts,
    body: B,
    scope: &Scope,
) -> Result<Response<Body>, Failure>
where
    B: http_body::Body<Data = Bytes, Error: fmt::Display> + Unpin,
{
    if !route.allows(&parts.method) {
        return Ok(not_allowed(&route, scope));
    }
    let edge = edge?;
    let query = parts.uri.query();
    let (target, resource) = match route {
        Route::Access => {
            check_accept(parts)?;
            return access::show(&edge, query).await;
        }
        Route::Clusters => {
            return clusters::list(&edge, query, list_format(parts)?, scope.clone()).await;
        }
        Route::Cluster(cluster) => {
            check_accept(parts)?;
            return clusters::show(&edge, &cluster, query).await;
        }
        Route::Repositories => {
            return repositories::list(&edge, query, list_format(parts)?, scope.clone()).await;
        }
        Route::Charts { repository } => {
            let format = list_format(parts)?;
            return repositories::charts(&edge, repository, query, format, scope.clone()).await;
        }
        Route::Versions { repository, chart } => {
            let format = list_format(parts)?;
            let scope = scope.clone();
            return repositories::versions(&edge, repository, chart, query, format, scope).await;
        }
        Route::Chart {
            repository,
            chart,
            version,
        } => {
            check_accept(parts)?;
            return repositories::inspect(&edge, repository, chart, &version, query).await;
        }
        Route::Tiller(target, resource) => (target, resource),
    };
    let tiller = Tiller { edge, target };
    let headers = &parts.headers;
    match (resource, &parts.method) {
        (Resource::Version, _) => {
            check_accept(parts)?;
            version::show(&tiller, query).await
        }
        (Resource::Releases, &Method::POST) => {
            check_accept(parts)?;
            install::create(&tiller, query, headers, body).await
        }
        (Resource::Releases, _) => {
            list::list(tiller, query, list_format(parts)?, scope.clone()).await
        }
        (Resource::Release(name), method) => {
            names::check_release(&name)?;
            check_accept(parts)?;
            match *method {
                Method::DELETE => uninstall::delete(&tiller, &name, query, headers, body).await,
                Method::PUT => upgrade::replace(&tiller, &name, query, headers, body).await,
                _ => content::show(&tiller, &name, query).await,
            }
        }
        (Resource::ReleasePart(name, part), _) => {
            names::check_release(&name)?;
            match part {
                Part::History => {
                    let format = list_format(parts)?;
                    history::show(&tiller, &name, query, format, scope.clone()).await
                }
                Part::Rollback => {
                    check_accept(parts)?;
                    rollback::roll_back(&tiller, &name, query, headers, body).await
                }
                Part::Status => {
                    check_accept(parts)?;
                    status::show(&tiller, &name, query).await
                }
                Part::Tests => {
                    let format = list_format(parts)?;
                    test_run::run(&tiller, &name, query, headers, body, format, scope.clone()).await
                }
                Part::Chart | Part::Hooks | Part::Manifest | Part::Notes | Part::Values => {
                    content::part(&tiller, &name, part, query, headers).await
                }
            }
        }
    }
}

fn not_allowed(route: &Route, scope: &Scope) -> Response<Body> {
    let allow = route.allow();
    let problem = Problem::new(
        Code::MethodNotAllowed,
        format!("this resource has the methods {allow}"),
    );
    let mut response = Failure::from(problem).to_response(scope).map(Body::from);
    response
        .headers_mut()
        .insert(header::ALLOW, HeaderValue::from_static(allow));
    response
}

fn list_format(parts: &Parts) -> Result<ListFormat, Problem> {
    negotiate::list(content::accept(&parts.headers)?.as_deref())
}

/// What has only one form must be wanted in it, before anything is done.
fn check_accept(parts: &Parts) -> Result<(), Problem> {
    let accept = content::accept(&parts.headers)?;
    negotiate::choose(accept.as_deref(), &[JSON]).map(drop)
}
