//! Proxies that note what they are asked for and do it.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A proxy on loopback. Dropping it ends it.
pub(crate) struct Proxy {
    addr: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
    serving: JoinHandle<()>,
}

impl Proxy {
    /// One that takes CONNECT; it notes the whole head.
    pub(crate) async fn http() -> Self {
        Self::start(|mut client| async move {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(client.read_u8().await.unwrap());
            }
            let head = String::from_utf8(head).unwrap();
            let target = head.split(' ').nth(1).unwrap().to_owned();
            client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
            (client, head, target)
        })
        .await
    }

    /// One that speaks SOCKS5 without a login; it notes the name and port.
    pub(crate) async fn socks() -> Self {
        Self::start(|mut client| async move {
            let mut greeting = [0; 2];
            client.read_exact(&mut greeting).await.unwrap();
            let mut methods = vec![0; greeting[1].into()];
            client.read_exact(&mut methods).await.unwrap();
            client.write_all(&[5, 0]).await.unwrap();
            let mut connect = [0; 5];
            client.read_exact(&mut connect).await.unwrap();
            assert_eq!(
                connect[..4],
                [5, 1, 0, 3],
                "a name to be resolved by the proxy"
            );
            let mut name = vec![0; connect[4].into()];
            client.read_exact(&mut name).await.unwrap();
            let port = client.read_u16().await.unwrap();
            client
                .write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0])
                .await
                .unwrap();
            let target = format!("{}:{port}", String::from_utf8(name).unwrap());
            (client, target.clone(), target)
        })
        .await
    }

    async fn start<F, R>(handshake: F) -> Self
    where
        F: Fn(TcpStream) -> R + Send + Sync + 'static,
        R: Future<Output = (TcpStream, String, String)> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let noted = Arc::clone(&asked);
        let serving = tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let handshake = handshake(client);
                let noted = Arc::clone(&noted);
                tokio::spawn(async move {
                    let (mut client, note, target) = handshake.await;
                    noted.lock().unwrap().push(note);
                    let mut server = TcpStream::connect(target).await.unwrap();
                    copy_bidirectional(&mut client, &mut server).await.ok();
                });
            }
        });
        Self {
            addr,
            asked,
            serving,
        }
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.serving.abort();
    }
}
