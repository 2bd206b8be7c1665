//! The session that `keystile login` keeps in the person's folder of settings.

use std::fs::{self, File};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use keystile_client::{Client, ClientError};
use keystile_core::{Clock, Secret, TenantId, Timestamp};
use keystile_engine::private_file::{read_private, write_private};
use keystile_wire::TokenAnswer;
use serde::Deserialize;
use serde_json::json;

use super::credentials::config_folder;
use crate::failure::Failure;

/// A token that ends so soon is exchanged before it is used: it must outlast the request.
const SOON: Duration = Duration::from_secs(60);

/// The server does not take the refresh token any more.
const UNAUTHORIZED: u16 = 401;

/// A session that was stored.
#[derive(Debug, Deserialize)]
pub(crate) struct StoredLogin {
    pub(crate) base_url: String,
    pub(crate) email: String,
    pub(crate) tenant_id: Option<TenantId>,
    access_token: Secret,
    expires_at: Timestamp,
    refresh_token: Secret,
}

impl StoredLogin {
    /// What an answer to signing in brought. `before` is when it was asked for.
    pub(crate) fn of(
        base_url: &str,
        email: &str,
        answer: TokenAnswer,
        before: Timestamp,
    ) -> Result<Self, Failure> {
        let refresh_token = answer
            .refresh_token
            .ok_or_else(|| Failure::new("the server gave no refresh token; it is older than this command"))?;
        Ok(Self {
            base_url: base_url.to_owned(),
            email: email.to_owned(),
            tenant_id: answer.tenant_id,
            access_token: answer.access_token,
            expires_at: before.plus(Duration::from_secs(answer.expires_in)),
            refresh_token,
        })
    }

    /// The token to ask with.
    pub(crate) fn token(&self) -> Secret {
        Secret::new(self.access_token.expose())
    }
}

/// Where a session is stored.
#[derive(Debug)]
pub(crate) struct LoginFile {
    path: PathBuf,
}

impl LoginFile {
    /// In the person's folder of settings, when the system tells where that is.
    pub(crate) fn find() -> Option<Self> {
        config_folder().map(|folder| Self { path: folder.join("keystile").join("login.json") })
    }

    /// The same, where it is needed.
    pub(crate) fn required() -> Result<Self, Failure> {
        Self::find().ok_or_else(|| {
            Failure::new("there is no folder to keep a session in: set HOME or XDG_CONFIG_HOME")
        })
    }

    /// What is stored, as it is.
    pub(crate) fn read(&self) -> Result<Option<StoredLogin>, Failure> {
        let damaged = || {
            let path = self.path.display();
            Failure::new(format!("{path} holds no session; sign in again with `keystile login`"))
        };
        let content = read_private(&self.path, "the session")?;
        content.map(|content| serde_json::from_slice(&content).map_err(|_| damaged())).transpose()
    }

    /// What is stored, with a token that lasts. Processes that ask at the same time do so one after the other, so that
    /// each refresh token is used once.
    pub(crate) async fn fresh(&self, clock: &dyn Clock) -> Result<Option<StoredLogin>, Stale> {
        let is_good = |login: &StoredLogin| clock.now().plus(SOON) < login.expires_at;
        let Some(login) = self.read()? else { return Ok(None) };
        if is_good(&login) {
            return Ok(Some(login));
        }
        let _lock = self.lock()?;
        let Some(login) = self.read()? else { return Ok(None) };
        if is_good(&login) {
            return Ok(Some(login));
        }
        let before = clock.now();
        let StoredLogin { base_url, email, refresh_token, .. } = login;
        let answer = Client::refresh(&base_url, refresh_token).await.map_err(ended)?;
        let next = StoredLogin::of(&base_url, &email, answer, before)?;
        self.write(&next)?;
        Ok(Some(next))
    }

    /// Stores a session in place of any other.
    pub(crate) fn store(&self, login: &StoredLogin) -> Result<(), Failure> {
        let _lock = self.lock()?;
        self.write(login)
    }

    /// Forgets what is stored.
    pub(crate) fn forget(&self) -> Result<(), Failure> {
        let _lock = self.lock()?;
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(Failure::because(format!("{} cannot be removed", self.path.display()), &error))
            }
            _ => Ok(()),
        }
    }

    fn write(&self, login: &StoredLogin) -> Result<(), Failure> {
        let document = json!({
            "base_url": login.base_url,
            "email": login.email,
            "tenant_id": login.tenant_id,
            "access_token": login.access_token.expose(),
            "expires_at": login.expires_at,
            "refresh_token": login.refresh_token.expose(),
        });
        Ok(write_private(&self.path, &serde_json::to_vec_pretty(&document).unwrap_or_default())?)
    }

    /// Waits until no other process reads or writes. Let go when the file is closed.
    fn lock(&self) -> Result<File, Failure> {
        let path = self.path.with_extension("lock");
        let failed =
            |error: std::io::Error| Failure::because(format!("{} cannot be locked", path.display()), &error);
        let folder = path.parent().unwrap_or(Path::new("."));
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
        let file = File::options().create(true).append(true).open(&path).map_err(failed)?;
        file.lock().map_err(failed)?;
        Ok(file)
    }
}

/// Why there is no token that lasts.
#[derive(Debug)]
pub(crate) enum Stale {
    /// The server has ended the session.
    Ended,
    /// Nobody could be asked, or the file cannot be used.
    Failed(Failure),
}

impl From<Failure> for Stale {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<Stale> for Failure {
    fn from(stale: Stale) -> Self {
        match stale {
            Stale::Ended => Self::new("your session has ended; sign in again with `keystile login`"),
            Stale::Failed(failure) => failure,
        }
    }
}

fn ended(error: ClientError) -> Stale {
    match error {
        ClientError::Problem(problem) if problem.status == UNAUTHORIZED => Stale::Ended,
        other => Stale::Failed(other.into()),
    }
}
