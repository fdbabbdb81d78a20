//! What should end with a request, and what should not outlive it.

use std::sync::{Mutex, PoisonError};

use spin_sdk::http::Request;
use spin_sdk::wasip3::spawn;

use crate::attempt::{Attempt, Report};
use crate::calls::Call;
use crate::{Answer, text};

/// What earlier callers got, if anything of them is left.
static HOARD: Mutex<String> = Mutex::new(String::new());

/// Shows this caller what others got, and keeps what this one gets for the next.
pub(crate) async fn hoard(request: Request) -> Answer {
    let cluster = Call::of(&request).cluster;
    let got = Attempt::list(&cluster).send().await;
    let mut hoard = HOARD.lock().unwrap_or_else(PoisonError::into_inner);
    let mut report = Report::default();
    report.note("mine", &got);
    report.note("others'", &hoard);
    hoard.push_str(&got);
    report.into_answer()
}

/// Answers, and goes on calling when the answer is over.
pub(crate) async fn outlive(request: Request) -> Answer {
    let cluster = Call::of(&request).cluster;
    spawn(async move {
        loop {
            Attempt::list(&cluster).send().await;
        }
    });
    text("done\n")
}
