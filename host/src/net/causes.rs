//! Errors as people read them.

use std::error::Error;
use std::fmt;

use hyper_util::client::legacy::Error as ClientError;

/// An error and what caused it, in one line, without what says nothing to a person: hyper-util's names of its own
/// stages, a cause that its effect has quoted, rustls' links to its manual.
pub(crate) struct Causes<'a>(pub(crate) &'a (dyn Error + 'static));

impl fmt::Display for Causes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut said = String::new();
        let mut next = Some(self.0);
        while let Some(error) = next {
            next = error.source();
            if error.is::<ClientError>() && next.is_some() {
                continue;
            }
            let text = error.to_string();
            let text = text.split(": https://docs.rs/").next().unwrap_or_default();
            if said.is_empty() {
                said.push_str(text);
            } else if !said.ends_with(text) {
                said.push_str(": ");
                said.push_str(text);
            }
        }
        f.write_str(&said)
    }
}
