//! Webhooks: who may manage them, what signs, and what the log tells.

use std::time::Duration;

use keystile_core::webhook::{Reach, WebhookDraft, WebhookPatch};
use keystile_core::{Action, Actor, Role, WhyDisabled};
use keystile_manage::{Caller, Lacking, Refused, VersionGuard, WithSecret};

use crate::bench::Bench;

const ANY: VersionGuard = VersionGuard(None);
const URL: &str = "https://example.com/hooks/T0K3N-in-the-path";

fn draft(url: &str) -> WebhookDraft {
    let (url, description) = (url.parse().unwrap(), Some("Inventory".to_owned()));
    WebhookDraft { url, description, events: Vec::new(), environments: Vec::new() }
}

async fn made(bench: &Bench, caller: &Caller) -> WithSecret {
    bench.control.create_webhook(caller, draft(URL)).await.unwrap()
}

/// The secrets that sign now, as they are shown.
async fn signing(bench: &Bench, caller: &Caller, made: &WithSecret) -> Vec<Vec<u8>> {
    let target = bench.control.webhook_to_test(caller, made.webhook.id).await.unwrap();
    target.secrets.iter().map(|secret| secret.to_vec()).collect()
}

#[tokio::test]
async fn admins_manage_webhooks_and_nobody_below() {
    let bench = Bench::new().await;
    for role in [Role::Viewer, Role::Developer] {
        let caller = bench.caller(role).await;
        let refused = bench.control.create_webhook(&caller, draft(URL)).await.unwrap_err();
        assert!(matches!(refused, Refused::Forbidden(Lacking::Role(Role::Admin))), "{refused:?}");
        assert!(bench.control.webhooks(&caller).await.is_err());
    }
    let (admin, other) = (bench.caller(Role::Admin).await, bench.caller(Role::Owner).await);
    let id = made(&bench, &admin).await.webhook.id;
    assert_eq!(bench.control.webhooks(&admin).await.unwrap().len(), 1);
    assert!(matches!(bench.control.webhook(&other, id).await.unwrap_err(), Refused::NotFound(_)));
    assert!(matches!(bench.control.webhook_to_test(&other, id).await.unwrap_err(), Refused::NotFound(_)));
    assert!(matches!(bench.control.delete_webhook(&other, id).await.unwrap_err(), Refused::NotFound(_)));
}

#[tokio::test]
async fn a_secret_has_the_form_of_the_standard_and_the_one_before_signs_for_a_while() {
    let bench = Bench::new().await;
    let admin = bench.caller(Role::Admin).await;
    let first = made(&bench, &admin).await;
    let text = first.secret.expose();
    assert!(text.starts_with("whsec_") && text.len() == "whsec_".len() + 44, "32 bytes in base64");
    let signed = signing(&bench, &admin, &first).await;
    assert_eq!((signed.len(), signed[0].len()), (1, 32));
    let (id, day) = (first.webhook.id, Duration::from_secs(24 * 60 * 60));
    let second = bench.control.rotate_webhook_secret(&admin, id, day).await.unwrap();
    assert_ne!(second.secret.expose(), text);
    let both = signing(&bench, &admin, &second).await;
    assert_eq!((both.len(), &both[1]), (2, &signed[0]));
    bench.turn(24 * 60 * 60 + 1);
    assert_eq!(signing(&bench, &admin, &second).await, [both[0].clone()]);
    let alone = bench.control.rotate_webhook_secret(&admin, id, Duration::ZERO).await.unwrap();
    assert_eq!((alone.webhook.old_secret_until, signing(&bench, &admin, &alone).await.len()), (None, 1));
}

#[tokio::test]
async fn the_log_tells_the_host_and_neither_path_nor_secret() {
    let bench = Bench::new().await;
    let admin = bench.caller(Role::Admin).await;
    let made = made(&bench, &admin).await;
    let id = made.webhook.id;
    bench.turn(1);
    let patch = WebhookPatch { enabled: Some(false), ..WebhookPatch::default() };
    bench.control.patch_webhook(&admin, id, patch, ANY).await.unwrap();
    bench.turn(1);
    bench.control.rotate_webhook_secret(&admin, id, Duration::ZERO).await.unwrap();
    bench.turn(1);
    bench.control.delete_webhook(&admin, id).await.unwrap();
    let log = bench.log(&admin).await;
    let of: Vec<_> = log.iter().rev().filter(|entry| entry.target == id.to_string()).collect();
    let actions: Vec<_> = of.iter().map(|entry| entry.action).collect();
    let expected =
        [Action::WebhookCreate, Action::WebhookUpdate, Action::WebhookRotate, Action::WebhookDelete];
    assert_eq!(actions, expected);
    assert_eq!(of[0].changes["host"], "example.com");
    let all = format!("{of:?}");
    assert!(!all.contains("T0K3N") && !all.contains(made.secret.expose()), "{all}");
}

#[tokio::test]
async fn a_url_is_checked_when_it_is_written() {
    let bench = Bench::new().await;
    let admin = bench.caller(Role::Admin).await;
    let id = made(&bench, &admin).await.webhook.id;
    let field = |refused: Refused| match refused {
        Refused::Invalid(broken) => broken[0].field.clone().into_owned(),
        other => panic!("{other:?}"),
    };
    let refused = bench.control.create_webhook(&admin, draft("https://10.0.0.1/")).await.unwrap_err();
    assert_eq!(field(refused), "url");
    let patch = || WebhookPatch { url: Some("http://10.0.0.1/".parse().unwrap()), ..WebhookPatch::default() };
    assert_eq!(field(bench.control.patch_webhook(&admin, id, patch(), ANY).await.unwrap_err()), "url");
    let reach = Reach::new(vec!["10.0.0.0/8".parse().unwrap()]);
    let reaching = bench.control.clone().reaching(reach);
    let changed = reaching.patch_webhook(&admin, id, patch(), ANY).await.unwrap();
    assert_eq!(changed.url.host(), "10.0.0.1");
}

#[tokio::test]
async fn a_webhook_that_was_changed_meanwhile_is_not_switched_off() {
    let bench = Bench::new().await;
    let admin = bench.caller(Role::Admin).await;
    let before = made(&bench, &admin).await.webhook;
    let patch = WebhookPatch { description: Some(None), ..WebhookPatch::default() };
    let after = bench.control.patch_webhook(&admin, before.id, patch, ANY).await.unwrap();
    bench.control.disable_webhook(&before, WhyDisabled::Gone).await.unwrap();
    assert_eq!(bench.control.webhook(&admin, before.id).await.unwrap().disabled, None);
    bench.turn(1);
    bench.control.disable_webhook(&after, WhyDisabled::Gone).await.unwrap();
    let off = bench.control.webhook(&admin, before.id).await.unwrap();
    assert_eq!(off.disabled.map(|(_, why)| why), Some(WhyDisabled::Gone));
    let told = bench.log(&admin).await.swap_remove(0);
    assert_eq!((told.action, told.actor), (Action::WebhookDisable, Actor::System));
    // Once is enough.
    bench.control.disable_webhook(&off, WhyDisabled::Failing).await.unwrap();
    assert_eq!(bench.control.webhook(&admin, before.id).await.unwrap(), off);
}
