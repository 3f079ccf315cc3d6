//! A certificate authority that lives as long as its process: https without touching the machine's trust store.

use std::{fmt, fs, io, net::IpAddr, path::Path, sync::Arc};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, SanType, date_time_ymd,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, pki_types::PrivateKeyDer},
};

/// A throw-away certificate authority. Its private key never leaves the process; its certificate is for the clients
/// that are to trust the local Clerks started with it.
///
/// Cheap to clone; clones are the same authority, so several local Clerks can share one.
#[derive(Clone)]
pub struct Authority(Arc<Inner>);

struct Inner {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate could not be made or used.
#[derive(Debug, thiserror::Error)]
#[error("cannot make a certificate: {0}")]
pub struct CertificateError(String);

impl Authority {
    /// Makes an authority with a key of its own.
    ///
    /// # Errors
    ///
    /// [`CertificateError`], when the system's source of random numbers fails.
    pub fn generate() -> Result<Self, CertificateError> {
        let key = KeyPair::generate().map_err(certificate_error)?;
        let mut params = params("Local Clerk, throw-away authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = params.self_signed(&key).map_err(certificate_error)?;
        Ok(Self(Arc::new(Inner {
            pem: certificate.pem(),
            issuer: Issuer::new(params, key),
        })))
    }

    /// The authority's certificate as PEM: what `NODE_EXTRA_CA_CERTS` or `SSL_CERT_FILE` name a file of.
    pub fn pem(&self) -> &str {
        &self.0.pem
    }

    /// Writes the certificate to a file.
    ///
    /// # Errors
    ///
    /// Those of writing a file.
    pub fn save(&self, path: impl AsRef<Path>) -> io::Result<()> {
        fs::write(path, self.pem())
    }

    /// A server for `localhost`, the loopback addresses, `ip` and these names.
    pub(crate) fn acceptor<'a>(
        &self,
        ip: IpAddr,
        names: impl IntoIterator<Item = &'a str>,
    ) -> Result<TlsAcceptor, CertificateError> {
        let key = KeyPair::generate().map_err(certificate_error)?;
        let mut params = params("Local Clerk");
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let localhost = "localhost".try_into().map_err(certificate_error)?;
        params.subject_alt_names = vec![
            SanType::DnsName(localhost),
            SanType::IpAddress(IpAddr::from([127, 0, 0, 1])),
            SanType::IpAddress(IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1])),
            SanType::IpAddress(ip),
        ];
        params.subject_alt_names.dedup();
        for name in names {
            let name = name.try_into().map_err(certificate_error)?;
            params.subject_alt_names.push(SanType::DnsName(name));
        }
        let certificate = params
            .signed_by(&key, &self.0.issuer)
            .map_err(certificate_error)?;
        let private_key = PrivateKeyDer::try_from(key.serialize_der()).map_err(certificate_error)?;
        let mut config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], private_key)
            .map_err(certificate_error)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}

fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    let mut subject = DistinguishedName::new();
    subject.push(DnType::CommonName, name);
    params.distinguished_name = subject;
    // Wide enough for machines and tests whose clock is not right.
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2049, 12, 31);
    params
}

fn certificate_error(error: impl fmt::Display) -> CertificateError {
    CertificateError(error.to_string())
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority").finish_non_exhaustive()
    }
}
