//! Charts, from outside.

mod hostile;
mod index;
mod names;
mod oracle;
mod pack;
mod required;
mod requirements;
mod strvals;
mod support;
mod values;
mod version;
mod yaml;
