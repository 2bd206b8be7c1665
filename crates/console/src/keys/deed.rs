//! What can be done to a key with one word: each says what will happen before it does.

use std::str::FromStr;

use askama::Template;
use axum::extract::{FromRequestParts, State};
use http::request::Parts;
use keystile_core::{ApiKey, Invalid, KeyId, KeyStatus};
use keystile_manage::{Caller, Committed, Refused, Right, VersionGuard};
use keystile_wire::{BlockKey, RevokeKey};

use super::usage::lately;
use super::used_from::{UsedFrom, used_from};
use crate::chart::Chart;
use crate::form::{Fields, Form, Wrong};
use crate::leaks::{self, Seen};
use crate::page::{go_to, page, unprocessable};
use crate::shell::Shell;
use crate::visitor::Inside;
use crate::{assets, parts};
use keystile_web::App;
use keystile_web::api::Answer;
use keystile_web::extract::{PathId, path_id};
use keystile_web::problem::ApiProblem;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Deed {
    Disable,
    Enable,
    Block,
    Unblock,
    Revoke,
    Delete,
}

impl FromStr for Deed {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let named = Self::ALL.into_iter().find(|deed| deed.as_str() == text);
        named.ok_or_else(|| Invalid::rule("must be something that can be done to a key"))
    }
}

/// The words that paths have for deeds.
pub(crate) fn deeds() -> impl Iterator<Item = &'static str> {
    Deed::ALL.into_iter().map(Deed::as_str)
}

/// The deed that the path names.
pub(super) struct Named(Deed);

impl FromRequestParts<App> for Named {
    type Rejection = ApiProblem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiProblem> {
        path_id(parts, app, "deed", "page").await.map(Self)
    }
}

impl Deed {
    const ALL: [Self; 6] =
        [Self::Disable, Self::Enable, Self::Block, Self::Unblock, Self::Revoke, Self::Delete];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Disable => "disable",
            Self::Enable => "enable",
            Self::Block => "block",
            Self::Unblock => "unblock",
            Self::Revoke => "revoke",
            Self::Delete => "delete",
        }
    }

    pub(super) const fn verb(self) -> &'static str {
        match self {
            Self::Disable => "Disable",
            Self::Enable => "Enable",
            Self::Block => "Block",
            Self::Unblock => "Unblock",
            Self::Revoke => "Revoke",
            Self::Delete => "Delete",
        }
    }

    /// What a key is when it is done.
    pub(super) const fn done(self) -> &'static str {
        match self {
            Self::Disable => "disabled",
            Self::Enable => "enabled",
            Self::Block => "blocked",
            Self::Unblock => "unblocked",
            Self::Revoke => "revoked",
            Self::Delete => "deleted",
        }
    }

    /// What will happen.
    const fn consequence(self) -> &'static str {
        match self {
            Self::Disable => {
                "Every request with this key is refused until it is enabled again. Nothing else changes."
            }
            Self::Enable => "The key works again, with the same secret, permissions and limits as before.",
            Self::Block => {
                "Every request with this key is refused until it is unblocked. Others see the reason."
            }
            Self::Unblock => "The key works again, unless it is disabled or has ended.",
            Self::Revoke => {
                "This is final. The moment you revoke it, the key is refused everywhere and for good; its history stays."
            }
            Self::Delete => {
                "The key is revoked for good and leaves the lists. Its history stays in the audit log."
            }
        }
    }

    /// The word that tells on the next page that it is done.
    const fn told(self) -> &'static str {
        match self {
            Self::Disable => "key-disabled",
            Self::Enable => "key-enabled",
            Self::Block => "key-blocked",
            Self::Unblock => "key-unblocked",
            Self::Revoke => "key-revoked",
            Self::Delete => "key-deleted",
        }
    }

    /// Whether nothing brings the key back.
    pub(super) const fn is_final(self) -> bool {
        matches!(self, Self::Revoke | Self::Delete)
    }

    /// Whether it makes the key useless, for now or for ever.
    const fn takes_away(self) -> bool {
        matches!(self, Self::Disable | Self::Block | Self::Revoke | Self::Delete)
    }

    pub(super) const fn has_reason(self) -> bool {
        matches!(self, Self::Block | Self::Revoke)
    }

    /// The reason that a form gives, where one belongs to it.
    pub(super) fn reason(self, fields: &Fields) -> Result<Option<String>, Invalid> {
        let reason = fields.filled("reason");
        Ok(match self {
            Self::Block => Some(BlockKey { reason: reason.unwrap_or_default() }.parse()?),
            Self::Revoke => RevokeKey { reason }.parse()?,
            Self::Disable | Self::Enable | Self::Unblock | Self::Delete => None,
        })
    }
}

