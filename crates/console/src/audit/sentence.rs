//! What an entry of the audit log tells, as a sentence.

use keystile_core::{Action, Actor, RecordedEntry};
use keystile_manage::Names;

/// A part of a sentence.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part {
    Words(&'static str),
    Name(String),
}

/// `{who}` is who acted, `{what}` what was acted on.
const fn pattern(action: Action) -> &'static str {
    match action {
        Action::TenantCreate => "{who} created the tenant {what}",
        Action::TenantUpdate => "{who} changed settings of the tenant",
        Action::SessionStart => "{who} signed in",
        Action::SessionChallenge => "{what} gave the right password, and has to show a second factor",
        Action::SessionRefuse => "Somebody failed to sign in as {what}",
        Action::SessionEnd => "{who} ended a session",
        Action::SessionReuse => "A used token was shown again, which ended its session",
        Action::PasswordChange => "{who} changed their password",
        Action::PasswordOffer => "{who} made a link that sets a new password of {what}",
        Action::PasswordReset => "{who} set a new password",
        Action::TotpConfirm => "{who} has a second factor from now on",
        Action::TotpRemove => "{who} took the second factor of {what} away",
        Action::PersonDisable => "{who} barred {what} from signing in",
        Action::PersonEnable => "{who} let {what} sign in again",
        Action::InvitationCreate => "{who} invited {what}",
        Action::InvitationRevoke => "{who} took the invitation of {what} back",
        Action::MembershipCreate => "{what} became a member",
        Action::MembershipUpdate => "{who} changed the role of {what}",
        Action::MembershipDelete => "{who} removed {what} from the members",
        Action::ApplicationCreate => "{who} created the application {what}",
        Action::ApplicationUpdate => "{who} changed the application {what}",
        Action::RoutingUpdate => "{who} changed the routes of {what}",
        Action::PermissionSet => "{who} described a permission of {what}",
        Action::PermissionDelete => "{who} removed a permission of {what}",
        Action::CustomerCreate => "{who} created the customer {what}",
        Action::CustomerUpdate => "{who} changed the customer {what}",
        Action::KeyCreate => "{who} created the key {what}",
        Action::KeyImport => "{who} imported the key {what}",
        Action::KeysImport => "{who} imported keys",
        Action::KeyLeak => "{who} learned that the key {what} leaked",
        Action::KeyUpdate => "{who} changed the key {what}",
        Action::KeyDisable => "{who} disabled the key {what}",
        Action::KeyEnable => "{who} enabled the key {what}",
        Action::KeyBlock => "{who} blocked the key {what}",
        Action::KeyUnblock => "{who} unblocked the key {what}",
        Action::KeyRegenerate => "{who} gave the key {what} a new secret",
        Action::KeyRotate => "{who} rotated the key {what}",
        Action::KeyExchange => "The key {what} was exchanged for a token",
        Action::KeyRevoke => "{who} revoked the key {what}",
        Action::KeyDelete => "{who} deleted the key {what}",
        Action::JobCreate => "{who} asked for the background job {what}",
        Action::JobCancel => "{who} cancelled the background job {what}",
        Action::JobRetry => "{who} let the background job {what} go on",
        Action::JobTake => "{who} took the secrets that the background job {what} made",
        Action::ProviderCreate => "{who} added the provider of models {what}",
        Action::ProviderUpdate => "{who} changed the provider of models {what}",
        Action::ProviderDelete => "{who} deleted the provider of models {what}",
        Action::ModelCreate => "{who} added the model {what}",
        Action::ModelUpdate => "{who} changed the model {what}",
        Action::ModelDelete => "{who} deleted the model {what}",
        Action::HoldSettle => "{who} settled the hold {what} by hand",
        Action::LedgerCorrect => "{who} corrected the charge {what}",
        Action::WebhookCreate => "{who} created the webhook {what}",
        Action::WebhookUpdate => "{who} changed the webhook {what}",
        Action::WebhookRotate => "{who} gave the webhook {what} a new secret",
        Action::WebhookDisable => "{who} disabled the webhook {what}",
        Action::WebhookDelete => "{who} deleted the webhook {what}",
    }
}

/// The sentence of an entry.
pub(super) fn sentence(entry: &RecordedEntry, names: &Names) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut rest = pattern(entry.action);
    while let Some((before, behind)) = rest.split_once('{') {
        let (place, after) = behind.split_once('}').unwrap_or((behind, ""));
        if !before.is_empty() {
            parts.push(Part::Words(before));
        }
        let is_who = place == "who";
        parts.push(Part::Name(if is_who { who(entry.actor, names) } else { what(&entry.target, names) }));
        rest = after;
    }
    if !rest.is_empty() {
        parts.push(Part::Words(rest));
    }
    parts
}

/// What whoever acts is called.
pub(super) fn who(actor: Actor, names: &Names) -> String {
    let id = actor.to_string();
    match (actor, names.of(&id)) {
        (Actor::System, _) => "Keystile".to_owned(),
        (Actor::Key(_), Some(name)) => format!("key {name}"),
        (Actor::Person(_) | Actor::Key(_), name) => name.unwrap_or(&id).to_owned(),
    }
}

/// What something that is acted on is called; of a permission, it and its application.
pub(super) fn what(target: &str, names: &Names) -> String {
    let name = names.of(target);
    match (target.split_once('/'), name) {
        (Some((_, part)), Some(name)) => format!("{name}, {part}"),
        (None, Some(name)) => name.to_owned(),
        (_, None) => target.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sentence_has_places_that_are_known() {
        for action in Action::ALL {
            let mut rest = pattern(*action);
            while let Some((_, behind)) = rest.split_once('{') {
                let (place, after) = behind.split_once('}').unwrap();
                assert!(["who", "what"].contains(&place), "{action}");
                rest = after;
            }
        }
    }

    #[test]
    fn what_has_no_name_is_told_by_its_id() {
        let names = Names::default();
        assert_eq!(what("app_1/orders:read", &names), "app_1/orders:read");
        assert_eq!(who(Actor::System, &names), "Keystile");
    }
}
