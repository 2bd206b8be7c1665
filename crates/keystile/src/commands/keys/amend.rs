//! What `keystile keys update` adds to lists and takes from them, where the rest is to stay.

use clap::Args;
use keystile_core::{AllowedIps, Grant};
use keystile_wire::KeyView;
use serde_json::{Map, Value};

use super::setting::Setting;
use crate::commands::words::{network, pair};
use crate::failure::Failure;

/// Entries that come and go. The record is read first, and the change is refused if somebody else overtakes it.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct Amendments {
    /// Permission to add to those it has. May be repeated, as all of these.
    #[arg(long, value_name = "PERMISSION", conflicts_with = "permissions")]
    add_permission: Vec<Grant>,
    /// Permission to take from it.
    #[arg(long, value_name = "PERMISSION", conflicts_with = "permissions")]
    remove_permission: Vec<Grant>,
    /// Address or network to add to those it may be used from.
    #[arg(long, value_name = "ADDRESS", value_parser = network, conflicts_with = "allowed_ips")]
    add_allowed_ip: Vec<String>,
    /// Address or network to take from those it may be used from.
    #[arg(long, value_name = "ADDRESS", value_parser = network, conflicts_with = "allowed_ips")]
    remove_allowed_ip: Vec<String>,
    /// Tag to add, or to give another value.
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair, conflicts_with_all = ["tags", "tags_json"])]
    add_tag: Vec<(String, String)>,
    /// Tag to remove.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["tags", "tags_json"])]
    remove_tag: Vec<String>,
    /// Fact to add to the metadata, or to give another value.
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair, conflicts_with_all = ["metadata", "metadata_json"])]
    add_metadata: Vec<(String, String)>,
    /// Fact to remove from the metadata.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["metadata", "metadata_json"])]
    remove_metadata: Vec<String>,
}

impl Amendments {
    /// The settings that these amend.
    pub(super) fn amended(&self) -> Vec<Setting> {
        let given = [
            (Setting::Permission, self.add_permission.len() + self.remove_permission.len()),
            (Setting::AllowedIp, self.add_allowed_ip.len() + self.remove_allowed_ip.len()),
            (Setting::Tag, self.add_tag.len() + self.remove_tag.len()),
            (Setting::Metadata, self.add_metadata.len() + self.remove_metadata.len()),
        ];
        given.into_iter().filter(|(_, entries)| *entries > 0).map(|(setting, _)| setting).collect()
    }

    /// The settings of `key` with these amendments, as fields of a patch of this version and no later one. Settings that
    /// are not amended are absent.
    pub(super) fn fields(&self, key: &KeyView) -> Result<Map<String, Value>, Failure> {
        let texts = |grants: &[Grant]| grants.iter().map(ToString::to_string).collect::<Vec<_>>();
        let scopes = key.scopes.iter().map(ToString::to_string).collect();
        let (add, remove) = (texts(&self.add_permission), texts(&self.remove_permission));
        let entries = [
            (Setting::Permission, list(Setting::Permission, scopes, &add, &remove)?),
            (Setting::AllowedIp, self.addresses(key)?),
            (Setting::Tag, object(Setting::Tag, &key.tags, &self.add_tag, &self.remove_tag)?),
            (
                Setting::Metadata,
                object(Setting::Metadata, &key.metadata, &self.add_metadata, &self.remove_metadata)?,
            ),
        ];
        let amended =
            entries.into_iter().filter_map(|(setting, value)| Some((setting.field().to_owned(), value?)));
        Ok(amended.chain([("version".to_owned(), key.version.into())]).collect())
    }

    /// An empty list would let the key be used from everywhere, which nobody means who takes an address away.
    fn addresses(&self, key: &KeyView) -> Result<Option<Value>, Failure> {
        let (add, remove) = (canonical(&self.add_allowed_ip), canonical(&self.remove_allowed_ip));
        if key.allowed_ips.is_empty() && !add.is_empty() && remove.is_empty() {
            return Err(Failure::new(
                "--add-allowed-ip: the key may be used from everywhere, so there is no list to add to; \
                --allowed-ip restricts it",
            ));
        }
        let left = list(Setting::AllowedIp, key.allowed_ips.clone(), &add, &remove)?;
        match left {
            Some(Value::Array(left)) if left.is_empty() => Err(Failure::new(
                "--remove-allowed-ip: without any address the key could be used from everywhere; \
                if you mean that: --clear allowed-ip",
            )),
            left => Ok(left),
        }
    }
}

/// Networks in the one form that records have.
fn canonical(networks: &[String]) -> Vec<String> {
    AllowedIps::parse(networks).map_or_else(|_| networks.to_vec(), |networks| networks.iter().collect())
}