#[derive(Template)]
#[template(path = "keys/deed.html")]
struct Ask {
    shell: Shell,
    deed: Deed,
    key: ApiKey,
    /// How it was used in the last day, where that shows what will break.
    usage: Option<Chart>,
    used_from: UsedFrom,
    /// What was reported of the secret that would work again.
    leak: Option<Seen>,
    reason: String,
    wrong: Wrong,
}

impl Ask {
    /// Whether anybody may miss the key.
    fn breaks(&self) -> bool {
        self.key.status(self.shell.now) == KeyStatus::Active && self.key.blocked.is_none()
    }

    /// The counts know of a use before the record tells the last one.
    fn was_used(&self) -> bool {
        self.key.last_used_at.is_some() || self.usage.as_ref().is_some_and(|usage| usage.allowed > 0)
    }

    fn rest(&self) -> Option<String> {
        self.wrong.rest(&["reason", "typed"])
    }

    /// What has to be typed: the name, as pages show it.
    fn typed(&self) -> String {
        one_line(self.key.name.as_str())
    }

    const fn reason_hint(&self) -> &'static str {
        match self.deed {
            Deed::Block => "Operators see it on the key: abuse, a leak, an unpaid bill.",
            _ => "For the record. It may stay empty.",
        }
    }

    async fn new(app: &App, (caller, shell): (&Caller, Shell), deed: Deed, id: KeyId) -> Answer<Self> {
        caller.require(Right::ManageKeys)?;
        let usage = match deed.takes_away() {
            true => Some(lately(app, caller, id, shell.now).await?),
            false => None,
        };
        let key = app.control.key(caller, id).await?;
        let (used_from, leak) = match deed.takes_away() {
            true => (used_from(app, caller, &key).await?, None),
            false => {
                let leak = leaks::of_key(app, caller, id, shell.now).await?;
                (UsedFrom::default(), leak.filter(Seen::is_of_present_secret))
            }
        };
        let (reason, wrong) = (String::new(), Wrong::default());
        Ok(Self { shell, deed, key, usage, used_from, leak, reason, wrong })
    }
}

/// Says what will happen.
pub(super) async fn form(
    State(app): State<App>,
    Inside { caller, shell }: Inside,
    PathId(id): PathId<KeyId>,
    Named(deed): Named,
) -> Answer {
    page(&Ask::new(&app, (&caller, shell), deed, id).await?)
}

/// Does it.
pub(super) async fn carry_out(
    State(app): State<App>,
    Inside { caller, shell }: Inside,
    PathId(id): PathId<KeyId>,
    Named(deed): Named,
    Form(fields): Form,
) -> Answer {
    let ask = Ask::new(&app, (&caller, shell), deed, id).await?;
    let done = match confirmed(&ask, &fields) {
        Ok(reason) => app
            .commit(|app| async move { carried_out(&app, &caller, id, deed, reason).await })
            .await
            .map_err(ApiProblem::from),
        Err(invalid) => Err(invalid.into()),
    };
    let shell = &ask.shell;
    match done {
        Ok(_) if deed == Deed::Delete => {
            go_to(&shell.path(&format!("keys?told={}", deed.told())), shell.surroundings)
        }
        Ok(_) => go_to(&shell.path(&format!("keys/{id}?told={}", deed.told())), shell.surroundings),
        Err(problem) => {
            let wrong = Wrong::mendable(problem)?;
            unprocessable(&Ask { reason: fields.text("reason").to_owned(), wrong, ..ask })
        }
    }
}

/// A text as pages show it, where spaces next to each other are one.
pub(crate) fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The reason, if the name is typed where it must be.
fn confirmed(ask: &Ask, fields: &Fields) -> Result<Option<String>, Invalid> {
    let reason = ask.deed.reason(fields)?;
    if ask.deed.is_final() && one_line(fields.text("typed")) != ask.typed() {
        return Err(Invalid::new("typed", "type the name of the key exactly as it stands above"));
    }
    Ok(reason)
}

/// Does it to a key as it is now, whatever version it has.
pub(super) async fn carried_out(
    app: &App,
    caller: &Caller,
    id: KeyId,
    deed: Deed,
    reason: Option<String>,
) -> Result<Committed<ApiKey>, Refused> {
    let any = VersionGuard(None);
    match deed {
        Deed::Disable => app.control.disable_key(caller, id, any).await,
        Deed::Enable => app.control.enable_key(caller, id, any).await,
        Deed::Block => app.control.block_key(caller, id, reason.unwrap_or_default(), any).await,
        Deed::Unblock => app.control.unblock_key(caller, id, any).await,
        Deed::Revoke => app.control.revoke_key(caller, id, reason, any).await,
        Deed::Delete => app.control.delete_key(caller, id, any).await,
    }
}
