//! Releases as they come out of Tiller, with all their revisions that match.

use std::cmp::Ordering;

use bytes::Bytes;
use client::{Events, Failure, Relay, STREAM, Tiller};
use rest::problem::{Code, Outcome, Problem};
use tiller_api::{
    Method,
    hapi::services::tiller::{
        ListReleasesRequest,
        list_sort::{SortBy, SortOrder},
    },
    light::Release,
};

use super::{
    chunk::{Chunk, ChunkError},
    is_unknown_offset,
    piece::{Piece, is_too_long},
    query::Query,
};
use crate::values::chain;

/// Which of the matching revisions to ask for; all of them by default.
///
/// Less than all is a saving, never relied on: Tiller counts revisions and finds its offset by a name that
/// may be gone.
#[derive(Debug, Default)]
pub(super) struct Range {
    /// A name. Tiller begins with the last revision of that release that it finds.
    pub(super) offset: Option<String>,
    /// How many revisions at most.
    pub(super) limit: Option<usize>,
}

/// The rest of a list.
pub(super) struct Groups<R: Relay> {
    tiller: Tiller<R>,
    /// What was asked for last.
    request: ListReleasesRequest,
    events: Events<R::Body>,
    chunk: Chunk,
    cut: bool,
    /// The first revision of the next release.
    ahead: Option<Release>,
    /// The last release that came whole.
    whole: Option<String>,
    /// The last release that was told.
    told: Option<String>,
    /// What of the list is asked for at a time, since Tiller cannot send all of it.
    piece: Option<Piece>,
}

impl<R: Relay> Groups<R> {
    /// Asks Tiller and waits for the beginning of its answer.
    pub(super) async fn open(
        tiller: &Tiller<R>,
        query: &Query,
        range: &Range,
    ) -> Result<Self, Failure> {
        let order = if query.by_name_descending() {
            SortOrder::Desc
        } else {
            SortOrder::Asc
        };
        let request = ListReleasesRequest {
            limit: range
                .limit
                .and_then(|limit| i64::try_from(limit).ok())
                .unwrap_or(EVERYTHING),
            offset: range.offset.clone().unwrap_or_default(),
            sort_by: SortBy::Name.into(),
            sort_order: order.into(),
            filter: query.filter.clone(),
            status_codes: query.statuses.clone(),
            namespace: query.namespace.clone(),
        };
        let events = ask(tiller, &request).await?;
        let mut groups = Self {
            tiller: tiller.clone(),
            request,
            events,
            chunk: Chunk::default(),
            cut: false,
            ahead: None,
            whole: None,
            told: None,
            piece: None,
        };
        while let Err(failure) = groups.read().await {
            groups.take_less(failure).await?;
        }
        Ok(groups)
    }

    /// Whether Tiller has left out some of what matches; known at the end.
    pub(super) const fn is_cut(&self) -> bool {
        self.cut
    }

    /// The revisions of the next release, in no order. A release that may have been cut is left out.
    ///
    /// `idle` runs whenever Tiller has to be waited for.
    pub(super) async fn next(
        &mut self,
        mut idle: impl AsyncFnMut(),
    ) -> Result<Option<Vec<Release>>, Failure> {
        loop {
            match self.group(&mut idle).await {
                Ok(Some(group)) => {
                    let name = group.first().map(|release| release.name.clone());
                    let again = self.piece.is_some() && self.has_told(name.as_deref());
                    self.whole.clone_from(&name);
                    if !again {
                        self.told = name;
                        return Ok(Some(group));
                    }
                }
                Ok(None) if self.cut && self.piece.is_some() => {
                    idle().await;
                    self.take_next().await?;
                }
                Ok(None) => return Ok(None),
                Err(failure) => {
                    idle().await;
                    self.take_less(failure).await?;
                }
            }
        }
    }

    async fn group(
        &mut self,
        idle: &mut impl AsyncFnMut(),
    ) -> Result<Option<Vec<Release>>, Failure> {
        let mut group = Vec::from_iter(self.ahead.take());
        while let Some(release) = self.release(idle).await? {
            if group
                .first()
                .is_some_and(|first: &Release| first.name != release.name)
            {
                self.ahead = Some(release);
                return Ok(Some(group));
            }
            group.push(release);
        }
        Ok((!group.is_empty() && !self.cut).then_some(group))
    }

    async fn release(&mut self, idle: &mut impl AsyncFnMut()) -> Result<Option<Release>, Failure> {
        loop {
            let release = self.chunk.next().map_err(|error| misread(&error))?;
            self.cut |= self.chunk.cut;
            if release.is_some() {
                if let Some(piece) = &mut self.piece {
                    piece.count();
                }
                return Ok(release);
            }
            idle().await;
            if !self.read().await? {
                return Ok(None);
            }
        }
    }

    /// Reads the next chunk; false at the end.
    async fn read(&mut self) -> Result<bool, Failure> {
        // A chunk may have 20 MiB; one is held at a time.
        self.chunk = Chunk::default();
        let message: Option<Bytes> = self.events.next().await?;
        let more = message.is_some();
        let message = message.unwrap_or_default();
        if let Some(piece) = &mut self.piece {
            piece.weigh(message.len());
        }
        self.chunk = Chunk::new(message);
        Ok(more)
    }

    /// Goes on in smaller pieces, if it is for the size of them that Tiller has failed.
    async fn take_less(&mut self, failure: Failure) -> Result<(), Failure> {
        let piece = if is_too_long(&failure) {
            Piece::smaller(self.piece.as_ref())
        } else if self.piece.is_some() && is_unknown_offset(&failure) {
            // The release that the last piece ended with is gone.
            self.whole = None;
            self.request.offset.clear();
            self.piece.as_ref().map(Piece::again)
        } else {
            None
        };
        self.take(piece.ok_or(failure)?).await
    }

    async fn take_next(&mut self) -> Result<(), Failure> {
        let further = self
            .whole
            .as_ref()
            .is_some_and(|whole| *whole != self.request.offset);
        let piece = self.piece.take().map(|piece| piece.next(further));
        self.take(piece.unwrap_or_default()).await
    }

    async fn take(&mut self, piece: Piece) -> Result<(), Failure> {
        self.request.limit = i64::try_from(piece.limit()).unwrap_or(EVERYTHING);
        if let Some(whole) = &self.whole {
            self.request.offset.clone_from(whole);
        }
        self.chunk = Chunk::default();
        self.ahead = None;
        self.cut = false;
        self.piece = Some(piece);
        self.events = ask(&self.tiller, &self.request).await?;
        Ok(())
    }

    /// Whether the list is past that release. A piece begins with one that the last piece had.
    fn has_told(&self, name: Option<&str>) -> bool {
        let past = if self.request.sort_order() == SortOrder::Desc {
            Ordering::Greater
        } else {
            Ordering::Less
        };
        self.told.as_deref().is_some_and(|told| {
            let order = name.cmp(&Some(told));
            order == past || order == Ordering::Equal
        })
    }
}

async fn ask<R: Relay>(
    tiller: &Tiller<R>,
    request: &ListReleasesRequest,
) -> Result<Events<R::Body>, Failure> {
    tiller.stream(Method::ListReleases, request, STREAM).await
}

fn misread(error: &ChunkError) -> Failure {
    Problem::new(
        Code::TillerMisbehaved,
        format!("Tiller's list cannot be decoded: {}", chain(error)),
    )
    .with_outcome(Outcome::NotApplied)
    .into()
}

/// Tiller takes 0 for 512, and less ends it.
const EVERYTHING: i64 = i32::MAX as i64;
