//! Why there is no gateway.

/// Why the gateway cannot be set up on this machine.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// There is no certificate that an upstream could be recognised by.
    #[error("this system has no certificates to trust: install `ca-certificates`, or set SSL_CERT_FILE")]
    NoCertificates,
    /// TLS cannot be set up.
    #[error("TLS cannot be set up")]
    Tls(#[from] rustls::Error),
}
