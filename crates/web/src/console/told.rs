//! What a page tells of what was just done. It travels as a word in the query, so nothing has to be remembered.

/// The words, and what each tells.
const TOLD: &[(&str, &str)] = &[
    ("signed-in", "You are signed in."),
    ("key-created", "The key is made."),
    ("key-changed", "The key is changed."),
    ("key-revoked", "The key is revoked. It is refused everywhere."),
    ("key-disabled", "The key is switched off."),
    ("key-enabled", "The key is switched on."),
    ("key-blocked", "The key is blocked."),
    ("key-unblocked", "The key is not blocked any more."),
    ("key-deleted", "The key is deleted. Its history stays."),
    ("keys-changed", "The keys are changed."),
    ("customer-created", "The customer is added."),
    ("customer-archived", "The customer is archived. Its keys still work."),
    ("customer-restored", "The customer is back."),
    ("application-created", "The application is made."),
    ("application-archived", "The application is archived. Its keys still work."),
    ("application-restored", "The application is back."),
    ("permission-saved", "The permission is in the catalogue."),
    ("permission-removed", "The permission is out of the catalogue. Keys that hold it keep it."),
    ("routing-saved", "Saved. The next request obeys it."),
    ("saved", "Saved."),
    ("removed", "Removed."),
];

/// What the word `told` in a query tells.
pub(super) fn told(query: Option<&str>) -> Option<&'static str> {
    let (_, word) = form_urlencoded::parse(query?.as_bytes()).find(|(name, _)| name == "told")?;
    TOLD.iter().find(|(known, _)| *known == word).map(|(_, text)| *text)
}
