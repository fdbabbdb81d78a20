//! `GET /v1/operations`: those that the caller may see, the newest first.
//!
//! Who may see one is decided for each, so a page is filled from as many stored pages as it takes, up to a bound: a
//! caller who may see few of many gets a short page and where to go on.

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use rest::negotiate::{self, ListFormat};
use rest::problem::{Code, Problem};
use rest::query;
use serde_json::{Value, json};

use super::super::engine::{Core, refused_by_store, whole};
use super::super::standing::Standing;
use super::super::view::{Sight, kind, view};
use super::super::{Operation, OperationId, Query, State};
use crate::access::Identity;
use crate::relay::{Body, Caller};

/// How many there are on a page by default.
const USUAL: usize = 100;

/// How many there may be.
const MOST: usize = 1000;

/// How many are read at once.
const BATCH: usize = 200;

/// How many are looked at for one page.
const LOOKED_AT: usize = 5000;

const KINDS: [(&str, &str); 3] = [
    ("discovery", "discovery"),
    ("notice", "notice"),
    ("request", "request"),
];

pub(super) async fn answer(
    core: &Core,
    caller: &Caller,
    query: Option<&str>,
    headers: &HeaderMap,
) -> Result<Response<Body>, Problem> {
    let asked = Asked::parse(query)?;
    let format = negotiate::list(super::accept(headers))?;
    if matches!(caller.identity, Identity::PerCluster) && asked.query.cluster.is_none() {
        return Err(Problem::new(
            Code::InvalidRequest,
            "each cluster says for itself who the sender of such a token is",
        )
        .with_hint("name a cluster with `cluster=`"));
    }
    let (items, next) = page(core, caller, asked).await?;
    Ok(write(format, &items, next.as_ref()))
}

struct Asked {
    query: Query,
    kind: Option<&'static str>,
    limit: usize,
}

impl Asked {
    fn parse(query: Option<&str>) -> Result<Self, Problem> {
        let mut fields = query::parse(query, &[])?;
        let states = fields.texts("state")?;
        let states = states.iter().map(|state| parse_state(state));
        let kind = fields.word("kind", &KINDS)?;
        let limit = fields.integer("limit", 1..=MOST as i64)?;
        let cursor = fields.string("cursor")?;
        let asked = Self {
            query: Query {
                cluster: fields.string("cluster")?,
                release: fields.string("release")?,
                states: states.collect::<Result<_, _>>()?,
                actor: fields.string("actor")?,
                hook: fields.string("hook")?,
                notices: kind == Some("notice"),
                before: cursor.map(|cursor| parse_cursor(&cursor)).transpose()?,
                limit: BATCH,
            },
            kind,
            limit: limit
                .and_then(|limit| usize::try_from(limit).ok())
                .unwrap_or(USUAL),
        };
        fields.finish()?;
        Ok(asked)
    }
}

fn parse_state(name: &str) -> Result<State, Problem> {
    State::ALL
        .into_iter()
        .find(|state| state.as_str() == name)
        .ok_or_else(|| {
            let names: Vec<_> = State::ALL.iter().map(|state| state.as_str()).collect();
            Problem::new(
                Code::InvalidRequest,
                format!("parameter `state` must be one of {}", names.join(", ")),
            )
        })
}

fn parse_cursor(text: &str) -> Result<OperationId, Problem> {
    text.parse().map_err(|_| {
        Problem::new(
            Code::InvalidRequest,
            "parameter `cursor` is not one that a list ended with",
        )
    })
}

/// The operations of a page, and where the next begins.
async fn page(
    core: &Core,
    caller: &Caller,
    asked: Asked,
) -> Result<(Vec<Value>, Option<OperationId>), Problem> {
    let Asked {
        mut query,
        kind: wanted,
        limit,
    } = asked;
    let mut items = Vec::new();
    let mut looked_at = 0;
    loop {
        let found = core.store.operations(&query).await;
        let batch = found.map_err(|error| refused_by_store(&error))?;
        let is_last = batch.len() < query.limit;
        for operation in batch {
            query.before = Some(operation.id.clone());
            looked_at += 1;
            if wanted.is_some_and(|wanted| kind(&operation.job) != wanted) {
                continue;
            }
            let standing = Standing::of(core, caller, &operation).await;
            if let Some(sight) = standing.and_then(|standing| standing.sight) {
                items.push(item(&operation, sight));
            }
            if items.len() == limit {
                return Ok((items, query.before));
            }
        }
        if is_last {
            return Ok((items, None));
        }
        if looked_at >= LOOKED_AT {
            return Ok((items, query.before));
        }
    }
}

/// An operation without its answer, which may be large.
fn item(operation: &Operation, sight: Sight) -> Value {
    let mut item = view(operation, sight);
    if let Some(members) = item.as_object_mut() {
        for name in ["problem", "result", "withheld"] {
            members.remove(name);
        }
    }
    item
}

fn write(format: ListFormat, items: &[Value], next: Option<&OperationId>) -> Response<Body> {
    let last = next.map(|next| json!({ "type": "next", "next": next }));
    let lines = || items.iter().chain(last.as_ref());
    let text = match format {
        ListFormat::EventStream => lines().map(|line| format!("data: {line}\n\n")).collect(),
        ListFormat::Json => match next {
            Some(next) => json!({ "items": items, "next": next }).to_string(),
            None => json!({ "items": items }).to_string(),
        },
        ListFormat::NdJson => lines().map(|line| format!("{line}\n")).collect::<String>(),
    };
    let mut answer = Response::new(whole(text.into()));
    *answer.status_mut() = StatusCode::OK;
    let kind = HeaderValue::from_static(format.media_type());
    answer.headers_mut().insert(CONTENT_TYPE, kind);
    answer
}
