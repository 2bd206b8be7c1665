//! OpenAPI schemas of texts whose rules live in the core.

use keystile_core::key::{KeySort, RuleFormat, SortOrder};
use keystile_core::llm::{ImportOutcome, ModelSource};
use keystile_core::quota::{Basis, HoldState, LedgerKind, Origin, SpendBy};
use keystile_core::route::Unmatched;
use keystile_core::usage::Step;
use keystile_core::{
    Action, BudgetPeriod, Check, Code, DeliveryState, Encoding, Environment, JobKind, JobState, KeyKind,
    KeyStatus, LeakDeed, LeakSource, LeakState, LogExportFormat, LogFace, LogMethod, LogRequests, LogResult,
    OnLeak, Owner, PicoUsd, Protocol, Role, SourceType, TrustLevel, WebhookEvent, WhenAway, WhyDisabled,
};
use utoipa::openapi::schema::{
    AdditionalProperties, AnyOfBuilder, KnownFormat, Schema, SchemaFormat, SchemaType, Type,
};
use utoipa::openapi::{ArrayBuilder, Object, ObjectBuilder, Ref};

fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(SchemaType::Type(Type::String))
}

fn one_of<'a>(members: impl IntoIterator<Item = &'a str>) -> Object {
    text().enum_values(Some(members)).build()
}

fn id(prefix: &str) -> Object {
    text().pattern(Some(format!("^{prefix}[0-7][0-9A-HJKMNP-TV-Z]{{25}}$"))).build()
}

fn nullable(mut schema: Object) -> Object {
    if let SchemaType::Type(only) = schema.schema_type {
        schema.schema_type = SchemaType::Array(vec![only, Type::Null]);
    }
    if let Some(members) = &mut schema.enum_values {
        members.push(serde_json::Value::Null);
    }
    schema
}

macro_rules! schemas {
    ($( $name:ident / $nullable:ident = $build:expr; $what:literal )+) => {
        $(
            #[doc = concat!("Schema of ", $what, ".")]
            pub fn $name() -> Schema {
                Schema::Object($build)
            }

            #[doc = concat!("Schema of ", $what, ", or null.")]
            pub fn $nullable() -> Schema {
                Schema::Object(nullable($build))
            }
        )+
    };
}

