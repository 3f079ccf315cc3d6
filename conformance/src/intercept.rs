//! A proxy that forwards requests for Clerk's hosts to a local Clerk, so that a server with these hosts built
//! in can be tested unchanged.
//!
//! The proxy only opens tunnels (`CONNECT`, RFC 9110 §9.3.6). It does not decrypt them: the local Clerk has a
//! certificate for the hosts, issued by an authority that the server is configured to trust. The proxy
//! rejects tunnels to all other hosts, so that a test cannot reach the real Clerk by mistake.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional},
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};

/// The maximum size of the head of a `CONNECT` request.
const MAX_HEAD_BYTES: usize = 16 * 1024;

/// A running proxy. Dropping it stops the proxy and closes all tunnels.
#[derive(Debug)]
pub(crate) struct Intercept {
    address: SocketAddr,
    used: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

impl Intercept {
    /// Starts a proxy on loopback that forwards requests for `hosts` to `clerk`.
    pub(crate) async fn start(clerk: SocketAddr, hosts: Vec<String>) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let used = Arc::new(AtomicBool::new(false));
        let used_flag = Arc::clone(&used);
        let task = tokio::spawn(async move {
            let mut tunnels = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                used_flag.store(true, Ordering::Relaxed);
                let hosts = hosts.clone();
                tunnels.spawn(async move {
                    // Both ends of a broken tunnel see the error themselves.
                    let _ = tunnel(stream, clerk, &hosts).await;
                });
                while tunnels.try_join_next().is_some() {}
            }
        });
        Ok(Self { address, used, task })
    }

    /// Returns whether a client has connected.
    pub(crate) fn is_used(&self) -> bool {
        self.used.load(Ordering::Relaxed)
    }

    /// Returns the value for `HTTPS_PROXY`.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Intercept {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Serves one connection: connects it to `clerk` if it asks for one of `hosts`, and rejects it otherwise.
async fn tunnel(mut client: TcpStream, clerk: SocketAddr, hosts: &[String]) -> io::Result<()> {
    let head = head(&mut client).await?;
    let rejection = match destination(&head) {
        Some(host) if hosts.iter().any(|one| one == host) => None,
        Some(host) => Some(format!(
            "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nX-Reason: only Clerk's hosts are intercepted, not {host}\r\n\r\n"
        )),
        None => {
            Some("HTTP/1.1 405 Method Not Allowed\r\nAllow: CONNECT\r\nContent-Length: 0\r\n\r\n".to_owned())
        }
    };
    if let Some(rejection) = rejection {
        return client.write_all(rejection.as_bytes()).await;
    }
    let mut server = TcpStream::connect(clerk).await?;
    client
        .write_all(b"HTTP/1.1 200 Connection Established\r\n\r\n")
        .await?;
    copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}

/// Reads the head of the request. The client sends nothing more before it gets the response.
async fn head(client: &mut TcpStream) -> io::Result<String> {
    let mut head = Vec::new();
    let mut buffer = [0; 1024];
    while !head.ends_with(b"\r\n\r\n") {
        let count = client.read(&mut buffer).await?;
        head.extend_from_slice(buffer.get(..count).unwrap_or_default());
        if count == 0 || head.len() > MAX_HEAD_BYTES {
            return Err(io::ErrorKind::InvalidData.into());
        }
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

/// Returns the host of a `CONNECT` request for port 443, or `None` for any other request.
fn destination(head: &str) -> Option<&str> {
    let target = head.lines().next()?.strip_prefix("CONNECT ")?.split(' ').next()?;
    target.strip_suffix(":443")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_connect_requests_for_port_443_have_a_destination() {
        for (head, expected) in [
            (
                "CONNECT api.clerk.com:443 HTTP/1.1\r\n\r\n",
                Some("api.clerk.com"),
            ),
            ("CONNECT api.clerk.com:80 HTTP/1.1\r\n\r\n", None),
            ("GET http://api.clerk.com/ HTTP/1.1\r\n\r\n", None),
            ("", None),
        ] {
            assert_eq!(destination(head), expected, "{head}");
        }
    }
}
