//! The deployed releases of a tiller, whole: with charts and values.
//!
//! Tiller sends releases whole in its lists anyway, so that one call shows what a call for each release would. It cannot
//! send many small ones at once, though: it leaves a few bytes a release out of its count, and a message becomes longer than
//! its own library sends. So the list is read in pages, by the name that the last one ended with, and shorter ones where a
//! page is too long all the same. A name that is gone by then is no place to go on from, and the list is begun anew; who
//! reads it knows by the names which releases it has had.

use std::time::Duration;

use client::{Events, Relay, Tiller};
use rest::problem::{Code, Problem};
use tiller_api::{
    Method,
    hapi::{
        release::{Release, status::Code as Status},
        services::tiller::{
            ListReleasesRequest,
            list_sort::{SortBy, SortOrder},
        },
    },
};

use crate::{answer::problem, chunk::Chunk};

/// How long a page may take.
const PAGE_TIME: Duration = Duration::from_secs(5 * 60);

/// How many revisions a page has at first, and how few it may be made to have.
const PAGE: i64 = 1000;
const LEAST: i64 = 4;

/// How often the list may be begun anew.
const RESTARTS: u32 = 3;

/// The deployed releases of a tiller, in the order of their names. One may come twice.
pub(crate) struct Releases<'e, R: Relay> {
    tiller: &'e Tiller<R>,
    page: Option<Events<R::Body>>,
    chunk: Chunk,
    limit: i64,
    is_cut: bool,
    /// The last release that came; the next page begins with it.
    last: String,
    /// With which one this page began.
    offset: String,
    restarts: u32,
    ended: bool,
}

impl<'e, R: Relay> Releases<'e, R> {
    pub(crate) fn new(tiller: &'e Tiller<R>) -> Self {
        Self {
            tiller,
            page: None,
            chunk: Chunk::default(),
            limit: PAGE,
            is_cut: false,
            last: String::new(),
            offset: String::new(),
            restarts: RESTARTS,
            ended: false,
        }
    }

    /// The next release; none after the last.
    pub(crate) async fn next(&mut self) -> Result<Option<Release>, Problem> {
        while !self.ended {
            let release = self.chunk.next()?;
            self.is_cut |= self.chunk.is_cut;
            if let Some(release) = release {
                self.last.clone_from(&release.name);
                return Ok(Some(release));
            }
            if let Err(problem) = self.more().await {
                self.recover(problem)?;
            }
        }
        Ok(None)
    }

    /// Reads the next chunk, of the next page if this one is over.
    async fn more(&mut self) -> Result<(), Problem> {
        let page = match &mut self.page {
            Some(page) => page,
            None => {
                self.offset.clone_from(&self.last);
                self.is_cut = false;
                let page = ask(self.tiller, self.limit, &self.offset).await?;
                self.page.insert(page)
            }
        };
        // One chunk is held at a time.
        self.chunk = Chunk::default();
        match page.next().await? {
            Some(message) => self.chunk = Chunk::new(message),
            None => {
                self.page = None;
                self.ended = !self.is_cut;
                if self.is_cut && self.last == self.offset {
                    // A page of one release only: many revisions of it are marked as deployed.
                    self.limit = self.limit.saturating_mul(4);
                    if self.limit > i64::from(i32::MAX) {
                        return Err(problem(
                            Code::TillerMisbehaved,
                            "Tiller's list does not come to an end",
                        ));
                    }
                }
            }
        }
        Ok(())
    }

    /// Goes on after a problem, where that is possible.
    fn recover(&mut self, problem: Problem) -> Result<(), Problem> {
        self.page = None;
        self.chunk = Chunk::default();
        let detail = &problem.detail;
        if detail.starts_with("grpc: trying to send message larger than max") && self.limit > LEAST
        {
            self.limit = (self.limit / 4).max(LEAST);
            return Ok(());
        }
        if detail.starts_with("offset ") && !self.offset.is_empty() && self.restarts > 0 {
            self.restarts -= 1;
            self.last.clear();
            return Ok(());
        }
        Err(problem)
    }
}

async fn ask<R: Relay>(
    tiller: &Tiller<R>,
    limit: i64,
    offset: &str,
) -> Result<Events<R::Body>, Problem> {
    let request = ListReleasesRequest {
        limit,
        offset: offset.to_owned(),
        sort_by: SortBy::Name.into(),
        sort_order: SortOrder::Asc.into(),
        status_codes: vec![Status::Deployed.into()],
        ..ListReleasesRequest::default()
    };
    let page = tiller.stream(Method::ListReleases, &request, PAGE_TIME);
    Ok(page.await?)
}
