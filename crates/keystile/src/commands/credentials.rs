//! As whom to ask: a file, a token, or an email address and its password. Never from flags, which `ps` shows.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use keystile_client::Credential;
use keystile_core::{Invalid, Secret, TenantId};
use serde::Deserialize;

use crate::failure::Failure;

/// Longest credentials file that is read: many times what `keystile dev` writes.
const FILE_MAX: u64 = 64 * 1024;

const NONE: &str = "who is asking? Sign in with `keystile login`, or give one of these:

  a person's email address and password
      export KEYSTILE_EMAIL=ada@example.com
      read -rs KEYSTILE_PASSWORD && export KEYSTILE_PASSWORD
  a token
      export KEYSTILE_TOKEN=…
  the file that `keystile dev --credentials-file FILE` writes
      export KEYSTILE_CREDENTIALS_FILE=FILE   (or --credentials-file FILE)
";

/// The environment variables of these commands. Empty ones count as not set.
#[derive(Debug, Default)]
pub(crate) struct Variables {
    pub(crate) url: Option<String>,
    pub(crate) tenant: Option<String>,
    pub(crate) credentials_file: Option<PathBuf>,
    pub(crate) token: Option<Secret>,
    pub(crate) email: Option<String>,
    pub(crate) password: Option<Secret>,
}

impl Variables {
    /// Whether any of them says who asks.
    pub(crate) fn say_who(&self) -> bool {
        self.token.is_some() || self.email.is_some() || self.password.is_some()
    }

    /// The tenant, when one is set.
    pub(crate) fn tenant(&self) -> Result<Option<TenantId>, Failure> {
        let parse = |text: &String| {
            text.parse().map_err(|invalid: Invalid| Failure::new(format!("KEYSTILE_TENANT {invalid}")))
        };
        self.tenant.as_ref().map(parse).transpose()
    }

    /// Reads them from the process.
    pub(crate) fn read() -> Self {
        Self {
            url: variable("KEYSTILE_URL"),
            tenant: variable("KEYSTILE_TENANT"),
            credentials_file: variable("KEYSTILE_CREDENTIALS_FILE").map(PathBuf::from),
            token: variable("KEYSTILE_TOKEN").map(Secret::new),
            email: variable("KEYSTILE_EMAIL"),
            password: variable("KEYSTILE_PASSWORD").map(Secret::new),
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the binary reads its own variables, here and nowhere else in the commands"
)]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The person's folder of settings (XDG Base Directory Specification).
pub(crate) fn config_folder() -> Option<PathBuf> {
    let set = variable("XDG_CONFIG_HOME").map(PathBuf::from).filter(|folder| folder.is_absolute());
    set.or_else(|| variable("HOME").map(|home| PathBuf::from(home).join(".config")))
}

/// What `keystile dev --credentials-file` writes, as far as it is needed to ask.
#[derive(Debug, Deserialize)]
pub(crate) struct CredentialsFile {
    pub(crate) base_url: String,
    pub(crate) email: String,
    pub(crate) password: Secret,
    pub(crate) tenant_id: Option<TenantId>,
}

impl CredentialsFile {
    /// Reads the file. No message quotes it.
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        let shown = path.display();
        let mut text = String::new();
        let opened = File::open(path).and_then(|file| file.take(FILE_MAX).read_to_string(&mut text));
        opened.map_err(|error| {
            Failure::because(format!("the credentials file {shown} cannot be read"), &error)
        })?;
        Self::parse(&text).map_err(|place| {
            Failure::new(format!(
                "{shown} is no credentials file as `keystile dev --credentials-file` writes it (line {place})"
            ))
        })
    }

    /// The number of the line that is wrong, when one is.
    fn parse(text: &str) -> Result<Self, usize> {
        serde_json::from_str(text).map_err(|error| error.line())
    }
}

/// How to become somebody at the server.
#[derive(Debug)]
pub(crate) enum SignIn {
    /// By signing in.
    Password {
        /// Who.
        email: String,
        /// The password.
        password: Secret,
    },
    /// By showing what is at hand.
    Shown(Credential),
}