schemas! {
    tenant_id / maybe_tenant_id = id("ten_"); "a tenant's id"
    person_id / maybe_person_id = id("per_"); "a person's id"
    application_id / maybe_application_id = id("app_"); "an application's id"
    session_id / maybe_session_id = id("ses_"); "a session's id"
    customer_id / maybe_customer_id = id("cus_"); "a customer's id"
    invitation_id / maybe_invitation_id = id("inv_"); "an invitation's id"
    key_id / maybe_key_id = id("key_"); "an API key's id"
    event_id / maybe_event_id = id("evt_"); "an event's id"
    audit_id / maybe_audit_id = id("aud_"); "an audit entry's id"
    log_id / maybe_log_id = id("log_"); "the id of a request in the log"
    leak_id / maybe_leak_id = id("leak_"); "the id of a report that a key leaked"
    job_id / maybe_job_id = id("job_"); "a background job's id"
    job_kind / maybe_job_kind = one_of(JobKind::ALL.iter().map(|k| k.as_str())); "what a background job does"
    job_state / maybe_job_state = one_of(JobState::ALL.iter().map(|s| s.as_str())); "where a background job stands"
    provider_id / maybe_provider_id = id("prv_"); "the id of a provider of models"
    model_id / maybe_model_id = id("mdl_"); "a model's id"
    model_name / maybe_model_name = listed_name(); "the name of a model"
    model_source / maybe_model_source = one_of(ModelSource::ALL.iter().map(|s| s.as_str())); "where models are taken from"
    import_outcome / maybe_import_outcome = one_of(ImportOutcome::ALL.iter().map(|o| o.as_str())); "what became of a model of a table"
    protocol / maybe_protocol = one_of(Protocol::ALL.iter().map(|p| p.as_str())); "what a provider speaks"
    encoding / maybe_encoding = one_of(Encoding::ALL.iter().map(|e| e.as_str())); "how texts become tokens"
    base_url / maybe_base_url = text().pattern(Some("^https?://")).max_length(Some(500)).examples(["https://api.openai.com/v1"]).build(); "what the URLs of an API begin with"
    webhook_id / maybe_webhook_id = id("hook_"); "a webhook's id"
    delivery_id / maybe_delivery_id = id("msg_"); "the id of a message to a webhook"
    webhook_url / maybe_webhook_url = text().pattern(Some("^https?://")).max_length(Some(2000)).examples(["https://example.com/hooks/keystile"]).build(); "a webhook's URL"
    webhook_event / maybe_webhook_event = one_of(WebhookEvent::ALL.iter().map(|e| e.as_str())); "what a webhook is told of"
    delivery_state / maybe_delivery_state = one_of(DeliveryState::ALL.iter().map(|s| s.as_str())); "what became of a message"
    why_disabled / maybe_why_disabled = one_of(WhyDisabled::ALL.iter().map(|w| w.as_str())); "why a webhook is off"
    actor / maybe_actor = text().examples(["per_01J8Z3V5N0QK7Y2M4T6B8D9FGH", "system"]).description(Some("A person's id, a key's id, or `system`.")).build(); "who acts"
    action / maybe_action = one_of(Action::ALL.iter().map(|a| a.as_str())); "what was done"
    email / maybe_email = text().max_length(Some(254)).build(); "an email address"
    permission / maybe_permission = text().max_length(Some(128)).examples(["customers:read"]).build(); "a permission"
    name / maybe_name = text().min_length(Some(1)).max_length(Some(200)).build(); "a name of 1–200 characters"
    line / maybe_line = text().min_length(Some(1)).max_length(Some(200)).build(); "a line of 1–200 characters"
    label / maybe_label = text().pattern(Some("^[a-z0-9]{2,12}$")).build(); "a key label"
    word / maybe_word = text().pattern(Some("^[!-~]{1,128}$")).build(); "a word of visible ASCII characters"
    entity_type / maybe_entity_type = text().pattern(Some("^[!-.0-~]{1,64}$")).examples(["customer"]).build(); "the type of an entity"
    entity_id / maybe_entity_id = text().pattern(Some("^[!-~]{1,200}$")).examples(["4711"]).build(); "the id of an entity"
    entity / maybe_entity = text().pattern(Some("^[!-.0-~]{1,64}/[!-~]{1,200}$")).examples(["customer/4711"]).build(); "an entity as `type/id`"
    time / maybe_time = text().format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime))).build(); "an RFC 3339 time"
    environment / maybe_environment = one_of(Environment::ALL.iter().map(|e| e.as_str())); "an environment"
    unmatched / maybe_unmatched = one_of(Unmatched::ALL.iter().map(|u| u.as_str())); "what becomes of requests that no route covers"
    kind / maybe_kind = one_of(KeyKind::NAMES); "a kind of key"
    trust_level / maybe_trust_level = one_of(TrustLevel::ALL.iter().map(|t| t.as_str())); "a trust level"
    status / maybe_status = one_of(KeyStatus::ALL.iter().map(|s| s.as_str())); "a key's status"
    log_requests / maybe_log_requests = one_of(LogRequests::ALL.iter().map(|w| w.as_str())); "which requests are logged"
    log_face / maybe_log_face = one_of(LogFace::ALL.iter().map(|f| f.as_str())); "what was asked"
    log_result / maybe_log_result = one_of(LogResult::ALL.iter().map(|r| r.as_str())); "what came of a request"
    log_method / maybe_log_method = one_of(LogMethod::ALL.iter().map(|m| m.as_str())); "the method of a request"
    log_export_format / maybe_log_export_format = one_of(LogExportFormat::ALL.iter().map(|f| f.as_str())); "the form of an export"
    on_leak / maybe_on_leak = one_of(OnLeak::ALL.iter().map(|w| w.as_str())); "what becomes of keys that leaked"
    leak_source / maybe_leak_source = one_of(LeakSource::ALL.iter().map(|s| s.as_str())); "who told that a key leaked"
    leak_deed / maybe_leak_deed = one_of(LeakDeed::ALL.iter().map(|d| d.as_str())); "what was done about a key that leaked"
    leak_state / maybe_leak_state = one_of(LeakState::ALL.iter().map(|s| s.as_str())); "what a secret opens"
    rule_format / maybe_rule_format = one_of(RuleFormat::ALL.iter().map(|f| f.as_str())); "for which scanner rules are written"
    digest / maybe_digest = sha256(); "a SHA-256 in hexadecimal"
    source_type / maybe_source_type = one_of(SourceType::ALL.iter().map(|s| s.as_str())); "where a write originated"
    budget_period / maybe_budget_period = one_of(BudgetPeriod::ALL.iter().map(|p| p.as_str())); "a budget period"
    owner / maybe_owner = one_of(Owner::ALL.iter().map(|o| o.as_str())); "whose limit it is"
    when_away / maybe_when_away = one_of(WhenAway::ALL.iter().map(|w| w.as_str())); "what becomes of requests while the shared count is away"
    role / maybe_role = one_of(Role::ALL.iter().map(|r| r.as_str())); "a member's role"
    step / maybe_step = one_of(Step::ALL.iter().map(|s| s.as_str())); "the length of a step"
    key_sort / maybe_key_sort = one_of(KeySort::ALL.iter().map(|s| s.as_str())); "what a list of keys is ordered by"
    sort_order / maybe_sort_order = one_of(SortOrder::ALL.iter().map(|o| o.as_str())); "which way round a list is"
    code / maybe_code = one_of(Code::ALL.iter().map(|c| c.as_str())); "a decision's code"
    check / maybe_check = one_of(Check::ALL.iter().map(|c| c.as_str())); "what a decision looks at"
    hold_id / maybe_hold_id = id("hld_"); "the id of what is held for a request"
    hold_state / maybe_hold_state = one_of(HoldState::ALL.iter().map(|s| s.as_str())); "what has become of a hold"
    hold_origin / maybe_hold_origin = one_of(Origin::ALL.iter().map(|o| o.as_str())); "who has to settle a hold"
    ledger_id / maybe_ledger_id = id("led_"); "the id of a row of the ledger"
    ledger_kind / maybe_ledger_kind = one_of(LedgerKind::ALL.iter().map(|k| k.as_str())); "what a row of the ledger says"
    basis / maybe_basis = one_of(Basis::ALL.iter().map(|b| b.as_str())); "what a charge rests on"
    spend_by / maybe_spend_by = one_of(SpendBy::ALL.iter().map(|b| b.as_str())); "what spending is told by"
    ip / maybe_ip = text().description(Some("An IPv4 or IPv6 address.")).build(); "an IP address"
    object / maybe_object = free_object(); "a free JSON object"
    dollars / maybe_dollars = amount(keystile_core::NanoUsd::MAX_DOLLARS); "an amount in US dollars"
    dollars_per_million / maybe_dollars_per_million = amount(PicoUsd::MAX.to_dollars_per_million()); "the price of a million in US dollars"
    dollars_each / maybe_dollars_each = amount(PicoUsd::MAX.to_dollars()); "the price of one in US dollars"
}

