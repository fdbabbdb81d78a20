//! Using up what a request may use: processor, memory, stack, calls, log.

use std::hint::black_box;

use futures::future::join_all;
use spin_sdk::http::{Request, send};

use crate::calls::Call;
use crate::{Answer, text};

/// Memory, without end.
pub(crate) async fn allocate(_: Request) -> Answer {
    let mut kept: Vec<Vec<u8>> = Vec::new();
    loop {
        kept.push(vec![1; 1 << 20]);
        black_box(&kept);
    }
}

/// Sixteen MiB to standard output and error.
pub(crate) async fn chatter(_: Request) -> Answer {
    let line = "chatter ".repeat(1 << 10);
    for _ in 0..1024 {
        println!("{line}");
        eprintln!("{line}");
    }
    text("said it all\n")
}

/// A thousand calls to the relay at once; tells how many were answered.
pub(crate) async fn flood(request: Request) -> Answer {
    let call = Call::of(&request);
    let calls = (0..1000).map(|_| send(call.list()));
    let answered = join_all(calls)
        .await
        .iter()
        .filter(|answer| answer.is_ok())
        .count();
    text(format!("{answered}\n"))
}

pub(crate) async fn panic(_: Request) -> Answer {
    panic!("the guest panics");
}

/// Stack, without end.
pub(crate) async fn recurse(_: Request) -> Answer {
    fn deeper(depth: u64) -> u64 {
        match black_box(depth) {
            u64::MAX => 0,
            depth => deeper(depth + 1) + black_box(depth),
        }
    }
    text(format!("{}\n", deeper(0)))
}

/// Processor, without end.
pub(crate) async fn spin(_: Request) -> Answer {
    let mut number = 1_u64;
    loop {
        number = black_box(
            number
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1),
        );
    }
}

pub(crate) async fn trap(_: Request) -> Answer {
    core::arch::wasm32::unreachable()
}
