//! ListReleases: select, sort, cut a page, and send it in chunks.

use prost::Message;
use regex::Regex;
use tiller_api::hapi::{
    release::status::Code,
    services::tiller::{
        ListReleasesRequest, ListReleasesResponse,
        list_sort::{SortBy, SortOrder},
    },
};

use super::{
    Tiller,
    dispatch::{Fault, Sink},
    store::Record,
};

/// Largest chunk, in bytes, as Tiller counts them: without tags and lengths of the releases.
const MAX_CHUNK: usize = 20 << 20;
/// Page size where the request has none.
const DEFAULT_LIMIT: usize = 512;

impl Tiller {
    pub(super) async fn list(
        &self,
        request: ListReleasesRequest,
        sink: &mut Sink<'_>,
    ) -> Result<(), Fault> {
        let mut records = self.select(&request)?;
        let total = records.len();
        match request.sort_by() {
            SortBy::Unknown => {}
            SortBy::Name => records.sort_by(|a, b| a.name.cmp(&b.name)),
            SortBy::LastReleased => records.sort_by_key(|record| record.last_deployed),
            SortBy::ChartName => records.sort_by(|a, b| a.chart.cmp(&b.chart)),
        }
        if request.sort_order() == SortOrder::Desc {
            records.reverse();
        }
        if !request.offset.is_empty() {
            // Of several with that name, the last.
            let start = records
                .iter()
                .rposition(|record| record.name == request.offset);
            let start = start.ok_or_else(|| format!("offset {:?} not found", request.offset))?;
            records.drain(..start);
        }
        let limit = match usize::try_from(request.limit) {
            Ok(0) => DEFAULT_LIMIT,
            Ok(limit) => limit,
            Err(_) => return Err(Fault::Crash("a list with a negative limit")),
        };
        let next = records.get(limit).map(|record| record.name.clone());
        records.truncate(limit);
        let head = ListReleasesResponse {
            count: i64::try_from(records.len()).unwrap_or(i64::MAX),
            next: next.unwrap_or_default(),
            total: i64::try_from(total).unwrap_or(i64::MAX),
            releases: Vec::new(),
        };
        send(&head.encode_to_vec(), records, sink).await
    }

    fn select(&self, request: &ListReleasesRequest) -> Result<Vec<Record>, Fault> {
        let filter =
            Regex::new(&request.filter).map_err(|error| parse_error(&request.filter, &error))?;
        let wanted = |status: i32| match &request.status_codes[..] {
            [] => status == i32::from(Code::Deployed),
            codes => codes.contains(&status),
        };
        let state = self.state();
        if state.store.records().any(|record| record.status.is_none()) {
            return Err(Fault::Crash("a list over a record without info"));
        }
        let selected = state.store.records().filter(|record| {
            record.status.is_some_and(wanted)
                && (request.namespace.is_empty() || record.namespace == request.namespace)
                && filter.is_match(&record.name)
        });
        Ok(selected.cloned().collect())
    }
}

/// Chunks are made as they are sent, so that a long list never stands in memory twice.
async fn send(head: &[u8], records: Vec<Record>, sink: &mut Sink<'_>) -> Result<(), Fault> {
    const RELEASES: u32 = 4;
    let room = MAX_CHUNK - head.len();
    let mut chunk = head.to_vec();
    let mut fill = 0;
    let mut is_empty = records.is_empty();
    for record in records {
        let size = record.encoded.len();
        if fill + size > room {
            sink.send(std::mem::replace(&mut chunk, head.to_vec()).into())
                .await?;
            fill = 0;
        }
        prost::encoding::bytes::encode(RELEASES, &record.encoded, &mut chunk);
        fill += size;
        is_empty = false;
    }
    if is_empty {
        return Ok(());
    }
    sink.send(chunk.into()).await
}

/// Go's words for the mistakes people make; for others those of the library here.
fn parse_error(filter: &str, error: &regex::Error) -> String {
    let open = filter.matches('(').count();
    let close = filter.matches(')').count();
    let reason = if open > close {
        format!("missing closing ): `{filter}`")
    } else if close > open {
        format!("unexpected ): `{filter}`")
    } else if filter.starts_with(['*', '+', '?']) {
        format!(
            "missing argument to repetition operator: `{}`",
            &filter[..1]
        )
    } else {
        error.to_string()
    };
    format!("error parsing regexp: {reason}")
}
