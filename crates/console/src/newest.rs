//! The few newest keys of something, as its page shows them before it leads to the list.

use keystile_core::{ApiKey, KeyId};
use keystile_manage::Caller;
use keystile_store::Page;
use keystile_wire::KeyListQuery;

use super::shell::Shell;
use keystile_web::App;
use keystile_web::api::Answer;
use keystile_web::api::keys::filter;

/// How many are shown; one more is read, to know whether there are others.
pub(super) const FEW: usize = 5;

/// The newest keys that a query finds, at most one more than [`FEW`].
pub(super) async fn few_keys(
    app: &App,
    caller: &Caller,
    shell: &Shell,
    query: KeyListQuery,
) -> Answer<Vec<ApiKey>> {
    let rotation_days = app.control.rotation_days(caller).await?;
    let page = Page::<KeyId> { after: None, limit: 1 + u32::try_from(FEW).unwrap_or(u32::MAX) };
    Ok(app.control.keys(caller, &filter(query, shell.now, rotation_days)?, page).await?)
}
