//! `GET …/releases`: what is installed, one item a release.
//!
//! Tiller lists revisions, not releases, sends each whole, and pages by name, which loses revisions where a
//! page ends inside a release. So Tiller is asked for what matches, by name, and the rest happens here:
//! revisions of a release come one after another and the newest of them counts, a page ends between
//! releases, and of each chunk only what is shown is ever decoded. By name the list streams. In another
//! order it cannot, so there a page is bounded and no more than a page is held.

mod chunk;
mod groups;
mod page;
mod piece;
mod query;

use client::{Failure, READ, Relay, Scope, Tiller};
use http::Response;
use rest::{negotiate::ListFormat, problem::Code, view};
use tiller_api::{
    Method,
    hapi::services::tiller::{GetVersionRequest, GetVersionResponse},
    light::Release,
};

use self::{
    groups::{Groups, Range},
    page::{HELD, Sorted},
    query::{Query, Sort},
};
use crate::{
    body::Body,
    items::{self, End, Items},
};

/// Answers the list.
pub(crate) async fn list<R: Relay>(
    tiller: Tiller<R>,
    query: Option<&str>,
    format: ListFormat,
    scope: Scope,
) -> Result<Response<Body>, Failure> {
    let query = Query::read(query)?;
    let mut listing = match Listing::open(tiller.clone(), query).await {
        Ok(listing) => listing,
        Err(failure) => return Err(explain(&tiller, failure).await),
    };
    if listing.query.sort == Sort::Name {
        return Ok(items::answer(format, scope, |items| listing.write(items)));
    }
    let (page, end) = match listing.sorted().await {
        Ok(page) => page,
        Err(failure) => return Err(explain(&tiller, failure).await),
    };
    Ok(items::answer(format, scope, |mut items| async move {
        for release in &page {
            items.item(&view::Release::from(release)).await;
        }
        items.end(end).await;
    }))
}

/// A list that Tiller has begun to answer.
struct Listing<R: Relay> {
    tiller: Tiller<R>,
    query: Query,
    groups: Groups<R>,
}

impl<R: Relay> Listing<R> {
    /// Asks for the list and waits until Tiller has begun to answer, so that what fails before the first
    /// release still has a status of its own.
    async fn open(tiller: Tiller<R>, query: Query) -> Result<Self, Failure> {
        let range = query.range();
        let groups = match Groups::open(&tiller, &query, &range).await {
            // The release that the last page ended with is gone.
            Err(failure) if range.offset.is_some() && is_unknown_offset(&failure) => {
                Groups::open(&tiller, &query, &Range::default()).await?
            }
            other => other?,
        };
        Ok(Self {
            tiller,
            query,
            groups,
        })
    }

    async fn write(mut self, mut items: Items) {
        match self.page(&mut items).await {
            Ok(end) => items.end(end).await,
            Err(failure) => items.fail(&explain(&self.tiller, failure).await).await,
        }
    }

    /// Writes a page in the order of names.
    async fn page(&mut self, items: &mut Items) -> Result<End, Failure> {
        let mut written = 0;
        loop {
            let group = self.groups.next(async || items.flush().await).await?;
            let Some(group) = group else {
                if !self.groups.is_cut() {
                    return Ok(End::Plain);
                }
                // What was asked for was less than the page needs. Everything has it.
                self.groups = Groups::open(&self.tiller, &self.query, &Range::default()).await?;
                continue;
            };
            for release in self.query.select(group) {
                let position = self.query.position(&release);
                if !self.query.is_due(&position) {
                    continue;
                }
                if Some(written) == self.query.limit {
                    return Ok(self.query.next_page());
                }
                items.item(&view::Release::from(&release)).await;
                written += 1;
                self.query.cursor = Some(position);
            }
        }
    }

    /// Reads the whole list and keeps a page in the order asked for.
    async fn sorted(&mut self) -> Result<(Vec<Release>, End), Failure> {
        let limit = self.query.limit.map_or(HELD, |limit| limit.min(HELD));
        let mut page = Sorted::new(limit, self.query.descending);
        while let Some(group) = self.groups.next(async || {}).await? {
            for release in self.query.select(group) {
                let position = self.query.position(&release);
                if self.query.is_due(&position) {
                    page.offer(position, release);
                }
            }
        }
        let (releases, next) = page.finish();
        let end = match next {
            None => End::Plain,
            Some(last) => {
                self.query.cursor = Some(last);
                self.query.next_page()
            }
        };
        Ok((releases, end))
    }
}

fn is_unknown_offset(failure: &Failure) -> bool {
    failure.code() == Some(Code::InvalidRequest) && failure.detail().starts_with("offset ")
}

/// A record without `info` in Tiller's storage ends every Tiller that lists it, and nothing else does. When
/// a list ends a Tiller that answers other calls, say so.
async fn explain<R: Relay>(tiller: &Tiller<R>, failure: Failure) -> Failure {
    if failure.code() != Some(Code::TillerUnavailable) {
        return failure;
    }
    let version: Result<GetVersionResponse, _> = tiller
        .unary(Method::GetVersion, &GetVersionRequest {}, READ)
        .await;
    if version.is_err() {
        return failure;
    }
    failure.map(|problem| {
        problem.with_hint(
            "Tiller answers other calls: if lists alone fail, its storage holds a record without `info`, which ends \
             every Tiller that lists it; find the record among Tiller's ConfigMaps or Secrets and remove it",
        )
    })
}
