//! Which server to ask, about which tenant.

use std::path::PathBuf;

use clap::Args;
use keystile_client::{Client, Credential};
use keystile_core::{Clock, TenantId};
use keystile_wire::{Logout, MyTenant};

use super::credentials::{CredentialsFile, SignIn, Variables, file_to_read};
use super::output::{plain, tell};
use super::stored::{LoginFile, StoredLogin};
use crate::failure::Failure;

pub(super) const DEFAULT_URL: &str = "http://127.0.0.1:7878";

/// Where and as whom to ask. Flags come first, then the credentials file, then environment variables.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Connection")]
pub(crate) struct Connection {
    /// Address of the server [env: KEYSTILE_URL] [default: http://127.0.0.1:7878].
    #[arg(long, global = true, value_name = "URL")]
    url: Option<String>,
    /// Tenant to act in; by default that of the credentials, or your only one [env: KEYSTILE_TENANT].
    #[arg(long, global = true, value_name = "TENANT_ID")]
    tenant: Option<TenantId>,
    /// File that `keystile dev --credentials-file` wrote [env: KEYSTILE_CREDENTIALS_FILE]. Without one, KEYSTILE_TOKEN
    /// or KEYSTILE_EMAIL and KEYSTILE_PASSWORD say who asks, and without these the session of `keystile login`; there are no flags for them, as flags can be seen by
    /// others on the machine.
    #[arg(long, global = true, value_name = "FILE")]
    credentials_file: Option<PathBuf>,
}

impl Connection {
    /// Signs in, if there is anything to sign in with.
    pub(super) async fn open(&self, clock: &dyn Clock) -> Result<Session, Failure> {
        let variables = Variables::read();
        let path = file_to_read(self.credentials_file.as_deref(), &variables)?;
        let stored =
            if path.is_none() && !variables.say_who() { self.stored(&variables, clock).await? } else { None };
        match stored {
            Some(session) => Ok(session),
            None => {
                let file = path.as_deref().map(CredentialsFile::read).transpose()?;
                self.target(file.as_ref(), variables)?.enter().await
            }
        }
    }

    /// Signs in, works, and ends the session again if it began here.
    pub(super) async fn with<T>(
        &self,
        clock: &dyn Clock,
        work: impl AsyncFnOnce(&Session) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let session = self.open(clock).await?;
        let done = work(&session).await;
        session.close().await;
        done
    }

    /// The session of `keystile login`, when there is one. Its tokens go to its own server only.
    async fn stored(&self, variables: &Variables, clock: &dyn Clock) -> Result<Option<Session>, Failure> {
        let Some(file) = LoginFile::find() else { return Ok(None) };
        let Some(StoredLogin { base_url, .. }) = file.read()? else { return Ok(None) };
        let wanted = self.url.as_ref().or(variables.url.as_ref());
        if let Some(wanted) = wanted.filter(|wanted| wanted.trim_end_matches('/') != base_url) {
            let wanted = plain(wanted);
            return Err(Failure::new(format!(
                "you are signed in at {base_url}, not at {wanted}: `keystile login --url {wanted}`"
            )));
        }
        warn_if_readable(&base_url);
        let Some(login) = file.fresh(clock).await? else { return Ok(None) };
        let tenant = match self.tenant {
            Some(tenant) => Some(tenant),
            None => variables.tenant()?.or(login.tenant_id),
        };
        let client = Client::new(&login.base_url, &Credential::Token(login.token()))?;
        Ok(Some(Session { client, tenant, is_own: false }))
    }

    /// The address of the server, for what nobody has to be signed in for.
    pub(super) fn address(&self) -> String {
        self.url.clone().or_else(|| Variables::read().url).unwrap_or_else(|| DEFAULT_URL.to_owned())
    }

    /// A file's address goes with its password: a variable set for another server does not change it.
    fn target(&self, file: Option<&CredentialsFile>, variables: Variables) -> Result<Target, Failure> {
        let url = self.url.clone().or_else(|| file.map(|file| file.base_url.clone()));
        let tenant = self.tenant.or_else(|| file.and_then(|file| file.tenant_id));
        let tenant = match tenant {
            Some(tenant) => Some(tenant),
            None => variables.tenant()?,
        };
        Ok(Target {
            url: url.or_else(|| variables.url.clone()).unwrap_or_else(|| DEFAULT_URL.to_owned()),
            tenant,
            sign_in: SignIn::choose(file, variables)?,
        })
    }
}

/// Warns when others on the way can read what is sent there; to be called before anything is.
pub(super) fn warn_if_readable(url: &str) {
    if Client::is_readable_on_the_way(url) {
        let url = plain(url);
        tell(&format!("warning: {url} is not encrypted; others on the way can read secrets. Use https.\n"));
    }
}

/// All that is needed to ask.
#[derive(Debug)]
struct Target {
    url: String,
    tenant: Option<TenantId>,
    sign_in: SignIn,
}