fn sha256() -> Object {
    text().pattern(Some("^[0-9a-fA-F]{64}$")).build()
}

fn free_object() -> Object {
    ObjectBuilder::new().additional_properties(Some(AdditionalProperties::FreeForm(true))).build()
}

fn amount(maximum: f64) -> Object {
    ObjectBuilder::new()
        .schema_type(SchemaType::Type(Type::Number))
        .minimum(Some(0.0))
        .maximum(Some(maximum))
        .build()
}

fn listed_name() -> Object {
    text().pattern(Some("^[!-)+-~]{1,128}$")).examples(["gpt-4o-mini"]).build()
}

/// Schema of further names of a model.
pub fn aliases() -> Schema {
    names_of_models(keystile_core::llm::MAX_ALIASES)
}

/// Schema of the models that are chosen from a table.
pub fn listed_names() -> Schema {
    names_of_models(keystile_core::llm::MOST_LISTED)
}

fn names_of_models(most: usize) -> Schema {
    ArrayBuilder::new().items(listed_name()).max_items(Some(most)).build().into()
}

/// Schema of the questions of a batch: any value is taken, as a broken one is answered in its place.
pub fn questions() -> Schema {
    let broken = ObjectBuilder::new()
        .schema_type(SchemaType::AnyValue)
        .description(Some("Anything else is answered with `invalid_request` in its place."))
        .build();
    let question = AnyOfBuilder::new().item(Ref::from_schema_name("VerifyRequest")).item(broken);
    ArrayBuilder::new().items(question).max_items(Some(crate::MAX_QUESTIONS)).build().into()
}

