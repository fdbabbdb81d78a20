//! Releases as they come out of Tiller, with all their revisions that match.

use bytes::Bytes;
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
    query::Query,
};
use crate::{
    call::{STREAM, Tiller},
    events::Events,
    failure::Failure,
    relay::Relay,
    values::chain,
};

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
    events: Events<R::Body>,
    chunk: Chunk,
    cut: bool,
    /// The first revision of the next release.
    ahead: Option<Release>,
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
        let events = tiller
            .stream(Method::ListReleases, &request, STREAM)
            .await?;
        let mut groups = Self {
            events,
            chunk: Chunk::default(),
            cut: false,
            ahead: None,
        };
        groups.read().await?;
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
        let mut group = Vec::from_iter(self.ahead.take());
        while let Some(release) = self.release(&mut idle).await? {
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
        let message: Option<Bytes> = self.events.next().await?;
        let more = message.is_some();
        self.chunk = Chunk::new(message.unwrap_or_default());
        Ok(more)
    }
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
