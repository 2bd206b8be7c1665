//! How keys are shown.

use axum::response::Response;
use http::StatusCode;
use keystile_core::{ApiKey, Timestamp};
use keystile_manage::{Caller, Issued};
use keystile_wire::{CreatedKey, KeyView};

use super::{Answer, json, secret_json, with_version};
use crate::state::App;

/// How keys of a tenant are shown. It is read before a change, so that nothing can fail between the change and its answer.
#[derive(Clone, Copy)]
pub(super) struct Shown {
    rotation_days: u16,
}

impl Shown {
    pub(super) const fn rotation_days(self) -> u16 {
        self.rotation_days
    }

    pub(super) async fn to(app: &App, caller: &Caller) -> Answer<Self> {
        Ok(Self { rotation_days: app.control.rotation_days(caller).await? })
    }

    pub(super) fn view(self, key: ApiKey, now: Timestamp) -> KeyView {
        KeyView::of(key, now, self.rotation_days)
    }

    pub(super) fn record(self, app: &App, key: ApiKey) -> Response {
        let version = key.version;
        with_version(json(StatusCode::OK, &self.view(key, app.control.present())), version)
    }

    pub(super) fn with_secret(self, app: &App, status: StatusCode, issued: Issued) -> Response {
        let version = issued.key.version;
        let created = CreatedKey::of(self.view(issued.key, app.control.present()), issued.secret);
        with_version(secret_json(status, &created), version)
    }
}
