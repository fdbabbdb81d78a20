//! What tests see and steer: the calls that arrived, and points where a call can be held.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::HeaderMap;
use tiller_api::Method;
use tokio::sync::watch;

use super::lock;

/// A call that reached this Tiller with its message whole.
#[derive(Clone, Debug)]
pub struct Call {
    /// The request's path, whether or not Tiller knows it.
    pub path: String,
    /// The request's headers.
    pub metadata: HeaderMap,
    /// The protobuf message.
    pub message: Bytes,
}

impl Call {
    /// The method, if it is one of Tiller's own.
    pub fn method(&self) -> Option<Method> {
        Method::from_path(&self.path)
    }
}

/// Where a call can be held.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Point {
    /// Everything is done, the answer (of a stream: its status) is not sent.
    Answer,
    /// The request is read, nothing is done.
    Arrival,
    /// Of a stream: that many messages are sent.
    Message(usize),
    /// The new revision is stored as pending, no object of it exists.
    Underway,
}

/// Calls of one method stop at one point while this exists.
#[derive(Debug)]
pub struct Hold {
    gate: Arc<Gate>,
    waiting: watch::Receiver<usize>,
}

impl Hold {
    /// Waits until `calls` of them have come to the point.
    pub async fn reached(&mut self, calls: usize) {
        // Not an error: the gate holds the sender.
        _ = self.waiting.wait_for(|waiting| *waiting >= calls).await;
    }

    /// Lets them go on, and later ones pass.
    pub fn release(self) {}
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.gate.open.send_replace(true);
    }
}

#[derive(Debug)]
struct Gate {
    method: Method,
    point: Point,
    open: watch::Sender<bool>,
    waiting: watch::Sender<usize>,
}

#[derive(Debug, Default)]
pub(super) struct Holds(Mutex<Vec<Arc<Gate>>>);

impl Holds {
    pub(super) fn add(&self, method: Method, point: Point) -> Hold {
        let gate = Arc::new(Gate {
            method,
            point,
            open: watch::Sender::new(false),
            waiting: watch::Sender::new(0),
        });
        let waiting = gate.waiting.subscribe();
        lock(&self.0).push(Arc::clone(&gate));
        Hold { gate, waiting }
    }

    pub(super) async fn pass(&self, method: Method, point: Point) {
        let gates: Vec<_> = {
            let mut gates = lock(&self.0);
            gates.retain(|gate| !*gate.open.borrow());
            let here = gates
                .iter()
                .filter(|g| g.method == method && g.point == point);
            here.cloned().collect()
        };
        for gate in gates {
            gate.waiting.send_modify(|waiting| *waiting += 1);
            // Not an error: the gate holds the sender.
            _ = gate.open.subscribe().wait_for(|open| *open).await;
        }
    }
}
