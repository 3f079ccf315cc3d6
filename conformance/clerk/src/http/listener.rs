//! The listener: plain or TLS, and able to reset a connection while a request on it waits for its answer.

use std::{
    collections::HashMap,
    future::Future as _,
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
};

use parking_lot::Mutex;
use poem::{
    Addr,
    http::uri::Scheme,
    listener::Acceptor,
    web::{LocalAddr, RemoteAddr},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::{Accept, TlsAcceptor, server::TlsStream};

/// The open connections, by the address of their other end.
#[derive(Clone, Debug, Default)]
pub(crate) struct Connections(Arc<Mutex<HashMap<SocketAddr, Arc<AtomicBool>>>>);

impl Connections {
    /// Ends the connection from `peer` with a TCP reset as soon as the server touches it next.
    pub(crate) fn reset(&self, peer: &RemoteAddr) {
        if let Some(doomed) = peer
            .as_socket_addr()
            .and_then(|peer| self.0.lock().get(peer).cloned())
        {
            doomed.store(true, Ordering::Release);
        }
    }
}

/// Accepts connections and registers them.
pub(crate) struct ClerkAcceptor {
    pub(crate) listener: TcpListener,
    /// Present for https.
    pub(crate) tls: Option<TlsAcceptor>,
    pub(crate) connections: Connections,
}

impl Acceptor for ClerkAcceptor {
    type Io = Connection;

    fn local_addr(&self) -> Vec<LocalAddr> {
        let address = self.listener.local_addr().ok();
        address
            .map(|address| LocalAddr(Addr::from(address)))
            .into_iter()
            .collect()
    }

    async fn accept(&mut self) -> io::Result<(Connection, LocalAddr, RemoteAddr, Scheme)> {
        let (stream, peer) = self.listener.accept().await?;
        let local = stream.local_addr()?;
        // Answers are small and written at once: waiting for more to send only delays them.
        stream.set_nodelay(true)?;
        let doomed = Arc::new(AtomicBool::new(false));
        self.connections.0.lock().insert(peer, Arc::clone(&doomed));
        let (stream, scheme) = match &self.tls {
            // The handshake happens with the first read: a slow client must not hold up the others.
            Some(tls) => (Stream::Handshake(Box::new(tls.accept(stream))), Scheme::HTTPS),
            None => (Stream::Plain(stream), Scheme::HTTP),
        };
        let connection = Connection {
            stream,
            doomed,
            peer,
            connections: self.connections.clone(),
        };
        let (local, remote) = (LocalAddr(Addr::from(local)), RemoteAddr(Addr::from(peer)));
        Ok((connection, local, remote, scheme))
    }
}

/// One connection.
pub(crate) struct Connection {
    stream: Stream,
    doomed: Arc<AtomicBool>,
    peer: SocketAddr,
    connections: Connections,
}

enum Stream {
    Plain(TcpStream),
    Handshake(Box<Accept<TcpStream>>),
    Tls(Box<TlsStream<TcpStream>>),
    /// The handshake failed.
    Closed,
}

impl Connection {
    /// Ends the handshake when there is one, and refuses when the connection is to be reset.
    fn poll_open(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<&mut Stream>> {
        if self.doomed.load(Ordering::Acquire) {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        if let Stream::Handshake(accept) = &mut self.stream {
            self.stream = match ready!(Pin::new(accept).poll(cx)) {
                Ok(stream) => Stream::Tls(Box::new(stream)),
                Err(error) => {
                    self.stream = Stream::Closed;
                    return Poll::Ready(Err(error));
                }
            };
        }
        Poll::Ready(Ok(&mut self.stream))
    }
}

fn closed<T>() -> Poll<io::Result<T>> {
    Poll::Ready(Err(io::ErrorKind::NotConnected.into()))
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match ready!(self.poll_open(cx))? {
            Stream::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            Stream::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
            Stream::Handshake(_) | Stream::Closed => closed(),
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match ready!(self.poll_open(cx))? {
            Stream::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Stream::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
            Stream::Handshake(_) | Stream::Closed => closed(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match ready!(self.poll_open(cx))? {
            Stream::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Handshake(_) | Stream::Closed => closed(),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match ready!(self.poll_open(cx))? {
            Stream::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Handshake(_) | Stream::Closed => closed(),
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        {
            // The other end may have used its port again already: that connection stays registered.
            let mut open = self.connections.0.lock();
            if open
                .get(&self.peer)
                .is_some_and(|doomed| Arc::ptr_eq(doomed, &self.doomed))
            {
                open.remove(&self.peer);
            }
        }
        if !self.doomed.load(Ordering::Acquire) {
            return;
        }
        let tcp = match &self.stream {
            Stream::Plain(stream) => stream,
            Stream::Tls(stream) => stream.get_ref().0,
            Stream::Handshake(_) | Stream::Closed => return,
        };
        // Closing a socket that must not linger sends RST instead of FIN. Where that fails, it is closed anyway.
        let _ = tcp.set_zero_linger();
    }
}
