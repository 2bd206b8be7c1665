//! For which tenant a connection is made. hyper tells whoever connects where to, and no more; so the tenant goes along with the work.

use keystile_core::TenantId;

tokio::task_local! {
    /// For whom the work is done that is polled now.
    static TENANT: TenantId;
}

/// Does work for a tenant.
pub(crate) async fn on_behalf_of<W: Future>(tenant_id: TenantId, work: W) -> W::Output {
    TENANT.scope(tenant_id, work).await
}

/// For whom it is that is asked for now, if somebody has said so.
pub(crate) fn tenant() -> Option<TenantId> {
    TENANT.try_with(|tenant_id| *tenant_id).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_knows_its_tenant() {
        let own = TenantId::from_u128(7);
        assert_eq!(on_behalf_of(own, async { tenant() }).await, Some(own));
        assert_eq!(tenant(), None);
    }
}
