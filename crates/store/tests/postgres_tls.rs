//! Encrypted connections, to a server whose certificate an authority of the test has signed.

#![expect(clippy::unwrap_used, reason = "a case that fails has to panic")]

use std::path::{Path, PathBuf};

use keystile_store::{Location, OpenError, Store};
use keystile_testkit::certificate::{Certificate, NAME};
use keystile_testkit::postgres::Postgres;
use tempfile::TempDir;

struct Bed {
    folder: TempDir,
    certificate: Certificate,
    server: Postgres,
}

impl Bed {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let certificate = Certificate::make(folder.path()).unwrap();
        let server = Postgres::start_with_tls(&certificate).unwrap();
        Self { folder, certificate, server }
    }

    /// The URL by the name in the certificate.
    fn url(&self) -> String {
        self.server.url().replace("127.0.0.1", NAME)
    }
}

async fn open(url: &str, parameters: &str) -> Result<Store, OpenError> {
    Store::open(Location::Postgres { url: format!("{url}{parameters}"), max_connections: 1 }).await
}

fn trusting(file: &Path) -> String {
    format!("?sslmode=verify-full&sslrootcert={}", file.display())
}

fn said(error: &OpenError) -> String {
    let mut causes = vec![error.to_string()];
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        causes.push(cause.to_string());
        next = cause.source();
    }
    causes.join(": ")
}

#[tokio::test]
async fn a_certificate_of_a_named_authority_is_trusted_and_the_connection_encrypted() {
    let bed = Bed::new();
    let by_word = |mode: &str| trusting(&bed.certificate.authority()).replace("verify-full", mode);
    for mode in ["prefer", "require", "verify-ca", "verify-full"] {
        let store = open(&bed.url(), &by_word(mode)).await.unwrap();
        store.migrate().await.unwrap();
        // Fails with a division by zero unless our connection is there and encrypted.
        let encrypted = "SELECT 1 / count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
            WHERE ssl AND application_name = 'keystile'";
        bed.server.run(encrypted).unwrap();
        store.close().await;
    }
}

#[tokio::test]
async fn a_certificate_that_nobody_trusted_has_signed_is_refused() {
    let bed = Bed::new();
    let other = bed.folder.path().join("other");
    std::fs::create_dir(&other).unwrap();
    let other = Certificate::make(&other).unwrap().authority();
    for parameters in [trusting(&other), "?sslmode=require".to_owned(), "?sslmode=prefer".to_owned()] {
        let refused = open(&bed.url(), &parameters).await.unwrap_err();
        assert!(matches!(refused, OpenError::Untrusted(_)), "{parameters}: {}", said(&refused));
        assert!(said(&refused).contains("sslrootcert"), "{}", said(&refused));
    }
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused() {
    let bed = Bed::new();
    let refused = open(bed.server.url(), &trusting(&bed.certificate.authority())).await.unwrap_err();
    assert!(matches!(refused, OpenError::Untrusted(_)), "{}", said(&refused));
    assert!(said(&refused).contains("127.0.0.1") && said(&refused).contains(NAME), "{}", said(&refused));
}

#[tokio::test]
async fn a_server_without_encryption_is_refused_where_it_is_required() {
    let bed = Bed::new();
    let plain = Postgres::shared().database();
    let refused = open(&plain.url(), &trusting(&bed.certificate.authority())).await.unwrap_err();
    assert!(matches!(refused, OpenError::Connect(_)), "{}", said(&refused));
    assert!(said(&refused).contains("does not support TLS"), "{}", said(&refused));
}

#[tokio::test]
async fn a_file_without_certificates_is_named() {
    let bed = Bed::new();
    let empty = bed.folder.path().join("empty.pem");
    std::fs::write(&empty, "").unwrap();
    for file in [PathBuf::from("/nowhere/authority.pem"), empty] {
        let refused = open(&bed.url(), &trusting(&file)).await.unwrap_err();
        assert!(matches!(refused, OpenError::Certificates { .. }), "{}", said(&refused));
        assert!(refused.to_string().contains(&file.display().to_string()), "{refused}");
    }
}
