//! What a setting is called: as a flag, and as a field of the API.

use clap::ValueEnum;

/// A setting that has a flag. Its name here is that of the flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Setting {
    #[value(alias = "customer_id")]
    Customer,
    #[value(alias = "issued_to_user_id")]
    IssuedToUserId,
    #[value(alias = "issued_to_service")]
    IssuedToService,
    #[value(alias = "source_id")]
    SourceId,
    #[value(alias = "trust_level")]
    TrustLevel,
    #[value(aliases = ["permissions", "scope", "scopes"])]
    Permission,
    #[value(alias = "allowed_ips")]
    AllowedIp,
    #[value(alias = "allowed_models")]
    AllowedModel,
    #[value(alias = "rpm_limit")]
    Rpm,
    #[value(alias = "tpm_limit")]
    Tpm,
    #[value(alias = "rate_limits")]
    RateLimit,
    #[value(alias = "max_budget_usd")]
    MaxBudgetUsd,
    #[value(alias = "budget_period")]
    BudgetPeriod,
    #[value(alias = "expires_at")]
    Expires,
    Source,
    #[value(alias = "source_type")]
    SourceType,
    #[value(alias = "tags")]
    Tag,
    Metadata,
}

impl Setting {
    /// Its field in requests and answers.
    pub(super) const fn field(self) -> &'static str {
        match self {
            Self::Customer => "customer_id",
            Self::IssuedToUserId => "issued_to_user_id",
            Self::IssuedToService => "issued_to_service",
            Self::SourceId => "source_id",
            Self::TrustLevel => "trust_level",
            Self::Permission => "scopes",
            Self::AllowedIp => "allowed_ips",
            Self::AllowedModel => "allowed_models",
            Self::Rpm => "rpm_limit",
            Self::Tpm => "tpm_limit",
            Self::RateLimit => "rate_limits",
            Self::MaxBudgetUsd => "max_budget_usd",
            Self::BudgetPeriod => "budget_period",
            Self::Expires => "expires_at",
            Self::Source => "source",
            Self::SourceType => "source_type",
            Self::Tag => "tags",
            Self::Metadata => "metadata",
        }
    }

    /// Its flag, without the dashes.
    pub(super) fn name(self) -> String {
        // Each setting can be named, as none is skipped.
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }
}

/// The flag that sets a field of a request.
pub(super) fn flag_of(field: &str) -> String {
    let setting = Setting::value_variants().iter().find(|setting| setting.field() == field);
    match (setting, field) {
        (Some(setting), _) => format!("--{}", setting.name()),
        (None, "application_id") => "--application".to_owned(),
        (None, "secret") => "--secret-file".to_owned(),
        (None, "version") => "--if-version".to_owned(),
        (None, other) => format!("--{}", other.replace('_', "-")),
    }
}

#[cfg(test)]
mod tests {
    use keystile_wire::PatchKey;
    use serde_json::json;

    use super::*;

    /// What serde says of an unknown field names all that it knows.
    fn fields_of_a_patch() -> Vec<String> {
        let refused = serde_json::from_value::<PatchKey>(json!({ "?": 1 })).unwrap_err().to_string();
        let (_, known) = refused.split_once("expected").unwrap();
        known.split('`').skip(1).step_by(2).map(str::to_owned).collect()
    }

    #[test]
    fn every_field_of_a_patch_is_a_setting() {
        let settings: Vec<_> = Setting::value_variants().iter().map(|setting| setting.field()).collect();
        for field in fields_of_a_patch() {
            let elsewhere = ["name", "version", "permissions"].contains(&field.as_str());
            assert!(elsewhere || settings.contains(&field.as_str()), "{field}");
        }
        assert!(fields_of_a_patch().len() > settings.len());
    }

    #[test]
    fn every_setting_can_be_cleared_and_is_known_by_the_name_of_its_field() {
        for setting in Setting::value_variants() {
            let field = setting.field();
            let patch: PatchKey = serde_json::from_value(json!({ field: null })).unwrap();
            assert_eq!(serde_json::to_value(&patch).unwrap(), json!({ field: null }));
            assert_eq!(Setting::from_str(field, false).as_ref(), Ok(setting));
        }
    }

    #[test]
    fn a_field_is_told_as_its_flag() {
        for (field, flag) in [("scopes", "--permission"), ("rpm_limit", "--rpm"), ("reason", "--reason")] {
            assert_eq!(flag_of(field), flag);
        }
    }
}