impl SignIn {
    /// The one way that the file or the variables give.
    pub(crate) fn choose(file: Option<&CredentialsFile>, variables: Variables) -> Result<Self, Failure> {
        if let Some(CredentialsFile { email, password, .. }) = file {
            return Ok(Self::Password { email: email.clone(), password: Secret::new(password.expose()) });
        }
        match (variables.token, variables.email, variables.password) {
            (Some(token), None, None) => Ok(Self::Shown(Credential::of(token))),
            (None, Some(email), Some(password)) => Ok(Self::Password { email, password }),
            (None, None, None) => Err(Failure::new(NONE)),
            (Some(_), _, _) => Err(two_ways("KEYSTILE_TOKEN", "KEYSTILE_EMAIL or KEYSTILE_PASSWORD")),
            (None, Some(_), None) => Err(Failure::new(
                "KEYSTILE_EMAIL is set, but KEYSTILE_PASSWORD is not: \
                `read -rs KEYSTILE_PASSWORD && export KEYSTILE_PASSWORD`",
            )),
            (None, None, Some(_)) => Err(Failure::new(
                "KEYSTILE_PASSWORD is set, but KEYSTILE_EMAIL is not: `export KEYSTILE_EMAIL=ada@example.com`",
            )),
        }
    }
}

/// The file to read: the flag's, or the variable's if nothing else says who asks.
pub(crate) fn file_to_read(flag: Option<&Path>, variables: &Variables) -> Result<Option<PathBuf>, Failure> {
    let others = variables.say_who();
    match (flag, &variables.credentials_file) {
        (Some(path), _) => Ok(Some(path.to_owned())),
        (None, Some(_)) if others => {
            Err(two_ways("KEYSTILE_CREDENTIALS_FILE", "KEYSTILE_TOKEN, KEYSTILE_EMAIL or KEYSTILE_PASSWORD"))
        }
        (None, path) => Ok(path.clone()),
    }
}

/// Choosing one silently might ask as somebody else than meant.
fn two_ways(one: &str, other: &str) -> Failure {
    Failure::new(format!("{one} and {other} are set, and they may name different callers; unset all but one"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(result: Result<impl std::fmt::Debug, Failure>) -> String {
        format!("{:?}", result.unwrap_err())
    }

    fn token() -> Option<Secret> {
        Some(Secret::new("eyJh.eyJz.c2ln"))
    }

    #[test]
    fn without_credentials_the_message_teaches_each_way() {
        let message = told(SignIn::choose(None, Variables::default()));
        for way in ["KEYSTILE_EMAIL", "KEYSTILE_PASSWORD", "KEYSTILE_TOKEN", "--credentials-file"] {
            assert!(message.contains(way), "{message}");
        }
    }

    #[test]
    fn two_ways_to_sign_in_are_refused() {
        let both =
            Variables { token: token(), email: Some("ada@example.com".into()), ..Variables::default() };
        assert!(told(SignIn::choose(None, both)).contains("unset all but one"));
        let beside_file =
            Variables { token: token(), credentials_file: Some("dev.json".into()), ..Variables::default() };
        assert!(told(file_to_read(None, &beside_file)).contains("unset all but one"));
        let flag = file_to_read(Some(Path::new("mine.json")), &beside_file).unwrap();
        assert_eq!(flag, Some("mine.json".into()));
    }

    #[test]
    fn half_a_credential_names_the_other_half() {
        let email = Variables { email: Some("ada@example.com".into()), ..Variables::default() };
        assert!(told(SignIn::choose(None, email)).contains("KEYSTILE_PASSWORD is not"));
        let password = Variables { password: Some(Secret::new("sesame")), ..Variables::default() };
        let message = told(SignIn::choose(None, password));
        assert!(message.contains("KEYSTILE_EMAIL is not") && !message.contains("sesame"), "{message}");
    }

    #[test]
    fn a_file_of_keystile_dev_signs_in() {
        let text = r#"{"base_url": "http://127.0.0.1:7878", "email": "ada@example.com", "password": "sesame",
            "tenant_id": "ten_01HF7YAT000000000000000001", "application_id": "app_01HF7YAT000000000000000001",
            "keys": {"production": {"id": "key_01HF7YAT000000000000000001", "secret": "sk_x"}}}"#;
        let file = CredentialsFile::parse(text).unwrap();
        let signed =
            SignIn::choose(Some(&file), Variables { token: token(), ..Variables::default() }).unwrap();
        assert!(matches!(&signed, SignIn::Password { email, .. } if email == "ada@example.com"));
        assert!(!format!("{file:?} {signed:?}").contains("sesame"));
        assert_eq!(CredentialsFile::parse("{\n\"password\": 7\n}").unwrap_err(), 2);
    }
}
