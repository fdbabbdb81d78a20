//! A lane on its way to whoever asked for it.
//!
//! Whoever asks may go away at any time, also when the answer is on its way already. A lane that then reached nobody
//! would keep everybody waiting until its lease is over.

use tokio::sync::mpsc::WeakSender;

use super::desk::{Desk, Order};
use crate::operations::Lane;

/// The right to a lane, which is given up if it is not taken.
pub(super) struct Lent {
    back: Option<WeakSender<Order>>,
    lane: Lane,
    fence: u64,
}

impl Lent {
    /// To be given up by way of `back`.
    pub(super) fn new(back: WeakSender<Order>, lane: Lane, fence: u64) -> Self {
        Self {
            back: Some(back),
            lane,
            fence,
        }
    }

    /// It has reached who asked for it.
    pub(super) fn taken(mut self) {
        self.back = None;
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let Some(orders) = self.back.take().and_then(|back| back.upgrade()) else {
            return;
        };
        let (lane, fence) = (self.lane.clone(), self.fence);
        let give_up = move |desk: &mut Desk| desk.give_up(&lane, fence);
        // Where there is no place in the queue, the lease's end frees it.
        let _ = orders.try_send(Order::Look(Box::new(give_up)));
    }
}
