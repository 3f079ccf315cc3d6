//! A temporary certificate authority, for https without changing the machine's trust store.

use std::{fmt, fs, io, net::IpAddr, path::Path, sync::Arc};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, SanType, date_time_ymd,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, pki_types::PrivateKeyDer},
};

/// A temporary certificate authority. Its private key never leaves the process. Clients that trust its
/// certificate trust every local Clerk started with it.
///
/// Cheap to clone. Clones are the same authority, so several local Clerks can share one.
#[derive(Clone)]
pub struct Authority(Arc<Inner>);

struct Inner {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate could not be created or used.
#[derive(Debug, thiserror::Error)]
#[error("cannot create a certificate: {0}")]
pub struct CertificateError(String);

impl Authority {
    /// Generates an authority with a new key.
    ///
    /// # Errors
    ///
    /// [`CertificateError`] if the key or the certificate cannot be generated.
    pub fn generate() -> Result<Self, CertificateError> {
        let key = KeyPair::generate().map_err(certificate_error)?;
        let mut params = certificate_params("Local Clerk, temporary authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = params.self_signed(&key).map_err(certificate_error)?;
        Ok(Self(Arc::new(Inner {
            pem: certificate.pem(),
            issuer: Issuer::new(params, key),
        })))
    }

    /// Returns the certificate as PEM, for example for the file that `NODE_EXTRA_CA_CERTS` or `SSL_CERT_FILE`
    /// names.
    pub fn pem(&self) -> &str {
        &self.0.pem
    }

    /// Writes the certificate to a PEM file.
    ///
    /// # Errors
    ///
    /// The I/O error if the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> io::Result<()> {
        fs::write(path, self.pem())
    }

    /// Returns a TLS acceptor with a certificate for `localhost`, the loopback addresses, `ip` and `names`.
    pub(crate) fn acceptor<'a>(
        &self,
        ip: IpAddr,
        names: impl IntoIterator<Item = &'a str>,
    ) -> Result<TlsAcceptor, CertificateError> {
        let key = KeyPair::generate().map_err(certificate_error)?;
        let mut params = certificate_params("Local Clerk");
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

fn certificate_params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    let mut subject = DistinguishedName::new();
    subject.push(DnType::CommonName, name);
    params.distinguished_name = subject;
    // Valid for long, for machines with a wrong clock and tests with a clock of their own.
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
