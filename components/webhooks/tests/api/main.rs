//! The component's routes, end to end, against a relay made of memory.

mod deliveries;
mod discovery;
mod fake;
mod routes;
