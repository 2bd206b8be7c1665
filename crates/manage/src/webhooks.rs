//! Webhooks: whom a tenant wants told of its keys. A URL may hold a secret of its own, so whoever may not manage them does not
//! see them, and the log tells the host alone.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use keystile_core::webhook::{Reach, WebhookDraft, WebhookPatch};
use keystile_core::{Action, Actor, DeliveryId, Digest, Secret, Webhook, WebhookId, WebhookUrl, WhyDisabled};
use keystile_measure::SPANS;
use keystile_store::{
    DeliveriesFound, DeliveryFilter, KeptWebhook, MOST_REDELIVERED, Page, Redelivery, Sealed,
};
use serde_json::{Map, Value, json};
use tracing::instrument;
use zeroize::Zeroizing;

use crate::audit::object;
use crate::edit::{Edited, edit};
use crate::{Caller, Conflict, ControlPlane, Origin, Refused, Right, VersionGuard};

/// How a secret begins (Standard Webhooks).
const SECRET_PREFIX: &str = "whsec_";
/// Length of a secret, in bytes; the standard asks for 24 to 64.
const SECRET_LEN: usize = 32;
const WEBHOOK: Refused = Refused::NotFound("webhook");

/// Which deliveries to list.
pub type DeliveryQuery = DeliveryFilter;

/// A webhook together with its secret, which is shown this once.
#[derive(Debug)]
pub struct WithSecret {
    /// The webhook.
    pub webhook: Webhook,
    /// `whsec_…`, by which its receiver knows that messages are ours.
    pub secret: Secret,
}

/// A webhook, and what signs messages to it.
pub struct Target {
    /// The webhook.
    pub webhook: Webhook,
    /// Its secrets, the present one first. For a while after a change the one before signs, too.
    pub secrets: Vec<Zeroizing<Vec<u8>>>,
}

/// Tells which, never the secrets.
impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Target").field("webhook", &self.webhook.id).finish_non_exhaustive()
    }
}

impl ControlPlane {
    /// The same use cases, with webhooks that reach other addresses than public ones.
    #[must_use]
    pub fn reaching(self, reach: Reach) -> Self {
        Self { reach: reach.into(), ..self }
    }

    /// Makes a webhook. It is told of what happens from now on.
    ///
    /// # Errors
    /// Without [`Right::ManageWebhooks`]; for a URL that may not be sent to; when the tenant has as many as it can.
    #[instrument(target = SPANS, skip_all)]
    pub async fn create_webhook(&self, caller: &Caller, draft: WebhookDraft) -> Result<WithSecret, Refused> {
        caller.require(Right::ManageWebhooks)?;
        self.require_reach(&draft.url)?;
        let id = self.fresh(WebhookId::from_parts)?;
        let (secret, sealed) = self.webhook_secret(id)?;
        let mut entry = self.entry(caller, Action::WebhookCreate, id.to_string(), Value::Null)?;
        let WebhookDraft { url, description, events, environments } = draft;
        let webhook = Webhook {
            id,
            tenant_id: caller.tenant_id,
            url,
            description,
            events,
            environments,
            disabled: None,
            created_at: entry.at,
            old_secret_until: None,
            last_success_at: None,
            unreachable_since: None,
            version: 1,
        };
        let kept = KeptWebhook { webhook: webhook.clone(), secret: sealed, old_secret: None };
        entry.changes = Value::Object(kept.describe());
        if !self.store.create_webhook(kept, entry).await? {
            return Err(Refused::Conflict(Conflict::TooManyWebhooks));
        }
        Ok(WithSecret { webhook, secret })
    }

    /// The webhooks of the caller's tenant, oldest first.
    ///
    /// # Errors
    /// Without [`Right::ManageWebhooks`].
    #[instrument(target = SPANS, skip_all)]
    pub async fn webhooks(&self, caller: &Caller) -> Result<Vec<Webhook>, Refused> {
        caller.require(Right::ManageWebhooks)?;
        Ok(self.store.webhooks(caller.tenant_id).await?)
    }

    /// One webhook of the caller's tenant.
    ///
    /// # Errors
    /// [`Refused::NotFound`] for one that is unknown or another tenant's; without [`Right::ManageWebhooks`].
    #[instrument(target = SPANS, skip_all)]
    pub async fn webhook(&self, caller: &Caller, id: WebhookId) -> Result<Webhook, Refused> {
        caller.require(Right::ManageWebhooks)?;
        let kept = self.store.webhook(caller.tenant_id, id).await?.ok_or(WEBHOOK)?;
        Ok(kept.webhook)
    }

