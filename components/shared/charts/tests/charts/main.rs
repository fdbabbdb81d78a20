//! Charts, from outside.

mod hostile;
mod names;
mod oracle;
mod pack;
mod support;
mod values;
mod yaml;
