//! Grants by whom they are for, so that a decision does not look at those of others.

use std::collections::HashMap;
use std::sync::Arc;

use super::rule::{Grant, Who};
use crate::access::Principal;

/// All grants. Each list is in the order of the file.
#[derive(Debug, Default)]
pub(super) struct Index {
    principals: HashMap<String, Vec<Arc<Grant>>>,
    groups: HashMap<String, Vec<Arc<Grant>>>,
    /// Those that have a `*` in a name: they are tried for everybody.
    patterns: Vec<Arc<Grant>>,
}

impl Index {
    /// Those that are for `principal`, in no order; one that names it more than once may come more than once.
    pub(super) fn of<'a>(&'a self, principal: &Principal) -> impl Iterator<Item = &'a Grant> {
        let own = self.principals.get(&principal.name);
        let groups = principal
            .groups
            .iter()
            .filter_map(|group| self.groups.get(group));
        let patterns = self
            .patterns
            .iter()
            .filter(|grant| grant.who.names(principal));
        own.into_iter()
            .chain(groups)
            .flatten()
            .chain(patterns)
            .map(Arc::as_ref)
    }

    fn add(&mut self, grant: &Arc<Grant>) {
        let is_pattern = |name: &&String| name.contains('*');
        let Who {
            principals, groups, ..
        } = &grant.who;
        for (index, names) in [
            (&mut self.principals, principals),
            (&mut self.groups, groups),
        ] {
            for name in names.iter().filter(|name| !is_pattern(name)) {
                index
                    .entry(name.clone())
                    .or_default()
                    .push(Arc::clone(grant));
            }
        }
        if principals
            .iter()
            .chain(groups)
            .any(|name| is_pattern(&name))
        {
            self.patterns.push(Arc::clone(grant));
        }
    }
}

impl FromIterator<Grant> for Index {
    fn from_iter<I: IntoIterator<Item = Grant>>(grants: I) -> Self {
        let mut index = Self::default();
        for grant in grants {
            index.add(&Arc::new(grant));
        }
        index
    }
}
