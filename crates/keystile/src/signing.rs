//! The key that signs access tokens, in a file of its own.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use keystile_manage::SigningKey;

use crate::failure::Failure;

/// Reads the key, or makes one when there is no file yet.
pub(crate) fn load(path: &Path) -> Result<SigningKey, Failure> {
    let der = match fs::read(path) {
        Ok(der) => {
            refuse_if_shared(path)?;
            der
        }
        Err(error) if error.kind() == ErrorKind::NotFound => make(path)?,
        Err(error) => {
            return Err(Failure::because(
                format!("the signing key {} cannot be read", path.display()),
                &error,
            ));
        }
    };
    SigningKey::from_pkcs8(&der)
        .map_err(|error| Failure::because(format!("{} holds no signing key", path.display()), &error))
}

fn make(path: &Path) -> Result<Vec<u8>, Failure> {
    let der = SigningKey::generate().map_err(|error| Failure::because("no signing key was made", &error))?;
    write_private(path, &der)?;
    Ok(der)
}

fn refuse_if_shared(path: &Path) -> Result<(), Failure> {
    let mode = fs::metadata(path).map(|facts| facts.permissions().mode()).unwrap_or_default();
    if mode & 0o077 == 0 {
        return Ok(());
    }
    let path = path.display();
    Err(Failure::new(format!("others can read the signing key {path}; run `chmod 600 {path}`")))
}

/// Writes a file that only its owner can read: whole, or not at all.
pub(crate) fn write_private(path: &Path, content: &[u8]) -> Result<(), Failure> {
    let failed =
        |error: &std::io::Error| Failure::because(format!("{} cannot be written", path.display()), error);
    let beside = path.with_added_extension("new");
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&beside)
        .map_err(|error| failed(&error))?;
    let written = file.write_all(content).and_then(|()| file.sync_all());
    written.and_then(|()| fs::rename(&beside, path)).map_err(|error| failed(&error))
}
