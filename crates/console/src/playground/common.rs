//! What fields are that many records have, for where the document says nothing of them.

const FIELDS: &[(&str, &str)] = &[
    ("id", "A ULID behind a prefix that tells the type, such as `key_…`; given by the server."),
    ("tenant_id", "The tenant. It follows from the path or from whoever calls, never from the body."),
    (
        "app_id",
        "The application, when the writer's token was made from an application's key; a person's token has none.",
    ),
    ("application_id", "The application that it belongs to."),
    ("customer_id", "The customer that it is restricted to."),
    ("api_key_id", "The same as `id`."),
    ("created_at", "When it was made."),
    ("updated_at", "When it was last written."),
    ("created_by", "Who made it: a person, a key or `system`."),
    ("created_by_user_id", "The person who made it."),
    ("updated_by", "Who wrote it last."),
    ("deleted_at", "When it was deleted; null until then."),
    ("deleted_by", "Who deleted it; null until then."),
    ("expires_at", "Until when it is good; null for ever."),
    ("last_used_at", "When it was last used with success, to the minute."),
    ("rotated_from_key_id", "The key that it was rotated from."),
    (
        "lineage_id",
        "What all keys have in common that rotation made of one another: their limits are shared.",
    ),
    ("environment", "Where it works, and nowhere else."),
    ("status", "Whether it can be used."),
    ("kind", "Who holds it: a service, a user, a system that sends events, or a caller of language models."),
    ("issued_to_user_id", "The user who holds it, with `kind` `user`."),
    ("issued_to_service", "The service that holds it, with `kind` `service`."),
    ("trust_level", "How the receiver treats what comes with it."),
    ("source", "Which system wrote it, as that calls itself."),
    ("source_id", "The stable name of the system that sends with it."),
    ("source_type", "Where it was written from."),
    ("key_prefix", "The beginning of the secret, for people to recognise it."),
    ("prefix", "The first 8 characters of the secret."),
    ("last4", "The last 4 characters of the secret."),
    ("key_fingerprint", "SHA-256 of the whole secret, in hexadecimal. The secret itself is not kept."),
    ("tags", "Free-form tags."),
    ("metadata", "Free-form facts."),
    ("name", "What people call it."),
    ("archived_at", "When it was archived; null until then."),
    ("external_id", "What your own systems call it."),
    ("spend_usd", "What was spent in this period, in US dollars."),
    ("max_budget_usd", "The most that may be spent in a period, in US dollars."),
    ("permission", "Its name: `resource:action`."),
    ("person_id", "The person."),
    ("invitation_id", "The invitation."),
    ("session_id", "The session."),
    ("audit_id", "The entry."),
    (
        "Idempotency-Key",
        "A text of your own. The same again, with the same body, is answered as the first time.",
    ),
    (
        "If-Match",
        "The version that you read, in quotes, such as `\"3\"`. Refused with 409 when there is a newer one.",
    ),
];

/// What such a field is.
pub(super) fn about(name: &str) -> Option<&'static str> {
    FIELDS.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}
