//! What a page tells of what was just done. It travels as a word in the query, so nothing has to be remembered.

/// The words, and what each tells.
const TOLD: &[(&str, &str)] = &[
    ("signed-out", "You are signed out."),
    ("password-changed", "Your password is changed. All your other sessions have ended."),
    ("password-set", "Your new password is set, and all your sessions have ended. Sign in with it."),
    ("session-ended", "The session has ended."),
    ("sessions-ended", "All your other sessions have ended."),
    ("factor-on", "The second factor is on. From now on signing in takes a code."),
    ("factor-removed", "The second factor is removed. From now on the password is enough to sign in."),
    ("role-changed", "The role is changed. It holds from the next request on."),
    ("member-removed", "They are no member any more."),
    ("left", "You have left the tenant."),
    ("invitation-withdrawn", "The invitation is withdrawn. Its link is dead."),
    ("joined", "You are a member now."),
    ("joined-sign-in", "You are a member now. Sign in to go there."),
    ("settings-saved", "Saved. It holds from the next request on."),
    ("tenant-created", "The tenant is made, and you own it."),
    ("set-up-sign-in", "Keystile is yours. Sign in to begin."),
    ("set-up", "Keystile is yours. Make the first key."),
    ("key-changed", "The key is changed."),
    ("key-revoked", "The key is revoked. It is refused everywhere."),
    ("key-disabled", "The key is switched off."),
    ("key-enabled", "The key is switched on."),
    ("key-blocked", "The key is blocked."),
    ("key-unblocked", "The key is not blocked any more."),
    ("key-deleted", "The key is deleted. Its history stays."),
    ("job-cancelled", "The job ends when its step is done. What was done stays."),
    ("job-retried", "The job goes on from where it stopped."),
    ("customer-created", "The customer is added."),
    ("customer-archived", "The customer is archived. Its keys still work."),
    ("customer-restored", "The customer is back."),
    ("application-created", "The application is made."),
    ("application-archived", "The application is archived. Its keys still work."),
    ("application-restored", "The application is back."),
    ("permission-saved", "The permission is in the catalogue."),
    ("permission-removed", "The permission is out of the catalogue. Keys that hold it keep it."),
    ("routing-saved", "Saved. The next request obeys it."),
    ("webhook-enabled", "The webhook is on. What waited for it is being sent."),
    ("webhook-disabled", "The webhook is off. What happens waits for it, up to 30 days."),
    ("webhook-deleted", "The webhook is gone."),
    ("redelivered", "It is being sent anew. Load the page again to see how that goes."),
    ("saved", "Saved."),
];

/// What the word `told` in a query tells.
pub(super) fn told(query: Option<&str>) -> Option<&'static str> {
    let (_, word) = form_urlencoded::parse(query?.as_bytes()).find(|(name, _)| name == "told")?;
    TOLD.iter().find(|(known, _)| *known == word).map(|(_, text)| *text)
}