    /// Changes a webhook of the caller's tenant. Switched off, it is sent nothing, and what happens waits for it; switched on,
    /// it is sent what waits.
    ///
    /// # Errors
    /// Without [`Right::ManageWebhooks`]; for a URL that may not be sent to, or a stale version.
    #[instrument(target = SPANS, skip_all)]
    pub async fn patch_webhook(
        &self,
        caller: &Caller,
        id: WebhookId,
        patch: WebhookPatch,
        guard: VersionGuard,
    ) -> Result<Webhook, Refused> {
        caller.require(Right::ManageWebhooks)?;
        if let Some(url) = &patch.url {
            self.require_reach(url)?;
        }
        let entry = self.entry(caller, Action::WebhookUpdate, id.to_string(), Value::Null)?;
        let change = move |kept: &mut KeptWebhook| {
            edit(kept, guard, entry, |kept, now| {
                patch.apply(&mut kept.webhook, now);
                Ok(())
            })
        };
        let changed = self.store.change_webhook(caller.tenant_id, id, change).await?;
        Ok(changed.ok_or(WEBHOOK)??.webhook)
    }

    /// Gives a webhook another secret. The one before signs beside it for `overlap`; one from before that signs no more.
    ///
    /// # Errors
    /// [`Refused::NotFound`] for one that is unknown or another tenant's; without [`Right::ManageWebhooks`].
    #[instrument(target = SPANS, skip_all)]
    pub async fn rotate_webhook_secret(
        &self,
        caller: &Caller,
        id: WebhookId,
        overlap: Duration,
    ) -> Result<WithSecret, Refused> {
        caller.require(Right::ManageWebhooks)?;
        let (secret, sealed) = self.webhook_secret(id)?;
        let entry = self.entry(caller, Action::WebhookRotate, id.to_string(), Value::Null)?;
        let change = move |kept: &mut KeptWebhook| {
            edit(kept, VersionGuard(None), entry, |kept, now| {
                let old = std::mem::replace(&mut kept.secret, sealed);
                let lives_on = !overlap.is_zero();
                kept.old_secret = lives_on.then_some(old);
                kept.webhook.old_secret_until = lives_on.then(|| now.plus(overlap));
                Ok(())
            })
        };
        let changed = self.store.change_webhook(caller.tenant_id, id, change).await?;
        Ok(WithSecret { webhook: changed.ok_or(WEBHOOK)??.webhook, secret })
    }

    /// Takes a webhook away. What was on its way to it is given up.
    ///
    /// # Errors
    /// [`Refused::NotFound`] for one that is unknown or another tenant's; without [`Right::ManageWebhooks`].
    #[instrument(target = SPANS, skip_all)]
    pub async fn delete_webhook(&self, caller: &Caller, id: WebhookId) -> Result<(), Refused> {
        caller.require(Right::ManageWebhooks)?;
        let entry = self.entry(caller, Action::WebhookDelete, id.to_string(), json!({}))?;
        let found = self.store.delete_webhook(caller.tenant_id, id, entry).await?;
        if found { Ok(()) } else { Err(WEBHOOK) }
    }

    /// A webhook of the caller's tenant with what signs messages to it, for one that is sent at once.
    ///
    /// # Errors
    /// [`Refused::NotFound`] for one that is unknown or another tenant's; without [`Right::ManageWebhooks`].
    #[instrument(target = SPANS, skip_all)]
    pub async fn webhook_to_test(&self, caller: &Caller, id: WebhookId) -> Result<Target, Refused> {
        caller.require(Right::ManageWebhooks)?;
        self.webhook_target(self.store.webhook(caller.tenant_id, id).await?.ok_or(WEBHOOK)?)
    }

    /// A page of the deliveries of the caller's tenant, the last that were made first. A filter that few pass leads on.
    ///
    /// # Errors
    /// Without [`Right::ManageWebhooks`].
    #[instrument(target = SPANS, skip_all)]
    pub async fn deliveries(
        &self,
        caller: &Caller,
        query: &DeliveryQuery,
        page: Page<DeliveryId>,
    ) -> Result<DeliveriesFound, Refused> {
        caller.require(Right::ManageWebhooks)?;
        Ok(self.store.deliveries(caller.tenant_id, query, page).await?)
    }

