//! One line of the audit log.
//!
//! Some of what it says was chosen by a caller or by whoever is taken for one: it is cut to size, and no character of it
//! ends a line, moves a terminal's cursor or turns the direction of text.

use std::fmt::Write;
use std::time::Duration;

use jiff::Timestamp;

use super::{Ended, Entry};
use crate::ingress::RequestId;

/// The longest text in a line, in characters.
const LONGEST: usize = 512;

/// The longest name of a group, in characters.
const LONGEST_GROUP: usize = 128;

/// The most groups of a principal that are listed.
const MOST_GROUPS: usize = 64;

/// What ends a text or a list that was cut.
const CUT: &str = "…";

/// What happened.
#[derive(Clone, Copy, Debug)]
pub(super) enum Event<'a> {
    /// It is about to be done.
    Begin,
    /// It is over.
    End {
        ended: Ended,
        code: Option<&'a str>,
        duration: Duration,
    },
    /// It was refused.
    Refused,
}

/// What all lines of one attempt have in common.
#[derive(Debug)]
pub(super) struct Record {
    id: RequestId,
    /// The members of a JSON object, without its braces.
    members: String,
}

impl Record {
    /// One with an id of its own: that of its request may be the caller's choice, and a request may attempt twice.
    pub(super) fn new(entry: Entry) -> Self {
        let entry = bounded(entry);
        let object = serde_json::to_string(&entry).expect("strings always serialise");
        let members = object
            .strip_prefix('{')
            .and_then(|object| object.strip_suffix('}'));
        Self {
            id: RequestId::generate(),
            members: escaped(members.expect("a struct is an object")),
        }
    }

    /// The line for `event`, which happens now.
    pub(super) fn line(&self, event: Event<'_>) -> String {
        let (name, tail) = match event {
            Event::Begin => ("begin", String::new()),
            Event::Refused => ("refused", String::new()),
            Event::End {
                ended,
                code,
                duration,
            } => ("end", tail(ended, code, duration)),
        };
        let Self { id, members } = self;
        let time = now();
        format!(r#"{{"time":"{time}","event":"{name}","id":"{id}",{members}{tail}}}"#) + "\n"
    }
}

/// The line that says that `count` refusals could not be kept until they could be written.
pub(super) fn lost(count: u64) -> String {
    let time = now();
    format!(r#"{{"time":"{time}","event":"lost","count":{count}}}"#) + "\n"
}

fn now() -> String {
    format!("{:.3}", Timestamp::now())
}

fn tail(ended: Ended, code: Option<&str>, duration: Duration) -> String {
    let outcome = match ended {
        Ended::Applied => "applied",
        Ended::NotApplied => "not_applied",
        Ended::Unknown => "unknown",
    };
    let mut tail = format!(r#","outcome":"{outcome}""#);
    if let Some(code) = code {
        let code = serde_json::Value::from(code);
        write!(tail, r#","code":{code}"#).expect("a string takes everything");
    }
    write!(tail, r#","duration_ms":{}"#, duration.as_millis()).expect("a string takes everything");
    tail
}

fn bounded(mut entry: Entry) -> Entry {
    if let Some(principal) = &mut entry.principal {
        cut(&mut principal.name, LONGEST);
        if principal.groups.len() > MOST_GROUPS {
            principal.groups.truncate(MOST_GROUPS);
            principal.groups.push(CUT.to_owned());
        }
        for group in &mut principal.groups {
            cut(group, LONGEST_GROUP);
        }
    }
    let Entry {
        request_id,
        principal: _,
        peer: _,
        action,
        dry_run: _,
        operation,
        delivery,
        rpc,
        cluster,
        tiller,
        namespace,
        release,
        rule,
        why,
        chart,
        source,
        chart_digest,
        values_digest,
    } = &mut entry;
    let optional = [
        operation,
        delivery,
        rpc,
        cluster,
        tiller,
        namespace,
        release,
        rule,
        why,
        chart,
        source,
        chart_digest,
        values_digest,
    ];
    for text in [request_id, action]
        .into_iter()
        .chain(optional.into_iter().flatten())
    {
        cut(text, LONGEST);
    }
    entry
}

fn cut(text: &mut String, longest: usize) {
    if let Some((end, _)) = text.char_indices().nth(longest) {
        text.truncate(end);
        text.push_str(CUT);
    }
}

/// JSON escapes what is below a space. Everything else that is not ASCII stands within a string, where it may be escaped.
fn escaped(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for char in json.chars() {
        if is_safe(char) {
            text.push(char);
        } else {
            for unit in char.encode_utf16(&mut [0; 2]) {
                write!(text, "\\u{unit:04x}").expect("a string takes everything");
            }
        }
    }
    text
}

/// Whether a terminal shows it as itself: not so control characters, line and paragraph separators, and the marks that
/// turn or hide text.
fn is_safe(char: char) -> bool {
    !char.is_control()
        && !matches!(char,
            '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e0fff}')
}
