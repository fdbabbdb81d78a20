//! Releases that are there from the start.

use sim::tiller::Seed;
use tiller_api::hapi::release::hook::Event;
use tiller_api::hapi::release::{Hook, Info, Release, Status, status::Code};

/// So many releases, each so heavy; their names are in the order of their numbers.
pub(crate) fn heavy(count: usize, padding: usize) -> impl Iterator<Item = Seed> {
    (0..count).map(move |number| Seed {
        padding,
        ..Seed::new(format!("r{number:05}"))
    })
}

/// Four releases, of which Tiller packs two into a message: it takes no more than 20 MiB.
pub(crate) fn in_two_messages() -> impl Iterator<Item = Seed> {
    heavy(4, 7 << 20)
}

/// A release of that name with so many tests, all of which pass.
pub(crate) fn tested(name: &str, tests: usize) -> Release {
    let hook = |number| Hook {
        name: format!("{name}-{number}"),
        kind: "Pod".to_owned(),
        path: format!("{name}/templates/test-{number}.yaml"),
        manifest: format!("apiVersion: v1\nkind: Pod\nmetadata:\n  name: {name}-{number}\n"),
        events: vec![Event::ReleaseTestSuccess.into()],
        ..Hook::default()
    };
    Release {
        hooks: (0..tests).map(hook).collect(),
        ..deployed(name, "")
    }
}

/// A release with so long a description, all of which lists show.
pub(crate) fn wordy(name: &str, length: usize) -> Release {
    deployed(name, &"x".repeat(length))
}

fn deployed(name: &str, description: &str) -> Release {
    let status = Status {
        code: Code::Deployed.into(),
        ..Status::default()
    };
    Release {
        name: name.to_owned(),
        namespace: "default".to_owned(),
        version: 1,
        info: Some(Info {
            status: Some(status),
            description: description.to_owned(),
            ..Info::default()
        }),
        ..Release::default()
    }
}
