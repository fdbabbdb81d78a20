//! What hooks make of the payloads they are sent.
//!
//! A provider's payload becomes [`Event`]s, and each of a hook's [`Rule`]s says which events it is about and what is to be
//! done then: requests of the REST interface, to be carried out later. Nothing here sends, stores or believes anything: the
//! host has verified a delivery before it is read, and judges every request that comes of it when it is carried out.
//!
//! A component reads payloads with this crate, in a sandbox; the host reads rules with it, to refuse at its start those
//! that make no sense.

mod compile;
mod event;
mod expression;
mod find;
mod hook;
mod judge;
mod keel;
mod outcome;
mod path;
mod provider;
mod read;
mod request;
mod rule;
mod template;

pub use compile::{RuleError, Rules, compile};
pub use event::{Event, Image, Kind};
pub use find::{Finder, Look, QuestError};
pub use hook::{Candidate, DISCOVER, Found, HOOK, Hook, Quest};
pub use judge::{Judged, MAX_WANTED, TooMuch};
pub use outcome::{Outcome, Seen, Verdict, Wanted};
pub use provider::Provider;
pub use read::{MAX_EVENTS, ReadError, read};
pub use rule::{ChartChange, Coalesce, Discover, Paths, Rule, Target, Upgrade};