impl Target {
    async fn enter(self) -> Result<Session, Failure> {
        warn_if_readable(&self.url);
        match self.sign_in {
            SignIn::Password { email, password } => {
                let (client, answer) = Client::sign_in(&self.url, &email, password, self.tenant).await?;
                Ok(Session { client, tenant: self.tenant.or(answer.tenant_id), is_own: true })
            }
            SignIn::Shown(credential) => {
                let client = Client::new(&self.url, &credential)?;
                Ok(Session { client, tenant: self.tenant, is_own: false })
            }
        }
    }
}

/// A server that knows who asks.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) client: Client,
    tenant: Option<TenantId>,
    /// Whether it began with this command, and ends with it.
    is_own: bool,
}

impl Session {
    /// Ends what began with this command: nobody keeps its tokens. When that fails, the command has done its work all
    /// the same, and the session ends by itself.
    pub(super) async fn close(self) {
        if self.is_own && self.client.logout(&Logout::default()).await.is_err() {
            tell(
                "warning: the session of this command could not be ended; it ends by itself in two weeks.\n",
            );
        }
    }

    /// The tenant to act in: the chosen one, or the caller's only one.
    pub(super) async fn tenant(&self) -> Result<TenantId, Failure> {
        match self.tenant {
            Some(tenant) => Ok(tenant),
            None => only_one(&self.client.me().await?.tenants),
        }
    }
}

#[cfg(test)]
impl Session {
    /// A session that asks nobody.
    pub(super) fn nowhere() -> Self {
        let credential = Credential::of(keystile_core::Secret::new("nobody"));
        Self { client: Client::new(DEFAULT_URL, &credential).unwrap(), tenant: None, is_own: false }
    }
}

/// Acting in the wrong tenant is worse than asking back.
fn only_one(tenants: &[MyTenant]) -> Result<TenantId, Failure> {
    match tenants {
        [] => Err(Failure::new("you are a member of no tenant; ask an owner to add you, or create one")),
        [tenant] => Ok(tenant.id),
        several => {
            let mut message =
                "you are a member of several tenants; choose one with --tenant or KEYSTILE_TENANT:\n"
                    .to_owned();
            for MyTenant { id, name, .. } in several {
                message.push_str(&format!("\n  {id}  {}", plain(name.as_str())));
            }
            Err(Failure::new(message))
        }
    }
}

#[cfg(test)]
mod tests {
    use keystile_core::{Role, Secret};

    use super::*;

    const FIRST: &str = "ten_01HF7YAT000000000000000001";
    const SECOND: &str = "ten_01HF7YAT000000000000000002";

    fn file() -> CredentialsFile {
        CredentialsFile {
            base_url: "http://127.0.0.1:1111".into(),
            email: "ada@example.com".into(),
            password: Secret::new("sesame"),
            tenant_id: Some(FIRST.parse().unwrap()),
        }
    }

    fn variables() -> Variables {
        Variables {
            url: Some("https://elsewhere.example.com".into()),
            tenant: Some(SECOND.into()),
            token: Some(Secret::new("eyJh.eyJz.c2ln")),
            ..Variables::default()
        }
    }

    #[test]
    fn flags_come_first_then_the_file_then_variables() {
        let named = |connection: Connection, file: Option<&CredentialsFile>| {
            let target = connection.target(file, variables()).unwrap();
            (target.url, target.tenant.map(|tenant| tenant.to_string()))
        };
        let flags = Connection {
            url: Some("http://flag".into()),
            tenant: Some(SECOND.parse().unwrap()),
            ..Connection::default()
        };
        assert_eq!(named(flags, Some(&file())), ("http://flag".into(), Some(SECOND.into())));
        let of_file = named(Connection::default(), Some(&file()));
        assert_eq!(of_file, ("http://127.0.0.1:1111".into(), Some(FIRST.into())));
        let of_variables = named(Connection::default(), None);
        assert_eq!(of_variables, ("https://elsewhere.example.com".into(), Some(SECOND.into())));
    }

    #[test]
    fn a_variable_that_is_no_tenant_is_named() {
        let variables = Variables { tenant: Some("acme".into()), ..variables() };
        let refused = Connection::default().target(None, variables).unwrap_err();
        assert!(format!("{refused:?}").contains("KEYSTILE_TENANT must be an id"), "{refused:?}");
    }

    #[test]
    fn several_tenants_are_listed_to_choose_from() {
        let view = |id: &str, name: &str| MyTenant {
            id: id.parse().unwrap(),
            name: name.parse().unwrap(),
            role: Role::Owner,
            mfa_required: false,
        };
        let (acme, globex) = (view(FIRST, "Acme"), view(SECOND, "Globex"));
        assert_eq!(only_one(std::slice::from_ref(&acme)).unwrap().to_string(), FIRST);
        let refused = format!("{:?}", only_one(&[acme, globex]).unwrap_err());
        assert!(refused.contains(FIRST) && refused.contains("Globex"), "{refused}");
        assert!(only_one(&[]).is_err());
    }
}
