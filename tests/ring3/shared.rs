//! Operations that several edges share, in a real NATS server.

mod contract;
mod kit;
mod outages;
mod several;
