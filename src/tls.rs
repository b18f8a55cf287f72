//! Whom an HTTPS client trusts: the authorities of the system, or those of a file.

use std::sync::Arc;

use rustls::crypto::ring::default_provider;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};

/// The authorities of the system, `SSL_CERT_FILE` and `SSL_CERT_DIR` before others. Certificates that cannot be read are left out.
pub(crate) fn of_the_system() -> TlsConfig {
    let found = rustls_native_certs::load_native_certs().certs;
    trusting(found.iter().map(|one| Certificate::from_der(one).to_owned()).collect())
}

/// The certificates of a PEM file; none where there is none in it.
pub(crate) fn of_pem(pem: &[u8]) -> Option<TlsConfig> {
    let certificates = parse_pem(pem).filter_map(|item| match item {
        Ok(PemItem::Certificate(certificate)) => Some(certificate),
        _ => None,
    });
    let certificates: Vec<Certificate<'static>> = certificates.collect();
    (!certificates.is_empty()).then(|| trusting(certificates))
}

fn trusting(roots: Vec<Certificate<'static>>) -> TlsConfig {
    let provider = Arc::new(default_provider());
    let builder = TlsConfig::builder().root_certs(RootCerts::Specific(Arc::new(roots)));
    builder.unversioned_rustls_crypto_provider(provider).build()
}
