//! What a component may do to its host, on purpose: one component whose path
//! selects the behaviour.
//!
//! `GET /` lists the behaviours' names, one a line, so that a test can insist
//! that each is tested. `?cluster=` names the cluster for those that call the
//! relay (default `sim`). A behaviour that is refused something by the host
//! answers 200 and `refused: …`; whatever else it gets it passes on as it is.
#![cfg(target_family = "wasm")]

mod ambient;
mod answers;
mod attempt;
mod calls;
mod elsewhere;
mod exhaust;
mod forge;
mod message;
mod moments;

use bytes::Bytes;
use http::StatusCode;
use http_body_util::Full;
use spin_sdk::http::{IntoResponse, Request};
use spin_sdk::http_service;
use spin_sdk::wasip3::http::types::{ErrorCode, Response};

/// What a behaviour comes to: an answer, or no answer at all.
type Answer = Result<Response, ErrorCode>;

macro_rules! behaviours {
    ($($name:literal => $behaviour:path,)*) => {
        const NAMES: &[&str] = &[$($name),*];

        async fn behave(name: &str, request: Request) -> Answer {
            match name {
                $($name => $behaviour(request).await,)*
                _ => StatusCode::NOT_FOUND.into_response(),
            }
        }
    };
}

behaviours! {
    // plain
    "count" => answers::count,
    "echo" => answers::echo,
    "hello" => answers::hello,
    "large" => answers::large,
    // answers that are wrong or never complete
    "fail" => answers::fail,
    "forge-response-headers" => answers::forge_response_headers,
    "hang" => answers::hang,
    "huge-header" => answers::huge_header,
    "overlong" => answers::overlong,
    "short" => answers::short,
    "split-header" => answers::split_header,
    "stall" => answers::stall,
    "trap-mid-stream" => answers::trap_mid_stream,
    // more than one request may use
    "allocate" => exhaust::allocate,
    "chatter" => exhaust::chatter,
    "flood" => exhaust::flood,
    "panic" => exhaust::panic,
    "recurse" => exhaust::recurse,
    "spin" => exhaust::spin,
    "trap" => exhaust::trap,
    // authority that nobody gave
    "environment" => ambient::environment,
    "filesystem" => ambient::filesystem,
    "sockets" => ambient::sockets,
    // calls to the relay, and past it
    "list" => calls::list,
    "foreign-authority" => calls::foreign_authority,
    "foreign-host-header" => calls::foreign_host_header,
    "foreign-method" => calls::foreign_method,
    "foreign-path" => calls::foreign_path,
    "forge-audit-headers" => calls::forge_audit_headers,
    "forge-authorization" => calls::forge_authorization,
    "get" => calls::get,
    "html" => calls::html,
    "no-frame" => calls::no_frame,
    "trailer-frame" => calls::trailer_frame,
    "truncated-frame" => calls::truncated_frame,
    "two-frames" => calls::two_frames,
    // what is somewhere else
    "foreign-apiserver-path" => elsewhere::foreign_apiserver_path,
    "foreign-chart" => elsewhere::foreign_chart,
    "foreign-cluster" => elsewhere::foreign_cluster,
    "foreign-destination" => elsewhere::foreign_destination,
    "foreign-install" => elsewhere::foreign_install,
    "foreign-inventory" => elsewhere::foreign_inventory,
    "foreign-list" => elsewhere::foreign_list,
    "foreign-release" => elsewhere::foreign_release,
    "foreign-revision" => elsewhere::foreign_revision,
    "foreign-service" => elsewhere::foreign_service,
    // heads and messages that are not what they seem
    "change-of-mind" => forge::change_of_mind,
    "compressed" => forge::compressed,
    "dry-run-that-is-none" => forge::dry_run_that_is_none,
    "duplicate-fields" => forge::duplicate_fields,
    "forge-connection-headers" => forge::forge_connection_headers,
    "forge-identity" => forge::forge_identity,
    "forge-pseudo-headers" => forge::forge_pseudo_headers,
    "forge-trailers" => forge::forge_trailers,
    "second-message" => forge::second_message,
    "smuggle-by-length" => forge::smuggle_by_length,
    "unknown-fields" => forge::unknown_fields,
    // more than one request
    "hoard" => moments::hoard,
    "outlive" => moments::outlive,
}

#[http_service]
async fn serve(request: Request) -> Answer {
    let path = request.uri().path().to_owned();
    match path.rsplit('/').next().unwrap_or_default() {
        "" => text(
            NAMES
                .iter()
                .map(|name| format!("{name}\n"))
                .collect::<String>(),
        ),
        name => behave(name, request).await,
    }
}

fn text(text: impl Into<String>) -> Answer {
    let text = text.into();
    http::Response::builder()
        .header("content-type", "text/plain; charset=utf-8")
        .header("content-length", text.len())
        .body(Full::new(Bytes::from(text)))
        .expect("constant names and a number are valid headers")
        .into_response()
}

fn refused(error: impl std::fmt::Debug) -> Answer {
    text(format!("refused: {error:?}\n"))
}
