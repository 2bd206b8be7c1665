//! Encrypts the connection to PostgreSQL.

use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, RootCertStore};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::OpenError;

/// A connector that trusts whom the operating system trusts (or the file that `SSL_CERT_FILE` names). The
/// server's certificate and name are always checked: encryption without knowing to whom protects little.
pub(super) fn connector() -> Result<MakeRustlsConnect, OpenError> {
    let mut roots = RootCertStore::empty();
    let (_usable, _unusable) =
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        let cause =
            "this system has no certificates to trust: install `ca-certificates`, or set SSL_CERT_FILE";
        return Err(OpenError::Connect(cause.into()));
    }
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| OpenError::Connect(error.into()))?;
    Ok(MakeRustlsConnect::new(config.with_root_certificates(roots).with_no_client_auth()))
}
