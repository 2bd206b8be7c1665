//! `keystile keys update`.

use clap::Args;
use keystile_core::{Name, Timestamp};
use keystile_wire::{KeyView, PatchKey};
use serde_json::{Map, Value};

use super::amend::{Amendments, replacement};
use super::refused::in_flags;
use super::setting::Setting;
use super::settings::Settings;
use super::{Context, Which, changed};
use crate::commands::output::Report;
use crate::failure::Failure;

const NOTHING: &str = "nothing is to be changed: name a setting, such as --rpm 600, --add-permission orders:read or \
    --clear expires; `keystile keys update --help` lists them all";

/// Changes settings of a key. What you do not name stays as it is.
///
/// A setting that is given replaces the old one; so does a list or an object as a whole. --add-… and --remove-… change
/// single entries, and --clear takes a setting away or back to its default.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  keystile keys update key_01J8Z3V5N0QK7Y2M4T6B8D9FGH --name 'Checkout, EU' --rpm 600
  keystile keys update key_01J8… --add-permission orders:read
  keystile keys update key_01J8… --permission customers:read --permission orders:read
  keystile keys update key_01J8… --expires 90d --rate-limit 1000/1h:hourly
  keystile keys update key_01J8… --clear expires,rpm,max-budget-usd

The change holds everywhere when the command returns. Environment, application
and kind of a key never change; create another key.")]
pub(super) struct Update {
    #[command(flatten)]
    which: Which,
    /// What people call the key; 1 to 200 characters.
    #[arg(long)]
    name: Option<Name>,
    #[command(flatten)]
    settings: Settings,
    #[command(flatten)]
    amendments: Amendments,
    /// Setting to take away or back to its default, by the name of its flag. May be repeated, or separated by commas.
    #[arg(long, value_enum, value_name = "SETTING", value_delimiter = ',')]
    clear: Vec<Setting>,
    /// Change it only if the record still has this version, as `keystile keys show` tells it.
    #[arg(long, value_name = "VERSION")]
    if_version: Option<i64>,
}

impl Update {
    pub(super) async fn run(self, context: &Context) -> Result<Report, Failure> {
        let (client, id) = (&context.session.client, self.which.id);
        let (amendments, if_version) = (self.amendments.clone(), self.if_version);
        let mut fields = self.fields(context.now)?;
        let tenant = context.session.tenant().await?;
        if !amendments.amended().is_empty() || fields.values().any(Value::is_object) {
            let key = client.key(tenant, id).await?;
            replace_objects(&mut fields, &key);
            fields.extend(amendments.fields(&key)?);
        }
        let request = patch(fields)?;
        let request = PatchKey { version: if_version.or(request.version), ..request };
        let key = client.patch_key(tenant, id, &request).await.map_err(in_flags)?;
        changed(&key, "is changed", context)
    }

    /// What is known without the record, as fields of a merge patch.
    fn fields(self, now: Timestamp) -> Result<Map<String, Value>, Failure> {
        let amended = self.amendments.amended();
        let mut fields = written(self.settings, now)?;
        if let Some(name) = self.name {
            fields.insert("name".to_owned(), name.as_str().into());
        }
        for setting in self.clear {
            let given = fields.insert(setting.field().to_owned(), Value::Null);
            if amended.contains(&setting) || given.is_some_and(|value| !value.is_null()) {
                return Err(contradiction(setting));
            }
        }
        if fields.is_empty() && amended.is_empty() { Err(Failure::new(NOTHING)) } else { Ok(fields) }
    }
}

/// The settings that are given.
fn written(settings: Settings, now: Timestamp) -> Result<Map<String, Value>, Failure> {
    match serde_json::to_value(settings.request(now)?) {
        Ok(Value::Object(mut fields)) => {
            // A key is made with a name and may be changed without.
            fields.remove("name");
            Ok(fields)
        }
        _ => Err(unwritable()),
    }
}

/// The API merges an object member by member; what is given here takes the place of the whole.
fn replace_objects(fields: &mut Map<String, Value>, key: &KeyView) {
    for (setting, held) in [(Setting::Tag, &key.tags), (Setting::Metadata, &key.metadata)] {
        if let Some(Value::Object(wanted)) = fields.get_mut(setting.field()) {
            *wanted = replacement(held, wanted);
        }
    }
}

fn patch(fields: Map<String, Value>) -> Result<PatchKey, Failure> {
    serde_json::from_value(Value::Object(fields)).map_err(|_| unwritable())
}

fn contradiction(setting: Setting) -> Failure {
    let name = setting.name();
    Failure::new(format!(
        "--clear {name} and another flag for the same setting contradict each other; give one of them"
    ))
}

fn unwritable() -> Failure {
    Failure::new("the change cannot be written as JSON")
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use serde_json::json;

    use super::super::super::record;
    use super::super::settings::sample;
    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        update: Update,
    }

    fn sent(line: &str) -> Result<Value, Failure> {
        let words = ["update", "key_01HF7YAT000000000000000001"].into_iter().chain(line.split_whitespace());
        let fields = Line::try_parse_from(words).unwrap().update.fields(record::sample::now())?;
        Ok(serde_json::to_value(patch(fields)?).unwrap())
    }

    fn refused(line: &str) -> String {
        format!("{:?}", sent(line).unwrap_err())
    }

    #[test]
    fn every_option_is_a_field_that_the_server_takes() {
        let mut expected = sample::all();
        expected["name"] = "web".into();
        let line = format!("--name web {}", sample::ALL);
        assert_eq!(sent(&line).unwrap(), expected);
        let issued = json!({ "issued_to_user_id": "u1", "issued_to_service": "s1" });
        assert_eq!(sent("--issued-to-user-id u1 --issued-to-service s1").unwrap(), issued);
    }

    #[test]
    fn what_is_cleared_is_null_and_what_is_not_named_is_absent() {
        let expected = json!({ "expires_at": null, "rpm_limit": null, "scopes": null, "tpm_limit": 5 });
        assert_eq!(sent("--clear expires,rpm --clear scopes --tpm 5").unwrap(), expected);
        assert_eq!(sent("--budget-period day").unwrap(), json!({ "budget_period": "day" }));
    }

    #[test]
    fn contradictions_and_changes_of_nothing_are_refused() {
        for line in ["--rpm 5 --clear rpm", "--tag a=1 --clear tag", "--add-tag a=1 --clear tag"] {
            assert!(refused(line).contains("contradict"), "{line}");
        }
        assert!(refused("").contains("--clear expires"));
        assert!(refused("--if-version 3").contains("nothing is to be changed"));
        assert!(sent("--clear rpm,rpm").is_ok());
    }
}
