//! The key under which secrets in the database are encrypted, in a file of its own.

use std::path::Path;

use keystile_core::{Digest, Entropy};
use keystile_manage::Vault;
use keystile_store::Store;

use crate::EngineError;
use crate::private_file::{read_private, write_private};

/// Reads the key, or makes one when there is no file yet. When the database holds what another key has sealed, nothing is
/// made, and the server does not start: it would tell people that their codes are wrong.
pub(crate) async fn load(path: &Path, store: &Store, entropy: &dyn Entropy) -> Result<Vault, EngineError> {
    let used = store.sealing_keys().await;
    let used =
        used.map_err(|error| EngineError::because("what the database has sealed cannot be read", error))?;
    let key: zeroize::Zeroizing<Vec<u8>> = match read_private(path, "the encryption key")? {
        Some(key) => key.into(),
        None if used.is_empty() => {
            let key = Vault::generate(entropy);
            let key = key.map_err(|error| EngineError::because("no encryption key was made", error))?;
            write_private(path, &key)?;
            key
        }
        None => return Err(lost(path, "is missing; it is the one")),
    };
    let vault = Vault::from_key(&key).map_err(|error| {
        EngineError::because(format!("{} holds no encryption key", path.display()), error)
    })?;
    let is_another = |by: &Digest| *by != vault.fingerprint();
    if used.iter().any(is_another) { Err(lost(path, "is not the one")) } else { Ok(vault) }
}

fn lost(path: &Path, how: &str) -> EngineError {
    let path = path.display();
    EngineError::new(format!(
        "the encryption key {path} {how} that secrets in the database were encrypted with: put the right file \
         there, or name it with KEYSTILE_ENCRYPTION_KEY_FILE"
    ))
}
