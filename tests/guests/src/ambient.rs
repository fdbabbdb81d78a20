//! Authority that nobody gave: each lists what it could get, a line each, and
//! nothing where the host keeps its word.

use std::env;
use std::fs;
use std::net::{TcpListener, TcpStream, ToSocketAddrs, UdpSocket};

use spin_sdk::http::Request;

use crate::{Answer, text};

/// Arguments and environment: only the relay's address is expected.
pub(crate) async fn environment(_: Request) -> Answer {
    let arguments = env::args()
        .skip(1)
        .map(|argument| format!("argument {argument}\n"));
    let variables = env::vars().map(|(name, value)| format!("{name}={value}\n"));
    text(arguments.chain(variables).collect::<String>())
}

pub(crate) async fn filesystem(_: Request) -> Answer {
    let got = [
        ("list /", fs::read_dir("/").is_ok()),
        ("list .", fs::read_dir(".").is_ok()),
        ("read /etc/passwd", fs::read("/etc/passwd").is_ok()),
        ("read ../etc/passwd", fs::read("../etc/passwd").is_ok()),
        (
            "write guest.txt",
            fs::write("guest.txt", "was here").is_ok(),
        ),
    ];
    reached(&got)
}

pub(crate) async fn sockets(_: Request) -> Answer {
    let got = [
        ("connect tcp", TcpStream::connect(("127.0.0.1", 80)).is_ok()),
        ("listen tcp", TcpListener::bind(("127.0.0.1", 0)).is_ok()),
        ("bind udp", UdpSocket::bind(("127.0.0.1", 0)).is_ok()),
        ("resolve", ("localhost", 80).to_socket_addrs().is_ok()),
    ];
    reached(&got)
}

fn reached(got: &[(&str, bool)]) -> Answer {
    let lines = got
        .iter()
        .filter(|(_, ok)| *ok)
        .map(|(name, _)| format!("{name}\n"));
    text(lines.collect::<String>())
}
