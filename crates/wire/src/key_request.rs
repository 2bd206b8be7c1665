//! API keys in requests.

use keystile_core::key::{KeyDraft, KeyImport, KeyPatch, ModelPattern, ObjectPatch, SecretFacts};
use keystile_core::text::{check_line, check_word};
use keystile_core::{
    AllowedIps, BudgetPeriod, Digest, Environment, Grants, Invalid, KeyKind, NanoUsd, RateLimit, Secret,
    SourceType, TrustLevel,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::broken::Broken;
use crate::key::RateLimitView;
use crate::patch::{Setting, never_null};
use crate::secret::send_optional;
use crate::{Object, Patch, schema};

/// Longest `source_id`, in bytes.
pub(crate) const SOURCE_ID_MAX: usize = 128;
/// Most that may be told of the beginning and of the end of an imported secret, in bytes.
const PREFIX_MAX: usize = 8;
const LAST_MAX: usize = 4;
/// Longest free line (`source`, `issued_to_…`, reasons), in characters.
pub(crate) const LINE_MAX: usize = 200;
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
            /// How that system should be treated; by default as the tenant says.
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
    /// An API key of another system to take over. Only `hash` and `name` are needed.
    #[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
    ImportKey, Option, ObjectPatch::Replace, {
        /// SHA-256 of the secret, in the encoding of the request.
        hash: String,
        /// The first characters of the secret, 1–8, for people to recognise it.
        #[schema(schema_with = schema::maybe_word)]
        #[serde(default, skip_serializing_if = "Option::is_none")]
        prefix: Option<String>,
        /// The last characters of the secret, 1–4.
        #[schema(schema_with = schema::maybe_word)]
        #[serde(default, skip_serializing_if = "Option::is_none")]
        last4: Option<String>,
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
        let Self { name, environment, application_id, kind, secret, .. } = self;
        let draft = draft(&name, [environment, application_id, kind], settings, &mut broken);
        broken.or(draft.map(|draft| KeyDraft { secret, ..draft }))
    }
}

impl ImportKey {
    /// Checks every field; `hash` is read by `digest`.
    ///
    /// # Errors
    /// Every broken rule.
    pub fn parse(
        mut self,
        digest: impl FnOnce(&str) -> Result<Digest, Invalid>,
    ) -> Result<KeyImport, Vec<Invalid>> {
        let mut broken = Broken::default();
        let settings = self.settings(&mut broken);
        let Self { hash, prefix, last4, name, environment, application_id, kind, .. } = self;
        let digest = broken.required("hash", digest(&hash));
        let shown =
            |text: Option<String>, most| text.map_or(Ok(String::new()), |text| check_word(&text, most));
        let prefix = broken.required("prefix", shown(prefix, PREFIX_MAX));
        let last4 = broken.required("last4", shown(last4, LAST_MAX));
        let draft = draft(&name, [environment, application_id, kind], settings, &mut broken);
        match (draft, digest, prefix, last4) {
            (Some(draft), Some(digest), Some(prefix), Some(last4)) if broken.is_empty() => {
                let secret = SecretFacts { digest, key_prefix: prefix.clone(), prefix, last4 };
                Ok(KeyImport { draft, secret })
            }
            _ => Err(broken.into()),
        }
    }
}

/// What the requests for a key have in common: its name, and its environment, application and kind.
fn draft(
    name: &str,
    [environment, application_id, kind]: [Option<String>; 3],
    settings: KeyPatch,
    broken: &mut Broken,
) -> Option<KeyDraft> {
    let name = broken.required("name", name.parse());
    let environment = broken.optional("environment", environment.as_deref());
    let application_id = broken.optional("application_id", application_id.as_deref());
    let kind = broken.required("kind", parse_kind(kind.as_deref(), settings.source_id.as_ref()));
    Some(KeyDraft {
        name: name?,
        environment: environment.unwrap_or(Environment::Production),
        application_id,
        kind: kind?,
        secret: None,
        settings,
    })
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
        if broken.is_empty() { Ok(KeyPatch { name, ..settings }) } else { Err(broken.into()) }
    }
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