/// Schema of what events are sent as: one, or a list in which any value is taken, as a broken one is told of in the answer.
pub fn events() -> Schema {
    let broken = ObjectBuilder::new()
        .schema_type(SchemaType::AnyValue)
        .description(Some("An event; anything else is rejected in the answer."))
        .build();
    let list = ArrayBuilder::new().items(broken).max_items(Some(crate::MAX_EVENTS)).build();
    AnyOfBuilder::new().item(Ref::from_schema_name("SendEvent")).item(list).build().into()
}

/// Schema of the digests of a look-up.
pub fn digests() -> Schema {
    let most = crate::MAX_LOOKUP;
    ArrayBuilder::new().items(sha256()).max_items(Some(most)).build().into()
}

/// Schema of what a webhook is told of.
pub fn webhook_events() -> Schema {
    words_of(WebhookEvent::ALL.iter().map(|event| event.as_str()), WebhookEvent::ALL.len())
}

/// Schema of the environments whose keys a webhook is told of.
pub fn environments() -> Schema {
    words_of(Environment::ALL.iter().map(|environment| environment.as_str()), Environment::ALL.len())
}

fn words_of<'a>(members: impl IntoIterator<Item = &'a str>, most: usize) -> Schema {
    ArrayBuilder::new().items(one_of(members)).max_items(Some(most)).build().into()
}

/// Schema of a list of permissions.
pub fn grants() -> Schema {
    let grant = text().max_length(Some(128)).examples(["customers:read", "customers:*"]).build();
    ArrayBuilder::new().items(grant).max_items(Some(200)).build().into()
}

#[cfg(test)]
mod tests {
    use utoipa::PartialSchema;
    use utoipa::openapi::RefOr;

    use super::*;
    use crate::{ApplicationView, AuditEntryView, CustomerView, IntegrationKey, KeyView, SessionView};

    /// The fields that an answer may lack.
    fn may_lack<T: PartialSchema>() -> Vec<String> {
        let RefOr::T(Schema::Object(object)) = T::schema() else { unreachable!("an answer is an object") };
        object.properties.into_keys().filter(|name| !object.required.contains(name)).collect()
    }

    #[test]
    fn a_field_that_is_always_sent_is_required_even_if_it_may_be_null() {
        assert_eq!(may_lack::<IntegrationKey>(), ["app_id"]);
        for lacking in [
            may_lack::<KeyView>(),
            may_lack::<AuditEntryView>(),
            may_lack::<CustomerView>(),
            may_lack::<ApplicationView>(),
            may_lack::<SessionView>(),
        ] {
            assert_eq!(lacking, [""; 0]);
        }
    }
}
