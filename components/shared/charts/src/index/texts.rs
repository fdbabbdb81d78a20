//! Texts, each kept once.
//!
//! The versions of a chart have most of their texts in common.

use std::{
    collections::{HashMap, hash_map::RandomState},
    hash::BuildHasher as _,
};

use super::IndexError;

/// All texts of an index, one after the other.
#[derive(Debug, Default)]
pub(super) struct Texts {
    all: Box<str>,
}

/// A text among them. Of equal ones there is one, nearly always.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Text {
    start: u32,
    len: u32,
}

/// Collects [`Texts`].
#[derive(Default)]
pub(super) struct Collector {
    all: String,
    known: HashMap<u64, Text>,
    hasher: RandomState,
}

impl Texts {
    pub(super) fn text(&self, text: Text) -> &str {
        slice(&self.all, text)
    }

    pub(super) fn size(&self) -> usize {
        self.all.len()
    }
}

impl Collector {
    pub(super) fn add(&mut self, text: &str) -> Result<Text, IndexError> {
        if text.is_empty() {
            return Ok(Text::default());
        }
        let hash = self.hasher.hash_one(text);
        if let Some(known) = self.known.get(&hash)
            && slice(&self.all, *known) == text
        {
            return Ok(*known);
        }
        let small = |length: usize| {
            u32::try_from(length).map_err(|_| IndexError::limit("bytes", u32::MAX as usize))
        };
        let added = Text {
            start: small(self.all.len())?,
            len: small(text.len())?,
        };
        self.all.push_str(text);
        if self.known.len() < KNOWN {
            self.known.insert(hash, added);
        }
        Ok(added)
    }

    pub(super) fn text(&self, text: Text) -> &str {
        slice(&self.all, text)
    }

    pub(super) fn finish(self) -> Texts {
        Texts {
            all: self.all.into_boxed_str(),
        }
    }
}

fn slice(all: &str, Text { start, len }: Text) -> &str {
    let start = start as usize;
    all.get(start..start + len as usize).unwrap_or_default()
}

/// How many texts are recognised when they come again. An index of 64 MiB seldom has so many.
const KNOWN: usize = 1 << 20;
