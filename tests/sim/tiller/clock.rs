//! The time, as protobuf has it.

use std::time::SystemTime;

use prost_types::Timestamp;

pub(super) fn now() -> Timestamp {
    Timestamp::from(SystemTime::now())
}
