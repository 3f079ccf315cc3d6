//! The load generator: a few hundred keep-alive connections on one thread. It writes prepared bytes and looks
//! at no more of a response than its status and its end, so that it takes little of the processor.

use std::{
    io,
    net::SocketAddr,
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use futures_util::future::try_join_all;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// The outcome of a load.
pub(crate) struct Outcome {
    pub(crate) requests: usize,
    pub(crate) seconds: f64,
    /// The response time that 99 % of the requests did not exceed.
    pub(crate) p99: Duration,
}

/// Sends `requests` in turn on `connections` for `duration`. With `once`, each is sent once at most.
///
/// # Errors
/// An I/O error, or a response with another status than `status`.
pub(crate) async fn load(
    address: SocketAddr,
    requests: &[Vec<u8>],
    status: u16,
    connections: usize,
    duration: Duration,
    once: bool,
) -> io::Result<Outcome> {
    let next = AtomicUsize::new(0);
    let begun = Instant::now();
    let connection = async || {
        let mut stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (mut times, mut buffer) = (Vec::new(), Vec::with_capacity(16 * 1024));
        while begun.elapsed() < duration {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let index = if once { number } else { number % requests.len() };
            let Some(request) = requests.get(index) else {
                break;
            };
            let sent = Instant::now();
            stream.write_all(request).await?;
            buffer.clear();
            while !is_complete(&buffer) {
                if stream.read_buf(&mut buffer).await? == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
            }
            times.push(sent.elapsed());
            if !buffer.starts_with(format!("HTTP/1.1 {status}").as_bytes()) {
                return Err(io::Error::other(String::from_utf8_lossy(&buffer).into_owned()));
            }
        }
        Ok(times)
    };
    let times = try_join_all((0..connections).map(|_| connection())).await?;
    let seconds = begun.elapsed().as_secs_f64();
    let mut times = times.concat();
    times.sort_unstable();
    Ok(Outcome {
        requests: times.len(),
        seconds,
        p99: times.get(times.len() * 99 / 100).copied().unwrap_or_default(),
    })
}

/// Returns whether `response` has its whole body, by its length or its last chunk.
fn is_complete(response: &[u8]) -> bool {
    let Some(end) = response.windows(4).position(|bytes| bytes == b"\r\n\r\n") else {
        return false;
    };
    let (head, body) = response.split_at(end + 4);
    let length = head.split(|byte| *byte == b'\n').find_map(|line| {
        let (name, value) = line.split_at_checked("content-length:".len())?;
        name.eq_ignore_ascii_case(b"content-length:")
            .then(|| std::str::from_utf8(value).ok()?.trim().parse::<usize>().ok())
            .flatten()
    });
    match length {
        Some(length) => body.len() >= length,
        None => body.ends_with(b"0\r\n\r\n"),
    }
}