fn list(
    setting: Setting,
    mut entries: Vec<String>,
    add: &[String],
    remove: &[String],
) -> Result<Option<Value>, Failure> {
    for entry in remove {
        let place = entries.iter().position(|held| held == entry).ok_or_else(|| missing(setting, entry))?;
        entries.remove(place);
    }
    for entry in add {
        if !entries.contains(entry) {
            entries.push(entry.clone());
        }
    }
    Ok((!add.is_empty() || !remove.is_empty()).then(|| entries.into()))
}

/// The members to write and to remove, as a merge patch has them.
fn object(
    setting: Setting,
    held: &Map<String, Value>,
    add: &[(String, String)],
    remove: &[String],
) -> Result<Option<Value>, Failure> {
    let mut members = Map::new();
    for name in remove {
        if !held.contains_key(name) {
            return Err(missing(setting, name));
        }
        members.insert(name.clone(), Value::Null);
    }
    members.extend(add.iter().map(|(name, value)| (name.clone(), value.as_str().into())));
    Ok((!members.is_empty()).then_some(Value::Object(members)))
}

/// The merge patch that makes `wanted` of `held`: what `wanted` lacks is removed.
pub(super) fn replacement(held: &Map<String, Value>, wanted: &Map<String, Value>) -> Map<String, Value> {
    let gone = held.keys().filter(|name| !wanted.contains_key(*name));
    let written = wanted.iter().map(|(name, value)| {
        let value = match (held.get(name), value) {
            (Some(Value::Object(held)), Value::Object(wanted)) => Value::Object(replacement(held, wanted)),
            (_, value) => value.clone(),
        };
        (name.clone(), value)
    });
    gone.map(|name| (name.clone(), Value::Null)).chain(written).collect()
}

fn missing(setting: Setting, entry: &str) -> Failure {
    let flag = setting.name();
    Failure::new(format!(
        "--remove-{flag} {entry}: the key has no such entry; `keystile keys show` shows what it has"
    ))
}

#[cfg(test)]
mod tests {
    use keystile_core::Grants;
    use serde_json::json;

    use super::super::super::record::sample;
    use super::*;

    fn key() -> KeyView {
        KeyView {
            scopes: Grants::parse(&["a:read", "b:read"]).unwrap(),
            allowed_ips: vec!["10.0.0.0/8".into(), "192.0.2.7/32".into()],
            tags: serde_json::from_str(r#"{"team": "payments", "n": 1}"#).unwrap(),
            version: 7,
            ..sample::key("web")
        }
    }

    fn grants(texts: &[&str]) -> Vec<Grant> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn entries_come_and_go_and_the_rest_stays() {
        let amendments = Amendments {
            add_permission: grants(&["c:*", "a:read"]),
            remove_permission: grants(&["b:read"]),
            remove_allowed_ip: vec!["192.0.2.7".into()],
            add_tag: vec![("team".into(), "web".into())],
            add_metadata: vec![("plan".into(), "pro".into())],
            ..Amendments::default()
        };
        let fields = Value::Object(amendments.fields(&key()).unwrap());
        let expected = json!({
            "scopes": ["a:read", "c:*"], "allowed_ips": ["10.0.0.0/8"], "tags": {"team": "web"},
            "metadata": {"plan": "pro"}, "version": 7,
        });
        assert_eq!(fields, expected);
    }

    #[test]
    fn a_replaced_object_holds_what_is_wanted_and_nothing_else() {
        let map = |value: Value| value.as_object().unwrap().clone();
        let held = map(json!({"a": 1, "b": {"c": 1, "d": 2}, "e": "x"}));
        let wanted = map(json!({"b": {"c": 3}, "e": "x", "f": ["y"]}));
        let expected = map(json!({"a": null, "b": {"c": 3, "d": null}, "e": "x", "f": ["y"]}));
        assert_eq!(replacement(&held, &wanted), expected);
    }

    #[test]
    fn what_is_not_there_cannot_be_taken_away() {
        let of_permission = Amendments { remove_permission: grants(&["a:*"]), ..Amendments::default() };
        let of_tag = Amendments { remove_tag: vec!["region".into()], ..Amendments::default() };
        for (amendments, named) in
            [(of_permission, "--remove-permission a:*"), (of_tag, "--remove-tag region")]
        {
            let refused = format!("{:?}", amendments.fields(&key()).unwrap_err());
            assert!(refused.contains(named), "{refused}");
        }
    }

    #[test]
    fn addresses_never_open_or_close_a_key_by_accident() {
        let last = Amendments {
            remove_allowed_ip: vec!["10.0.0.0/8".into(), "192.0.2.7/32".into()],
            ..Amendments::default()
        };
        assert!(format!("{:?}", last.fields(&key()).unwrap_err()).contains("--clear allowed-ip"));
        let first = Amendments { add_allowed_ip: vec!["10.0.0.0/8".into()], ..Amendments::default() };
        assert!(format!("{:?}", first.fields(&sample::key("web")).unwrap_err()).contains("from everywhere"));
    }
}
