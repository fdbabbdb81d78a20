//! What a list is asked for.

use rest::{
    problem::{Code, Problem},
    query,
    view::STATUSES,
};
use serde::{Deserialize, Serialize};
use tiller_api::{hapi::release::status::Code as Status, light::Release};

use super::{
    groups::Range,
    page::{Cursor, Position},
};
use crate::items::End;

/// The order of a list.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Sort {
    Chart,
    Name,
    Updated,
}

/// The parameters.
#[derive(Debug)]
pub(super) struct Query {
    pub(super) filter: String,
    pub(super) namespace: String,
    pub(super) statuses: Vec<i32>,
    pub(super) sort: Sort,
    pub(super) descending: bool,
    /// Whether every revision is an item.
    pub(super) all: bool,
    pub(super) limit: Option<usize>,
    /// The last item that the caller has.
    pub(super) cursor: Option<Position>,
}

impl Query {
    /// Reads them. A limit below one is refused here: Tiller would end at it.
    pub(super) fn read(query: Option<&str>) -> Result<Self, Problem> {
        let mut fields = query::parse(query, &["filter"])?;
        let sorts = [
            ("name", Sort::Name),
            ("updated", Sort::Updated),
            ("chart", Sort::Chart),
        ];
        let all = fields
            .word("revisions", &[("newest", false), ("all", true)])?
            .unwrap_or_default();
        let statuses = fields.list("status")?;
        let codes = statuses
            .iter()
            .map(|name| {
                codes(name).ok_or_else(|| {
                    let known = STATUSES.iter().map(|(known, _)| *known).chain(["all"]);
                    fields.no_word("status", name, known)
                })
            })
            .collect::<Result<Vec<_>, _>>()?;
        let mut query = Self {
            filter: fields.string("filter")?.unwrap_or_default(),
            namespace: fields.string("namespace")?.unwrap_or_default(),
            statuses: codes.concat(),
            sort: fields.word("sort", &sorts)?.unwrap_or(Sort::Name),
            descending: fields
                .word("order", &[("asc", false), ("desc", true)])?
                .unwrap_or_default(),
            all,
            limit: fields
                .integer("limit", 1..=1_000_000)?
                .and_then(|limit| usize::try_from(limit).ok()),
            cursor: None,
        };
        if query.statuses.is_empty() {
            query.statuses = default_statuses(all);
        }
        if let Some(text) = fields.string("cursor")? {
            query.cursor = Some(query.resume(&text)?);
        }
        fields.finish()?;
        Ok(query)
    }

    /// What to ask Tiller for: no more than the page needs in all likelihood.
    pub(super) fn range(&self) -> Range {
        if self.sort != Sort::Name {
            return Range::default();
        }
        Range {
            // Within a release Tiller would begin with the wrong revision.
            offset: self
                .cursor
                .as_ref()
                .filter(|_| !self.all)
                .map(|last| last.name.clone()),
            limit: self
                .limit
                .filter(|_| !self.all || self.cursor.is_none())
                .map(|limit| 2 * limit + 10),
        }
    }

    /// Whether Tiller is asked for names in descending order.
    pub(super) fn by_name_descending(&self) -> bool {
        self.sort == Sort::Name && self.descending
    }

    /// What to show of a release.
    pub(super) fn select(&self, mut group: Vec<Release>) -> Vec<Release> {
        // Tillers before 2.2 do not know the parameter.
        group.retain(|release| self.namespace.is_empty() || release.namespace == self.namespace);
        group.sort_by_key(|release| release.version);
        if !self.all {
            group = group.pop().into_iter().collect();
        } else if self.descending {
            group.reverse();
        }
        group
    }

    pub(super) fn position(&self, release: &Release) -> Position {
        Position::of(release, self.sort, self.all)
    }

    /// Whether the caller does not have it yet.
    pub(super) fn is_due(&self, position: &Position) -> bool {
        match &self.cursor {
            None => true,
            Some(last) if self.descending => position < last,
            Some(last) => position > last,
        }
    }

