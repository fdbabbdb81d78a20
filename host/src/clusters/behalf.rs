//! On whose behalf a request goes to an APIServer.

use secrecy::SecretString;

use crate::access::Principal;

/// Whoever a request to an APIServer is made for. What of it the APIServer gets to see is for the cluster to say.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Behalf<'a> {
    /// Who it is at that cluster.
    pub(crate) principal: &'a Principal,
    /// The caller's own credential: the whole value of `Authorization`.
    pub(crate) authorization: Option<&'a SecretString>,
}
