//! Encrypts the connection to PostgreSQL.

use std::error::Error;
use std::io;
use std::path::Path;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::url::Trust;
use crate::OpenError;
use crate::error::Cause;

/// A connector that trusts those it is told to. The server's certificate and name are always checked:
/// encryption without knowing to whom protects little.
pub(super) fn connector(trust: &Trust) -> Result<MakeRustlsConnect, OpenError> {
    let roots = match trust {
        Trust::System => system_roots()?,
        Trust::File(path) => {
            read_roots(path).map_err(|source| OpenError::Certificates { path: path.clone(), source })?
        }
    };
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| OpenError::Connect(error.into()))?;
    Ok(MakeRustlsConnect::new(config.with_root_certificates(roots).with_no_client_auth()))
}

/// Whether a connection was not made because of the server's certificate.
pub(super) fn is_about_trust(error: &tokio_postgres::Error) -> bool {
    let cause = error.source().and_then(|cause| cause.downcast_ref::<io::Error>());
    let cause = cause.and_then(io::Error::get_ref).and_then(|cause| cause.downcast_ref());
    matches!(cause, Some(rustls::Error::InvalidCertificate(_)))
}

/// Whom the operating system trusts, or the file that `SSL_CERT_FILE` names.
fn system_roots() -> Result<RootCertStore, OpenError> {
    let mut roots = RootCertStore::empty();
    let (_usable, _unusable) =
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        let cause = "this system has no certificates to trust: install `ca-certificates`, or name a file as \
                     `sslrootcert` in the database URL";
        return Err(OpenError::Connect(cause.into()));
    }
    Ok(roots)
}

fn read_roots(path: &Path) -> Result<RootCertStore, Cause> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path)? {
        roots.add(certificate?)?;
    }
    if roots.is_empty() { Err("it has no certificate".into()) } else { Ok(roots) }
}