    /// The end of a page that is not the last.
    pub(super) fn next_page(&mut self) -> End {
        match self.cursor.take() {
            None => End::Plain,
            Some(last) => End::Next(
                Cursor {
                    sort: self.sort,
                    descending: self.descending,
                    all: self.all,
                    last,
                }
                .encode(),
            ),
        }
    }

    fn resume(&self, text: &str) -> Result<Position, Problem> {
        let cursor = Cursor::decode(text).ok_or_else(|| {
            Problem::new(
                Code::InvalidRequest,
                "parameter `cursor` must be the `next` of an earlier page",
            )
        })?;
        let same = cursor.sort == self.sort
            && cursor.descending == self.descending
            && cursor.all == self.all;
        if !same {
            return Err(Problem::new(
                Code::InvalidRequest,
                "parameter `cursor` belongs to a list with another `sort`, `order` or `revisions`",
            ));
        }
        Ok(cursor.last)
    }
}

/// The codes that a name stands for.
fn codes(name: &str) -> Option<Vec<i32>> {
    if name == "all" {
        return Some(every_status(|status| status != Status::Superseded));
    }
    STATUSES
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, status)| vec![*status as i32])
}

/// Those of `helm list`; every one where every revision is wanted.
fn default_statuses(all: bool) -> Vec<i32> {
    every_status(|status| all || matches!(status, Status::Deployed | Status::Failed))
}

fn every_status(wanted: impl Fn(Status) -> bool) -> Vec<i32> {
    STATUSES
        .iter()
        .filter(|(_, status)| wanted(*status))
        .map(|(_, status)| *status as i32)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str) -> Query {
        Query::read(Some(query)).unwrap()
    }

    fn refused(query: &str) -> String {
        let problem = Query::read(Some(query)).unwrap_err();
        assert_eq!(problem.code, Code::InvalidRequest, "{query}");
        problem.detail
    }

    #[test]
    fn defaults_are_those_of_helm_list() {
        let query = Query::read(None).unwrap();
        assert_eq!(query.statuses, [1, 4]);
        assert_eq!(query.sort, Sort::Name);
        assert!(!query.descending && !query.all);
        assert_eq!(query.limit, None);
    }

    #[test]
    fn statuses_are_repeatable_and_all_is_all_but_superseded() {
        assert_eq!(
            read("status=failed&status=pending-upgrade").statuses,
            [4, 7]
        );
        assert_eq!(read("status=failed,deleted").statuses, [4, 2]);
        let mut all = read("status=all").statuses;
        all.sort_unstable();
        assert_eq!(all, [0, 1, 2, 4, 5, 6, 7, 8]);
        assert!(refused("status=deplyed").contains("did you mean `deployed`?"));
    }

    #[test]
    fn all_revisions_have_any_status() {
        assert_eq!(read("revisions=all").statuses.len(), 9);
        assert_eq!(read("revisions=all&status=failed").statuses, [4]);
    }

    #[test]
    fn p1_a_limit_below_one_is_refused() {
        for query in [
            "limit=-1",
            "limit=0",
            "limit=x",
            "limit=-9223372036854775808",
            "limit=1.5",
            "limit=99999999999",
        ] {
            assert!(refused(query).contains("`limit`"), "{query}");
        }
    }

    #[test]
    fn a_cursor_belongs_to_its_order() {
        let mut query = read("sort=updated&order=desc");
        query.cursor = Some(Position::default());
        let End::Next(next) = query.next_page() else {
            panic!("there is a next page");
        };
        assert!(
            read(&format!("sort=updated&order=desc&cursor={next}"))
                .cursor
                .is_some()
        );
        for other in [
            "sort=updated",
            "order=desc",
            "sort=chart&order=desc",
            "sort=updated&order=desc&revisions=all",
        ] {
            assert!(
                refused(&format!("{other}&cursor={next}")).contains("another"),
                "{other}"
            );
        }
        assert!(refused("cursor=x").contains("`next`"));
    }

    #[test]
    fn unknown_parameters_and_words_are_refused() {
        assert!(refused("statuses=failed").contains("did you mean `status`?"));
        assert!(refused("sort=date").contains("one of name, updated, chart"));
        assert!(refused("order=up").contains("one of asc, desc"));
    }
}
