//! What can be wrong with a store.

use std::sync::{Arc, Mutex};

use tokio::sync::watch;

use super::lock;

/// What a request asks for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Part {
    /// An archive, or what is none of the others.
    Archive,
    /// The index.
    Index,
    /// A signature.
    Provenance,
}

impl Part {
    pub(super) fn of(path: &str) -> Self {
        if path.ends_with("/index.yaml") {
            Self::Index
        } else if path.ends_with(".prov") {
            Self::Provenance
        } else {
            Self::Archive
        }
    }
}

/// How a request is answered instead.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Fault {
    /// With this status and this body.
    Answer(u16, String),
    /// With what was asked for, and after it bytes without end.
    Endless,
    /// With what was asked for and a `content-length` that leaves its last byte out, so that what arrives looks whole.
    Length,
    /// With a 302 to this URL.
    Redirect(String),
    /// With one bit of what was asked for, in its middle, turned.
    Tamper,
    /// With half of what was asked for; then the connection ends.
    Truncate,
}

/// Answers stop while this exists.
#[derive(Debug)]
pub struct Hold {
    gate: Gate,
    waiting: watch::Receiver<usize>,
}

impl Hold {
    /// Waits until so many answers have stopped.
    pub async fn reached(&mut self, answers: usize) {
        // Not an error: the gate holds the sender.
        _ = self.waiting.wait_for(|waiting| *waiting >= answers).await;
    }

    /// Lets them go on, and later ones pass.
    pub fn release(self) {}
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.gate.0.open.send_replace(true);
    }
}

/// Where answers stop; clones are the same.
#[derive(Clone, Debug)]
pub(super) struct Gate(Arc<Doors>);

#[derive(Debug)]
struct Doors {
    open: watch::Sender<bool>,
    waiting: watch::Sender<usize>,
}

impl Gate {
    pub(super) fn new() -> (Self, Hold) {
        let gate = Self(Arc::new(Doors {
            open: watch::Sender::new(false),
            waiting: watch::Sender::new(0),
        }));
        let waiting = gate.0.waiting.subscribe();
        (gate.clone(), Hold { gate, waiting })
    }

    pub(super) async fn pass(&self) {
        let mut open = self.0.open.subscribe();
        if !*open.borrow_and_update() {
            self.0.waiting.send_modify(|waiting| *waiting += 1);
        }
        // Not an error: the gate holds the sender.
        _ = open.wait_for(|open| *open).await;
    }
}

#[derive(Debug, Default)]
pub(super) struct Faults(Mutex<Armed>);

#[derive(Debug, Default)]
struct Armed {
    faults: Vec<(Part, Fault)>,
    gates: Vec<(Part, Gate)>,
}

impl Faults {
    pub(super) fn set(&self, part: Part, fault: Fault) {
        let mut armed = lock(&self.0);
        armed.faults.retain(|(other, _)| *other != part);
        armed.faults.push((part, fault));
    }

    pub(super) fn clear(&self) {
        lock(&self.0).faults.clear();
    }

    pub(super) fn hold(&self, part: Part, gate: Gate) {
        let mut armed = lock(&self.0);
        armed.gates.retain(|(_, gate)| !*gate.0.open.borrow());
        armed.gates.push((part, gate));
    }

    pub(super) fn fault(&self, part: Part) -> Option<Fault> {
        let armed = lock(&self.0);
        let mut faults = armed.faults.iter();
        let found = faults.find(|(other, _)| *other == part);
        found.map(|(_, fault)| fault.clone())
    }

    pub(super) fn gates(&self, part: Part) -> Vec<Gate> {
        let armed = lock(&self.0);
        let here = armed.gates.iter().filter(|(other, _)| *other == part);
        here.map(|(_, gate)| gate.clone()).collect()
    }
}
