//! Trouble on every hop behind the edge, over both transports: a clear answer, an honest `outcome`, nothing sent twice,
//! nothing left, no wait beyond the deadline.

mod answers;
mod credentials;
mod deaths;
mod departures;
mod kubernetes;
mod pool;
mod services;
mod wires;

use rest::problem::{Code, Outcome, Problem};
use tiller_api::Method;

use crate::support::{Answer, Ask, Stage, Transport, charts, get, post};

/// The name of the release that [`Kind::Mutation`] installs.
const NAME: &str = "web";

/// Who looks at the trouble.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    /// A list.
    Read,
    /// An install.
    Mutation,
}

impl Kind {
    const BOTH: [Self; 2] = [Self::Read, Self::Mutation];

    fn ask(self, transport: Transport) -> Ask {
        let releases = transport.path("releases");
        match self {
            Self::Read => get(releases),
            Self::Mutation => post(releases).json(&charts::install(NAME)),
        }
    }

    fn method(self) -> Method {
        match self {
            Self::Read => Method::ListReleases,
            Self::Mutation => Method::InstallRelease,
        }
    }

    /// What to say of a call of which nothing is proven.
    fn unproven(self) -> Outcome {
        Outcome::unproven(self.method())
    }
}

impl Stage {
    /// How often Tiller was asked to do it.
    fn arrived(&self, kind: Kind) -> usize {
        self.cluster.tiller().count(kind.method())
    }

    /// Insists on the problem, and that it is true: a mutation arrived once at most, and not at all if it says so.
    #[track_caller]
    fn admits(
        &self,
        (transport, kind): (Transport, Kind),
        answer: &Answer,
        code: Code,
        outcome: Outcome,
    ) -> Problem {
        let problem = answer.refused(code, outcome);
        assert_eq!(problem.cluster.as_deref(), Some("sim"), "{answer}");
        let tiller = (transport == Transport::Grpc).then_some("grpc");
        assert_eq!(problem.tiller.as_deref(), tiller, "{answer}");
        if kind == Kind::Mutation {
            let most = usize::from(outcome == Outcome::Unknown);
            assert!(self.arrived(kind) <= most, "{} times", self.arrived(kind));
        }
        problem
    }
}
