//! Connections to a target, with or without TLS.

use std::{fmt, sync::Arc};

use hyper::client::conn::{
    http1::{SendRequest, handshake},
    http2,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls_platform_verifier::Verifier;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{
        ClientConfig,
        crypto::aws_lc_rs,
        pki_types::{CertificateDer, ServerName, pem::PemObject as _},
    },
};
use url::Url;

use super::{WireError, body::Body, describe};

/// The address of a target.
#[derive(Clone)]
pub(crate) struct Address {
    host: String,
    port: u16,
    tls: Option<Trust>,
}

/// The trusted certificate authorities: the system's, and optionally others.
#[derive(Clone)]
pub(crate) struct Trust(Arc<ClientConfig>);

/// TLS could not be set up.
#[derive(Debug, thiserror::Error)]
#[error("cannot set up TLS: {0}")]
pub(crate) struct TlsError(String);

impl Trust {
    /// Trusts the authorities of the system and those in `extra` (PEM).
    pub(crate) fn new(extra: Option<&str>) -> Result<Self, TlsError> {
        let failed = |error: &dyn fmt::Display| TlsError(error.to_string());
        let provider = Arc::new(aws_lc_rs::default_provider());
        let roots: Vec<CertificateDer<'static>> = extra
            .map(|pem| CertificateDer::pem_slice_iter(pem.as_bytes()).collect())
            .transpose()
            .map_err(|error| failed(&error))?
            .unwrap_or_default();
        if extra.is_some() && roots.is_empty() {
            return Err(TlsError(
                "the file with certificate authorities contains no PEM certificate".to_owned(),
            ));
        }
        let verifier =
            Verifier::new_with_extra_roots(roots, Arc::clone(&provider)).map_err(|error| failed(&error))?;
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| failed(&error))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth();
        Ok(Self(Arc::new(config)))
    }
}

impl Address {
    /// Returns the address of an http or https URL.
    pub(crate) fn of(url: &Url, trust: &Trust) -> Option<Self> {
        Some(Self {
            host: url.host_str()?.trim_matches(['[', ']']).to_owned(),
            port: url.port_or_known_default()?,
            tls: (url.scheme() == "https").then(|| trust.clone()),
        })
    }

    async fn connect_tcp(&self) -> Result<TcpStream, WireError> {
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await;
        stream.map_err(|error| self.connect_error(&error))
    }

    fn connect_error(&self, error: &dyn fmt::Display) -> WireError {
        WireError::Connect {
            address: self.to_string(),
            reason: error.to_string(),
        }
    }

    /// Opens a new connection for HTTP/2 without TLS.
    pub(super) async fn connect_http2(&self) -> Result<http2::SendRequest<Body>, WireError> {
        if self.tls.is_some() {
            return Err(self.connect_error(&"HTTP/2 is only used without TLS"));
        }
        start_http2(self.connect_tcp().await?).await
    }

    /// Opens a new connection for HTTP/1.1.
    pub(super) async fn connect(&self) -> Result<SendRequest<Body>, WireError> {
        let stream = self.connect_tcp().await?;
        match &self.tls {
            None => start_http(stream).await,
            Some(Trust(config)) => {
                let name =
                    ServerName::try_from(self.host.clone()).map_err(|error| self.connect_error(&error))?;
                let stream = TlsConnector::from(Arc::clone(config))
                    .connect(name, stream)
                    .await
                    .map_err(|error| self.connect_error(&error))?;
                start_http(stream).await
            }
        }
    }
}

/// Starts HTTP/2 on a connection, which is closed when the sender is dropped.
async fn start_http2(stream: TcpStream) -> Result<http2::SendRequest<Body>, WireError> {
    let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
        .await
        .map_err(|error| WireError::Broken(describe(&error)))?;
    tokio::spawn(async move {
        // The sender of the request gets the same error.
        let _ = connection.await;
    });
    Ok(sender)
}

/// Starts HTTP/1.1 on a connection, which is closed when the sender is dropped.
async fn start_http(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
) -> Result<SendRequest<Body>, WireError> {
    let (sender, connection) = handshake(TokioIo::new(stream))
        .await
        .map_err(|error| WireError::Broken(describe(&error)))?;
    tokio::spawn(async move {
        // The sender of the request gets the same error.
        let _ = connection.await;
    });
    Ok(sender)
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
