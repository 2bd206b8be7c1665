//! For which tenant a connection is made. hyper tells whoever connects where to, and no more; so the tenant goes along with the work.

use std::pin::Pin;

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

/// The same work, which is for the same tenant also when others go on with it: hyper carries a connection to its end in a task of its own
/// when its request no longer needs it.
pub(crate) fn carried<W>(work: W) -> Pin<Box<dyn Future<Output = W::Output> + Send>>
where
    W: Future + Send + 'static,
{
    match tenant() {
        Some(tenant_id) => Box::pin(TENANT.scope(tenant_id, work)),
        None => Box::pin(work),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_knows_its_tenant_wherever_it_is_carried_on() {
        let own = TenantId::from_u128(7);
        let work = on_behalf_of(own, async { Some(carried(async { tenant() })) }).await.unwrap();
        assert_eq!(tokio::spawn(work).await.unwrap(), Some(own));
        assert_eq!((tenant(), carried(async { tenant() }).await), (None, None));
    }
}
