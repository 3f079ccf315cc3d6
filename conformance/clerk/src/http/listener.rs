//! The listener, for http and https. It can reset a connection while a request on it waits for its response.

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

/// The open connections by peer address, each with a flag that requests a reset.
#[derive(Clone, Debug, Default)]
pub(crate) struct Connections(Arc<Mutex<HashMap<SocketAddr, Arc<AtomicBool>>>>);

impl Connections {
    /// Resets the connection from `peer` (TCP RST) when the server next reads from it or writes to it.
    pub(crate) fn reset(&self, peer: &RemoteAddr) {
        if let Some(reset_requested) = peer
            .as_socket_addr()
            .and_then(|peer| self.0.lock().get(peer).cloned())
        {
            reset_requested.store(true, Ordering::Release);
        }
    }
}

/// Accepts connections and registers them in [`Connections`].
pub(crate) struct ClerkAcceptor {
    pub(crate) listener: TcpListener,
    /// `Some` for https.
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
        // Responses are small and written at once, so Nagle's algorithm would only delay them.
        stream.set_nodelay(true)?;
        let reset_requested = Arc::new(AtomicBool::new(false));
        self.connections
            .0
            .lock()
            .insert(peer, Arc::clone(&reset_requested));
        let (stream, scheme) = match &self.tls {
            // The handshake runs with the first read, so that a slow client does not block other connections.
            Some(tls) => (Stream::Handshake(Box::new(tls.accept(stream))), Scheme::HTTPS),
            None => (Stream::Plain(stream), Scheme::HTTP),
        };
        let connection = Connection {
            stream,
            reset_requested,
            peer,
            connections: self.connections.clone(),
        };
        let (local, remote) = (LocalAddr(Addr::from(local)), RemoteAddr(Addr::from(peer)));
        Ok((connection, local, remote, scheme))
    }
}

/// An accepted connection.
pub(crate) struct Connection {
    stream: Stream,
    reset_requested: Arc<AtomicBool>,
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
    /// Returns the stream after completing a pending handshake. Fails if a reset was requested.
    fn poll_stream(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<&mut Stream>> {
        if self.reset_requested.load(Ordering::Acquire) {
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

fn not_connected<T>() -> Poll<io::Result<T>> {
    Poll::Ready(Err(io::ErrorKind::NotConnected.into()))
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match ready!(self.poll_stream(cx))? {
            Stream::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            Stream::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
            Stream::Handshake(_) | Stream::Closed => not_connected(),
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match ready!(self.poll_stream(cx))? {
            Stream::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Stream::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
            Stream::Handshake(_) | Stream::Closed => not_connected(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match ready!(self.poll_stream(cx))? {
            Stream::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Handshake(_) | Stream::Closed => not_connected(),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match ready!(self.poll_stream(cx))? {
            Stream::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Handshake(_) | Stream::Closed => not_connected(),
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        {
            // If the peer has already reused its port, the newer connection stays registered.
            let mut open = self.connections.0.lock();
            if open
                .get(&self.peer)
                .is_some_and(|reset_requested| Arc::ptr_eq(reset_requested, &self.reset_requested))
            {
                open.remove(&self.peer);
            }
        }
        if !self.reset_requested.load(Ordering::Acquire) {
            return;
        }
        let tcp = match &self.stream {
            Stream::Plain(stream) => stream,
            Stream::Tls(stream) => stream.get_ref().0,
            Stream::Handshake(_) | Stream::Closed => return,
        };
        // With zero linger, closing the socket sends RST instead of FIN. If setting it fails, the socket is
        // just closed.
        let _ = tcp.set_zero_linger();
    }
}
