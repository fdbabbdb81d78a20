//! Ring 2: the edge with its real components in front of the simulated cluster, and everything that goes wrong.
//!
//! Each test has an edge and a cluster of its own, in its own process, and ends with [`support::Stage::end`], which
//! insists that every counter is back at zero: sandboxes, calls, connections, memory.

mod access;
mod bodies;
mod charts;
mod faults;
mod guests;
mod hazards;
mod hooks;
mod life;
mod operations;
mod streams;
mod support;
mod survival;
