//! TLS of listeners, for every protocol alike: a certificate that is followed while the daemon runs, and what the certificates of
//! clients say of them.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::{Error as PemError, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{VerifierBuilderError, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use super::file_version::FileVersion;
use crate::config::Tls as Files;

/// How soon a new certificate is used.
const LOOKS_EVERY: Duration = Duration::from_secs(1);
/// What is spoken inside.
const HTTP: &[u8] = b"http/1.1";
const SPIFFE: &str = "spiffe://";
/// Of the names in a certificate.
const NAMES_MAX: usize = 64;

/// The TLS of one listener. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Tls(Arc<Inner>);

struct Inner {
    files: Files,
    /// Of the files that were read at first.
    version: Vec<FileVersion>,
    now: ArcSwap<ServerConfig>,
}

/// Why a listener cannot speak TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("{}: {cause}", .path.display())]
    File { path: PathBuf, cause: PemError },
    #[error("{}: there is no certificate in it", .path.display())]
    NoCertificate { path: PathBuf },
    #[error("the certificate and its key: {0}")]
    Key(#[from] rustls::Error),
    #[error("{}: {cause}", .path.display())]
    Authority { path: PathBuf, cause: VerifierBuilderError },
}

/// Whom a client's certificate names. An authority that the listener trusts has signed it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Certified {
    /// `spiffe://…`, of its alternative names.
    pub spiffe_id: Option<String>,
    /// As `CN=ada, O=Acme`.
    pub subject: String,
    pub common_name: Option<String>,
    pub dns_names: Vec<String>,
}

impl Tls {
    /// Reads the certificate, its key, and the authorities of clients.
    ///
    /// # Errors
    /// If one of them cannot be read, or they do not belong together.
    pub fn new(files: &Files) -> Result<Self, TlsError> {
        let version = paths(files).map(|path| FileVersion::of(path)).collect();
        let now = ArcSwap::from_pointee(read(files)?);
        Ok(Self(Arc::new(Inner { files: files.clone(), version, now })))
    }

    /// # Errors
    /// If the client does not speak TLS as this listener does, or has a certificate that nobody trusts.
    pub async fn accept(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        TlsAcceptor::from(self.0.now.load_full()).accept(stream).await
    }

    /// Takes what the files have become, for as long as it is polled. Files that do not belong together yet, as between the writing of
    /// one and of the other, change nothing.
    pub async fn follow(self) {
        let Inner { files, version: first, now } = &*self.0;
        let mut known = first.clone();
        loop {
            tokio::time::sleep(LOOKS_EVERY).await;
            let mut versions = Vec::new();
            for path in paths(files) {
                versions.push(FileVersion::look(path).await);
            }
            if versions == known {
                continue;
            }
            match read(files) {
                Ok(config) => {
                    now.store(Arc::new(config));
                    tracing::info!(path = %files.certificate.display(), "the certificate was read again");
                }
                Err(error) => tracing::warn!(%error, "the certificate cannot be read again; that of before is used"),
            }
            known = versions;
        }
    }
}

/// What the certificate of a client says, if it has shown one.
pub fn certified(stream: &TlsStream<TcpStream>) -> Option<Certified> {
    let (_, connection) = stream.get_ref();
    Certified::of(connection.peer_certificates()?.first()?)
}

impl Certified {
    fn of(der: &[u8]) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        // Names that cannot be read, and two that both say who it is, name nobody.
        let names = certificate.subject_alternative_name().ok()?;
        let names = names.into_iter().flat_map(|names| &names.value.general_names).take(NAMES_MAX);
        let (mut spiffe_ids, mut dns_names) = (Vec::new(), Vec::new());
        for name in names {
            match name {
                GeneralName::URI(uri) if uri.starts_with(SPIFFE) => spiffe_ids.push((*uri).to_owned()),
                GeneralName::DNSName(name) => dns_names.push((*name).to_owned()),
                _ => {}
            }
        }
        if spiffe_ids.len() > 1 {
            return None;
        }
        let spiffe_id = spiffe_ids.pop();
        let subject = certificate.subject();
        let common_name = subject.iter_common_name().next().and_then(|name| name.as_str().ok());
        // It is not among the names that an authority vouches for as SPIFFE IDs.
        let common_name = common_name.filter(|name| !name.starts_with(SPIFFE)).map(str::to_owned);
        Some(Self { spiffe_id, subject: subject.to_string(), common_name, dns_names })
    }
}

/// What is wrong with each of the files; with all of them together, if nothing is.
pub fn faults(files: &Files) -> Vec<TlsError> {
    let authorities = files.client_ca.as_ref().and_then(|path| certificates(path).err());
    let each = [certificates(&files.certificate).err(), private_key(&files.key).err(), authorities];
    let each: Vec<TlsError> = each.into_iter().flatten().collect();
    if each.is_empty() { read(files).err().into_iter().collect() } else { each }
}

fn paths(files: &Files) -> impl Iterator<Item = &PathBuf> {
    [&files.certificate, &files.key].into_iter().chain(&files.client_ca)
}

fn read(files: &Files) -> Result<ServerConfig, TlsError> {
    let provider = Arc::new(default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions()?;
    let builder = match &files.client_ca {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let mut roots = RootCertStore::empty();
            for authority in certificates(path)? {
                roots.add(authority)?;
            }
            // Who shows none has a token, or is refused later.
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            let verifier = verifier.allow_unauthenticated().build();
            let verifier = verifier.map_err(|cause| TlsError::Authority { path: path.clone(), cause })?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let key = private_key(&files.key)?;
    let mut config = builder.with_single_cert(certificates(&files.certificate)?, key)?;
    config.alpn_protocols = vec![HTTP.to_vec()];
    Ok(config)
}

fn private_key(path: &PathBuf) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_file(path).map_err(|cause| TlsError::File { path: path.clone(), cause })
}

fn certificates(path: &PathBuf) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let failed = |cause| TlsError::File { path: path.clone(), cause };
    let found = CertificateDer::pem_file_iter(path).map_err(failed)?.collect::<Result<Vec<_>, _>>().map_err(failed)?;
    if found.is_empty() { Err(TlsError::NoCertificate { path: path.clone() }) } else { Ok(found) }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Tls").field(&self.0.files.certificate).finish()
    }
}