    /// Lets deliveries to a webhook be sent anew, and tells how many.
    ///
    /// # Errors
    /// [`Refused::NotFound`] for a webhook that is unknown or another tenant's, or a delivery that is not its; without
    /// [`Right::ManageWebhooks`].
    #[instrument(target = SPANS, skip_all)]
    pub async fn redeliver(&self, caller: &Caller, id: WebhookId, which: Redelivery) -> Result<u64, Refused> {
        caller.require(Right::ManageWebhooks)?;
        let mut count = 0;
        loop {
            let anew = self.store.redeliver(caller.tenant_id, id, which, self.now()).await?.ok_or(WEBHOOK)?;
            count += anew;
            match which {
                Redelivery::One(_) if anew == 0 => return Err(Refused::NotFound("delivery")),
                Redelivery::FailedSince(_) if anew >= MOST_REDELIVERED => {}
                Redelivery::One(_) | Redelivery::FailedSince(_) => return Ok(count),
            }
        }
    }

    /// A webhook with what signs messages to it now. For whoever sends them, who acts for nobody.
    ///
    /// # Errors
    /// When a secret cannot be opened.
    pub fn webhook_target(&self, kept: KeptWebhook) -> Result<Target, Refused> {
        let KeptWebhook { webhook, secret, old_secret } = kept;
        let (context, now) = (context(webhook.id), self.now());
        let old = old_secret.filter(|_| webhook.old_secret_until.is_some_and(|until| until > now));
        let secrets = std::iter::once(secret).chain(old).map(|sealed| self.vault.open(&context, &sealed));
        let secrets = secrets.collect::<Result<_, _>>()?;
        Ok(Target { webhook, secrets })
    }

    /// Switches a webhook off that nothing can be delivered to, unless somebody has changed it since it was read. For whoever
    /// sends messages, who acts for nobody.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn disable_webhook(&self, webhook: &Webhook, why: WhyDisabled) -> Result<(), Refused> {
        let (tenant_id, id) = (webhook.tenant_id, webhook.id);
        let guard = VersionGuard(Some(webhook.version));
        let (action, origin) = (Action::WebhookDisable, Origin::default());
        let entry = self.entry_by(tenant_id, Actor::System, &origin, action, id.to_string(), Value::Null)?;
        let change = move |kept: &mut KeptWebhook| {
            edit(kept, guard, entry, |kept, now| {
                kept.webhook.disabled.get_or_insert((now, why));
                Ok(())
            })
        };
        match self.store.change_webhook(tenant_id, id, change).await? {
            None | Some(Ok(_) | Err(Refused::VersionConflict { .. })) => Ok(()),
            Some(Err(refused)) => Err(refused),
        }
    }

    fn require_reach(&self, url: &WebhookUrl) -> Result<(), Refused> {
        self.reach.check(url).map_err(|invalid| invalid.at("url").into())
    }

    /// A new secret, to be shown and to be kept.
    fn webhook_secret(&self, id: WebhookId) -> Result<(Secret, Sealed), Refused> {
        let mut bytes = Zeroizing::new([0_u8; SECRET_LEN]);
        self.entropy.fill(bytes.as_mut_slice())?;
        let sealed = self.vault.seal(self.entropy.as_ref(), &context(id), bytes.as_slice())?;
        Ok((Secret::new(SECRET_PREFIX.to_owned() + &STANDARD.encode(bytes.as_slice())), sealed))
    }
}

/// The place of a webhook's secrets in the vault.
fn context(id: WebhookId) -> String {
    format!("webhook:{id}")
}

impl Edited for KeptWebhook {
    fn version(&mut self) -> &mut i64 {
        &mut self.webhook.version
    }

    fn describe(&self) -> Map<String, Value> {
        let webhook = &self.webhook;
        let (disabled_at, disabled_reason) = webhook.disabled.unzip();
        object(json!({
            "host": webhook.url.host(),
            "url_sha256": Digest::of(webhook.url.as_str().as_bytes()).to_hex(),
            "description": webhook.description,
            "events": webhook.events,
            "environments": webhook.environments,
            "disabled_at": disabled_at,
            "disabled_reason": disabled_reason,
            "old_secret_until": webhook.old_secret_until,
        }))
    }
}
