//! A certificate for servers of tests, and the authority that signed it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::run::finish;

/// The name that every certificate is for.
pub const NAME: &str = "localhost";

const SETTINGS: &str = "
[req]
distinguished_name = name
prompt = no
[name]
CN = localhost
[authority]
basicConstraints = critical, CA:TRUE
[server]
basicConstraints = critical, CA:FALSE
subjectAltName = DNS:localhost
";
/// A new key of a kind that takes no time to make.
const NEW_KEY: [&str; 5] = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];

/// A certificate for [`NAME`], good for two days.
#[derive(Debug)]
pub struct Certificate {
    folder: PathBuf,
}

impl Certificate {
    /// Makes an authority and a certificate that it signed, as files in `folder`.
    ///
    /// # Errors
    /// When `openssl` is missing or fails.
    pub fn make(folder: &Path) -> Result<Self, String> {
        fs::write(folder.join("settings"), SETTINGS)
            .map_err(|error| format!("{}: {error}", folder.display()))?;
        let openssl = |words: &str, key: &[&str]| {
            let mut command = Command::new("openssl");
            finish(command.args(words.split(' ')).args(key).current_dir(folder))
        };
        let authority = "req -x509 -config settings -extensions authority -subj /CN=authority -days 2 \
            -keyout authority.key -out authority.pem";
        openssl(authority, &NEW_KEY)?;
        openssl("req -config settings -keyout server.key -out server.request", &NEW_KEY)?;
        let signed = "x509 -req -in server.request -CA authority.pem -CAkey authority.key -set_serial 1 \
            -days 2 -extfile settings -extensions server -out server.pem";
        openssl(signed, &[])?;
        Ok(Self { folder: folder.to_owned() })
    }

    /// The file with the authority's certificate: whoever trusts it trusts the server.
    pub fn authority(&self) -> PathBuf {
        self.folder.join("authority.pem")
    }

    /// The file with the server's certificate.
    pub fn chain(&self) -> PathBuf {
        self.folder.join("server.pem")
    }

    /// The file with the server's private key.
    pub fn key(&self) -> PathBuf {
        self.folder.join("server.key")
    }
}
