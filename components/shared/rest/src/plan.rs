//! What a request to change a release comes to, found out without asking anybody.
//!
//! A request that is to be carried out later is read at once, so that its caller hears at once what is wrong with it. The
//! host sends it to the component with the header [`PLAN`]: the component reads and checks the whole of it as ever and
//! answers with a [`Plan`] in place of calling anything.

use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{relay::Target, route::release_path};

/// The header by which a host asks for the plan of a request. No caller's reaches a component.
pub const PLAN: &str = "x-tiller-edge-plan";

/// What a request to change a release is about.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// The action as grants name it: `install`, `upgrade`, `rollback`, `uninstall` or `test`.
    pub action: String,
    /// The cluster's name at this edge.
    pub cluster: String,
    /// The tiller's name in the cluster; the default one if none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tiller: Option<String>,
    /// The release; none if Tiller is to make up a name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<String>,
    /// The namespace, where the request names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Whether it is only asked what the request would do.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
    /// How long Tiller may take for each hook and each wait, in seconds.
    pub timeout: u64,
}

/// The header of a call that says how it is undone should it fail: an [`Undo`], see [`Undo::to_header`].
pub const UNDO: &str = "x-tiller-edge-undo";

/// What undoes a change that failed. Whoever finds out later that it did needs nothing else to carry on.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Undo {
    /// The revision to go back to; none if the release is to be purged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<i32>,
    /// As in the change.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub disable_hooks: bool,
    /// As in the change.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub recreate_pods: bool,
    /// As in the change.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub force: bool,
    /// As in the change.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cleanup_on_fail: bool,
}

impl Undo {
    /// Itself as the value of a header: JSON.
    pub fn to_header(&self) -> String {
        serde_json::to_string(self).expect("numbers always serialise")
    }

    /// What a header says; none if it is no such header.
    pub fn from_header(value: &[u8]) -> Option<Self> {
        serde_json::from_slice(value).ok()
    }

    /// The request of the REST interface that does it: its method, its path and its body. `timeout` is in seconds.
    pub fn request(&self, target: &Target, release: &str, timeout: u64) -> (Method, String, Value) {
        let path = release_path(target, release);
        match self.revision {
            None => {
                let body =
                    json!({"purge": true, "disable_hooks": self.disable_hooks, "timeout": timeout});
                (Method::DELETE, path, body)
            }
            Some(revision) => {
                let body = json!({
                    "revision": revision,
                    "wait": true,
                    "timeout": timeout,
                    "disable_hooks": self.disable_hooks,
                    "recreate_pods": self.recreate_pods,
                    "force": self.force,
                    "cleanup_on_fail": self.cleanup_on_fail,
                });
                (Method::POST, format!("{path}/rollback"), body)
            }
        }
    }
}
