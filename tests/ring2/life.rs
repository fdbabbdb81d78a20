//! An edge under load, on its way out, and what it calls a request.

mod busy;
mod crowd;
mod drain;
mod names;
mod secrets;
