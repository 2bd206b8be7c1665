//! `keystile keys create`.

use clap::Args;
use keystile_core::{ApplicationId, Environment, KeyKind, Name, Secret, Timestamp};
use keystile_wire::CreateKey;

use super::own_secret::OwnSecret;
use super::refused::in_flags;
use super::settings::Settings;
use super::{Context, changed, shown_once};
use crate::commands::output::{Form, Report};
use crate::commands::words::{environment, one_of};
use crate::failure::Failure;

/// Creates a key and prints its secret, once.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  KEY=$(keystile keys create web)
  keystile keys create ci --environment staging --permission 'builds:*'
  keystile keys create sensors --source-id warehouse --expires 30d
  keystile keys create bot --kind virtual_llm --allowed-model 'gpt-4o*' \\
    --max-budget-usd 50 --budget-period month
  keystile keys create billing --issued-to-service billing \\
    --rate-limit 1000/1h --metadata plan=pro
  keystile keys create moved --secret-file old-secret.txt

A key without --permission may do nothing that needs one; without
--allowed-ip it works from everywhere.
Only the secret goes to standard output; the record goes to standard error.
Nobody can show the secret again; `keystile keys regenerate` makes a new one.")]
pub(super) struct Create {
    /// What people call the key; 1 to 200 characters.
    name: Name,
    /// The only environment it will work in.
    #[arg(long, value_parser = environment(), default_value = "production")]
    environment: Environment,
    /// Application it is issued to; by default the tenant's first.
    #[arg(long, alias = "application-id", value_name = "APPLICATION_ID")]
    application: Option<ApplicationId>,
    /// What it is for; by default `service`, or `ingest` with a source.
    #[arg(long, value_parser = one_of(KeyKind::NAMES))]
    kind: Option<String>,
    #[command(flatten)]
    settings: Settings,
    #[command(flatten)]
    own: OwnSecret,
}

impl Create {
    pub(super) async fn run(self, context: &Context) -> Result<Report, Failure> {
        let brought = self.own.read()?;
        let is_brought = brought.is_some();
        let request = self.request(brought, context.now)?;
        let tenant = context.session.tenant().await?;
        let created = context.session.client.create_key(tenant, &request).await.map_err(in_flags)?;
        match context.form {
            Form::Text if is_brought => {
                changed(&created.key, "was created, with the secret you brought", context)
            }
            Form::Text | Form::Json => shown_once(&created, "created", context),
        }
    }

    fn request(self, secret: Option<Secret>, now: Timestamp) -> Result<CreateKey, Failure> {
        if self.settings.has_period_without_budget() {
            return Err(Failure::new(
                "--budget-period says how long a budget lasts; give --max-budget-usd, too",
            ));
        }
        Ok(CreateKey {
            name: self.name.to_string(),
            environment: Some(self.environment.to_string()),
            application_id: self.application.map(|id| id.to_string()),
            kind: self.kind,
            secret,
            ..self.settings.request(now)?
        })
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::super::super::record;
    use super::super::settings::sample;
    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        create: Create,
    }

    fn request(line: &str) -> Result<CreateKey, Failure> {
        let line = Line::try_parse_from(std::iter::once("create").chain(line.split_whitespace())).unwrap();
        line.create.request(None, record::sample::now())
    }

    #[test]
    fn a_name_is_enough() {
        let sent = serde_json::to_string(&request("web").unwrap()).unwrap();
        assert_eq!(sent, r#"{"name":"web","environment":"production"}"#);
    }

    #[test]
    fn every_option_is_a_field_that_the_server_takes() {
        let own = "web --environment staging --application app_01HF7YAT000000000000000001 --kind virtual_llm";
        let line = format!("{own} {}", sample::ALL);
        let mut expected = sample::all();
        expected["name"] = "web".into();
        expected["environment"] = "staging".into();
        expected["application_id"] = "app_01HF7YAT000000000000000001".into();
        expected["kind"] = "virtual_llm".into();
        assert_eq!(serde_json::to_value(request(&line).unwrap()).unwrap(), expected);
        assert!(request(&line).unwrap().parse().is_ok());
    }

    #[test]
    fn a_user_and_a_service_are_named_as_the_api_names_them() {
        let to = |line: &str| {
            let request = request(line).unwrap();
            (request.issued_to_user_id, request.issued_to_service)
        };
        assert_eq!(to("web --kind user --issued-to-user-id u1"), (Some("u1".into()), None));
        assert_eq!(to("web --issued-to-service checkout"), (None, Some("checkout".into())));
    }

    #[test]
    fn a_period_without_a_budget_is_refused() {
        let refused = format!("{:?}", request("web --budget-period day").unwrap_err());
        assert!(refused.contains("--max-budget-usd"), "{refused}");
    }
}
