//! The key that signs access tokens, in a file of its own.

use std::path::Path;

use keystile_manage::SigningKey;

use crate::EngineError;
use crate::private_file::{read_private, write_private};

/// Reads the key, or makes one when there is no file yet.
pub(crate) fn load(path: &Path) -> Result<SigningKey, EngineError> {
    let der = match read_private(path, "the signing key")? {
        Some(der) => der,
        None => make(path)?,
    };
    SigningKey::from_pkcs8(&der)
        .map_err(|error| EngineError::because(format!("{} holds no signing key", path.display()), error))
}

fn make(path: &Path) -> Result<Vec<u8>, EngineError> {
    let der =
        SigningKey::generate().map_err(|error| EngineError::because("no signing key was made", error))?;
    write_private(path, &der)?;
    Ok(der)
}
