//! The component's routes, end to end, against a relay made of memory.

mod access;
mod clusters;
mod deletes;
mod deployed;
mod fake;
mod guards;
mod hostile;
mod installs;
mod lists;
mod pages;
mod plans;
mod reads;
mod repositories;
mod requirements;
mod rollbacks;
mod routes;
mod runs;
mod sources;
mod upgrades;
mod values;
mod withheld;
