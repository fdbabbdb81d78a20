//! The generated messages, one module a proto package.

/// Charts and values.
#[expect(
    clippy::use_self,
    missing_docs,
    reason = "generated; the .proto files say what is not obvious"
)]
pub mod chart {
    include!(concat!(env!("OUT_DIR"), "/hapi.chart.rs"));
}

/// Releases, their hooks, status and tests.
#[expect(
    missing_docs,
    reason = "generated; the .proto files say what is not obvious"
)]
pub mod release {
    include!(concat!(env!("OUT_DIR"), "/hapi.release.rs"));
}

/// Services.
pub mod services {
    /// Requests and answers of the ten methods.
    #[expect(
        missing_docs,
        reason = "generated; the .proto files say what is not obvious"
    )]
    pub mod tiller {
        include!(concat!(env!("OUT_DIR"), "/hapi.services.tiller.rs"));
    }
}

/// Tiller's own version.
#[expect(
    missing_docs,
    reason = "generated; the .proto files say what is not obvious"
)]
pub mod version {
    include!(concat!(env!("OUT_DIR"), "/hapi.version.rs"));
}
