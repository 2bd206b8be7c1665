//! API keys in requests.

use std::str::FromStr;
use std::time::Duration;

use keystile_core::key::{KeyDraft, KeyPatch, MAX_OVERLAP, ModelPattern, ObjectPatch};
use keystile_core::text::{check_line, check_word};
use keystile_core::{
    AllowedIps, BudgetPeriod, Environment, Grants, Invalid, KeyKind, NanoUsd, RateLimit, Secret, SourceType,
    TrustLevel,
};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::key::RateLimitView;
use crate::patch::Setting;
use crate::secret::send_optional;
use crate::{Object, Patch, schema};

/// Longest `source_id`, in bytes.
const SOURCE_ID_MAX: usize = 128;
/// Longest free line (`source`, `issued_to_…`, reasons), in characters.
const LINE_MAX: usize = 200;
/// Most models on one key.
const MODELS_MAX: usize = 200;

/// Declares the settings that a key can be made with and that can be changed later, once for both requests.
macro_rules! key_request {
    (
        $(#[$outer:meta])*
        $name:ident, $wrap:ident, $object:path, { $( $(#[$own:meta])* $field:ident: $type:ty, )* }
    ) => {
        $(#[$outer])*
        #[serde(deny_unknown_fields)]
        pub struct $name {
            $( $(#[$own])* pub $field: $type, )*
            /// The customer it is restricted to.
            #[schema(schema_with = schema::maybe_customer_id)]
            #[serde(default, skip_serializing_if = "Setting::is_absent")]
            pub customer_id: $wrap<String>,
            /// The user it is issued to; only with kind `user`.
            #[schema(schema_with = schema::maybe_line)]
            #[serde(default, skip_serializing_if = "Setting::is_absent")]
            pub issued_to_user_id: $wrap<String>,
            /// The service it is issued to; only with kind `service`.
            #[schema(schema_with = schema::maybe_line)]
            #[serde(default, skip_serializing_if = "Setting::is_absent")]
            pub issued_to_service: $wrap<String>,
            /// Stable name of the sending system, such as `checkout-service`.
            #[schema(schema_with = schema::maybe_word)]
            #[serde(default, skip_serializing_if = "Setting::is_absent")]
            pub source_id: $wrap<String>,
            /// How that system should be treated; `external` by default.
            #[schema(schema_with = schema::maybe_trust_level)]
            #[serde(default, skip_serializing_if = "Setting::is_absent")]
            pub trust_level: $wrap<String>,
            /// Permissions: `customers:read`, `customers:*` or `*`. Also accepted as `permissions`.
            #[schema(value_type = Option<Vec<String>>, max_items = 200)]
            #[serde(default, alias = "permissions", skip_serializing_if = "Setting::is_absent")]
            pub scopes: $wrap<Vec<String>>,
            /// Addresses and CIDR networks it may be used from; empty means any.
            #[schema(value_type = Option<Vec<String>>, max_items = 100)]
            #[serde(default, skip_serializing_if = "Setting::is_absent")]
            pub allowed_ips: $wrap<Vec<String>>,
            /// Models it may use, only with kind `virtual_llm`: names, or beginnings before a final `*`.
            #[schema(value_type = Option<Vec<String>>, max_items = 200)]
            #[serde(default, skip_serializing_if = "Setting::is_absent")]
            pub allowed_models: $wrap<Vec<String>>,
            /// Requests per minute.
            #[schema(value_type = Option<u64>, minimum = 1, maximum = 1_000_000_000)]
            #[serde(default, skip_serializing_if = "Setting::is_absent")]
            pub rpm_limit: $wrap<u64>,
            /// Tokens per minute.
            #[schema(value_type = Option<u64>, minimum = 1, maximum = 1_000_000_000)]
            #[serde(default, skip_serializing_if = "Setting::is_absent")]
            pub tpm_limit: $wrap<u64>,
            /// Further rate limits, each with its own name.
            #[schema(value_type = Option<Vec<RateLimitView>>, max_items = 10)]
            #[serde(default, skip_serializing_if = "Setting::is_absent")]
            pub rate_limits: $wrap<Vec<Object<RateLimit>>>,
            /// Most it may spend in a period, in US dollars.
            #[schema(schema_with = schema::maybe_dollars)]
            #[serde(default, skip_serializing_if = "Setting::is_absent")]
            pub max_budget_usd: $wrap<f64>,
            /// How long the budget lasts; `lifetime` by default.
            #[schema(schema_with = schema::maybe_budget_period)]
            #[serde(default, skip_serializing_if = "Setting::is_absent")]
            pub budget_period: $wrap<String>,
            /// When its time is over.
            #[schema(schema_with = schema::maybe_time)]
            #[serde(default, skip_serializing_if = "Setting::is_absent")]
            pub expires_at: $wrap<String>,
            /// Provenance of the write.
            #[schema(schema_with = schema::maybe_line)]
            #[serde(default, skip_serializing_if = "Setting::is_absent")]
            pub source: $wrap<String>,
            /// Where the write originated; `api` by default.
            #[schema(schema_with = schema::maybe_source_type)]
            #[serde(default, skip_serializing_if = "Setting::is_absent")]
            pub source_type: $wrap<String>,
            /// Free-form tags: a JSON object of at most 16 KiB.
            #[schema(schema_with = schema::maybe_object)]
            #[serde(default, skip_serializing_if = "Setting::is_absent")]
            pub tags: $wrap<Map<String, Value>>,
            /// Free-form facts, told with every verification: a JSON object of at most 16 KiB.
            #[schema(schema_with = schema::maybe_object)]
            #[serde(default, skip_serializing_if = "Setting::is_absent")]
            pub metadata: $wrap<Map<String, Value>>,
        }

        impl $name {
            /// Takes the settings out, checked field by field.
            fn settings(&mut self, broken: &mut Broken) -> KeyPatch {
                macro_rules! take {
                    ($setting:ident, $parse:expr) => {
                        broken.keep(stringify!($setting), Patch::from(std::mem::take(&mut self.$setting)).try_map($parse))
                    };
                }
                KeyPatch {
                    name: None,
                    customer_id: take!(customer_id, |text| text.parse()).clearable(),
                    issued_to_user_id: take!(issued_to_user_id, |text| check_line(&text, LINE_MAX)).clearable(),
                    issued_to_service: take!(issued_to_service, |text| check_line(&text, LINE_MAX)).clearable(),
                    source_id: take!(source_id, |text| check_word(&text, SOURCE_ID_MAX)).clearable(),
                    trust_level: take!(trust_level, |text| text.parse()).or_default(|| TrustLevel::External),
                    scopes: take!(scopes, |list| Grants::parse(&list)).or_default(Grants::default),
                    allowed_ips: take!(allowed_ips, |list| AllowedIps::parse(&list)).or_default(AllowedIps::default),
                    allowed_models: take!(allowed_models, |list| models(&list)).or_default(Vec::new),
                    rpm_limit: take!(rpm_limit, Ok).clearable(),
                    tpm_limit: take!(tpm_limit, Ok).clearable(),
                    rate_limits: take!(rate_limits, |list| Ok(list.into_iter().map(|Object(rate)| rate).collect())).or_default(Vec::new),
                    max_budget: take!(max_budget_usd, NanoUsd::from_dollars).clearable(),
                    budget_period: take!(budget_period, |text| text.parse()).or_default(|| BudgetPeriod::Lifetime),
                    expires_at: take!(expires_at, |text| text.parse()).clearable(),
                    blocked: None,
                    source: take!(source, |text| check_line(&text, LINE_MAX)).clearable(),
                    source_type: take!(source_type, |text| text.parse()).or_default(|| SourceType::Api),
                    tags: take!(tags, |object| Ok($object(object))).or_default(|| ObjectPatch::Replace(Map::new())),
                    metadata: take!(metadata, |object| Ok($object(object))).or_default(|| ObjectPatch::Replace(Map::new())),
                }
            }
        }
    };
}

key_request!(
    /// An API key to make. Only `name` is needed.
    #[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
    CreateKey, Option, ObjectPatch::Replace, {
        /// What operators call it.
        #[schema(schema_with = schema::name)]
        name: String,
        /// The only environment it will work in; `production` by default.
        #[schema(schema_with = schema::maybe_environment)]
        #[serde(default, skip_serializing_if = "Option::is_none")]
        environment: Option<String>,
        /// The application it is issued to; the tenant's first by default.
        #[schema(schema_with = schema::maybe_application_id)]
        #[serde(default, skip_serializing_if = "Option::is_none")]
        application_id: Option<String>,
        /// What it is for; `service` by default, or `ingest` with a `source_id`.
        #[schema(schema_with = schema::maybe_kind)]
        #[serde(default, skip_serializing_if = "Option::is_none")]
        kind: Option<String>,
        /// A secret of your own: 24–512 visible ASCII characters that nobody can guess. Made for you if left out.
        #[schema(value_type = Option<String>, min_length = 24, max_length = 512)]
        #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "send_optional")]
        secret: Option<Secret>,
    }
);

key_request!(
    /// Settings of an API key to change, as a JSON merge patch: `null` clears a setting. `tags` and `metadata` are merged
    /// member by member; lists are replaced as a whole.
    #[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
    PatchKey, Patch, ObjectPatch::Merge, {
        /// What operators call it.
        #[schema(schema_with = schema::name)]
        #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "never_null")]
        name: Option<String>,
        /// The version the change was made for; refused with 409 when the record has moved on.
        #[schema(minimum = 1)]
        #[serde(default, skip_serializing_if = "Option::is_none")]
        version: Option<i64>,
    }
);

impl CreateKey {
    /// Checks every field.
    ///
    /// # Errors
    /// Every broken rule.
    pub fn parse(mut self) -> Result<KeyDraft, Vec<Invalid>> {
        let mut broken = Broken::default();
        let settings = self.settings(&mut broken);
        let name = broken.required("name", self.name.parse());
        let environment = broken.optional("environment", self.environment.as_deref());
        let application_id = broken.optional("application_id", self.application_id.as_deref());
        let kind = broken.required("kind", parse_kind(self.kind.as_deref(), settings.source_id.as_ref()));
        match (name, kind) {
            (Some(name), Some(kind)) if broken.0.is_empty() => Ok(KeyDraft {
                name,
                environment: environment.unwrap_or(Environment::Production),
                application_id,
                kind,
                secret: self.secret,
                settings,
            }),
            _ => Err(broken.0),
        }
    }
}

impl PatchKey {
    /// Checks every field.
    ///
    /// # Errors
    /// Every broken rule.
    pub fn parse(mut self) -> Result<KeyPatch, Vec<Invalid>> {
        let mut broken = Broken::default();
        let settings = self.settings(&mut broken);
        let name = broken.optional("name", self.name.as_deref());
        if broken.0.is_empty() { Ok(KeyPatch { name, ..settings }) } else { Err(broken.0) }
    }
}

/// Why a key is ended for good.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RevokeKey {
    /// For the record; 1–200 characters.
    #[schema(schema_with = schema::maybe_line)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl RevokeKey {
    /// The checked reason.
    ///
    /// # Errors
    /// The broken rule.
    pub fn parse(&self) -> Result<Option<String>, Invalid> {
        self.reason.as_deref().map(check_reason).transpose()
    }
}

/// Why a key is barred.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BlockKey {
    /// Shown to operators; 1–200 characters.
    #[schema(schema_with = schema::line)]
    pub reason: String,
}

impl BlockKey {
    /// The checked reason.
    ///
    /// # Errors
    /// The broken rule.
    pub fn parse(&self) -> Result<String, Invalid> {
        check_reason(&self.reason)
    }
}

/// How a key gets its new secret.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RegenerateKey {
    /// A secret of your own: 24–512 visible ASCII characters that nobody can guess. Made for you if left out.
    #[schema(value_type = Option<String>, min_length = 24, max_length = 512)]
    #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "send_optional")]
    pub secret: Option<Secret>,
}

/// How a key is replaced by another.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RotateKey {
    /// How long the old key lives on beside the new one: 0 seconds to 30 days.
    #[schema(minimum = 0, maximum = 2_592_000)]
    pub overlap_seconds: u64,
    /// A secret of your own: 24–512 visible ASCII characters that nobody can guess. Made for you if left out.
    #[schema(value_type = Option<String>, min_length = 24, max_length = 512)]
    #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "send_optional")]
    pub secret: Option<Secret>,
}

impl RotateKey {
    /// The checked overlap.
    ///
    /// # Errors
    /// The broken rule.
    pub fn overlap(&self) -> Result<Duration, Invalid> {
        let most = MAX_OVERLAP.as_secs();
        if self.overlap_seconds > most {
            return Err(Invalid::new("overlap_seconds", format!("must be from 0 to {most}")));
        }
        Ok(Duration::from_secs(self.overlap_seconds))
    }
}

/// For a setting that can be left out but not cleared.
pub(crate) fn never_null<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    String::deserialize(deserializer).map(Some)
}

pub(crate) fn check_reason(reason: &str) -> Result<String, Invalid> {
    check_line(reason, LINE_MAX).map_err(|invalid| invalid.at("reason"))
}

fn parse_kind(kind: Option<&str>, source_id: Option<&Option<String>>) -> Result<KeyKind, Invalid> {
    match kind {
        None if matches!(source_id, Some(Some(_))) => Ok(KeyKind::Ingest),
        None | Some("service") => Ok(KeyKind::Service { issued_to_service: None }),
        Some("user") => Ok(KeyKind::User { issued_to_user_id: None }),
        Some("ingest") => Ok(KeyKind::Ingest),
        Some("virtual_llm") => Ok(KeyKind::VirtualLlm { allowed_models: Vec::new() }),
        Some(_) => Err(Invalid::rule("must be one of `service` `user` `ingest` `virtual_llm`")),
    }
}

fn models(list: &[String]) -> Result<Vec<ModelPattern>, Invalid> {
    if list.len() > MODELS_MAX {
        return Err(Invalid::rule(format!("must have at most {MODELS_MAX} entries")));
    }
    let parse = |(index, text): (usize, &String)| {
        text.parse().map_err(|invalid: Invalid| invalid.at(&format!("[{index}]")))
    };
    list.iter().enumerate().map(parse).collect()
}

/// Collects the broken rules of a request.
#[derive(Default)]
struct Broken(Vec<Invalid>);

impl Broken {
    fn keep<T>(&mut self, field: &str, parsed: Result<Patch<T>, Invalid>) -> Patch<T> {
        self.required(field, parsed).unwrap_or_default()
    }

    fn required<T>(&mut self, field: &str, parsed: Result<T, Invalid>) -> Option<T> {
        parsed.map_err(|invalid| self.0.push(invalid.at(field))).ok()
    }

    fn optional<T: FromStr<Err = Invalid>>(&mut self, field: &str, text: Option<&str>) -> Option<T> {
        text.and_then(|text| self.required(field, text.parse()))
    }
}
