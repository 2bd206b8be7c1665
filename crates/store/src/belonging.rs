//! What keys come to belong to: it must not be archived meanwhile.

use std::collections::BTreeSet;

use keystile_core::{ApiKey, ApplicationId, CustomerId, TenantId};

use crate::StoreError;
use crate::error::Archived;
use crate::row::Row;
use crate::tx::{Statement, Tx};
use crate::value::Value;

const APPLICATION: &str = "SELECT CASE WHEN archived_at IS NULL THEN 0 ELSE 1 END AS archived
    FROM applications WHERE tenant_id = $1 AND id = $2 {for_share}";
const CUSTOMER: &str = "SELECT CASE WHEN archived_at IS NULL THEN 0 ELSE 1 END AS archived
    FROM customers WHERE tenant_id = $1 AND id = $2 {for_share}";

/// Applications and customers that get keys. Their rows are locked against a change, not against each other's keys.
#[derive(Default)]
pub(crate) struct Belonging(Vec<(Archived, [Value; 2])>);

impl Belonging {
    /// All that new keys belong to.
    pub(crate) fn of(keys: &[ApiKey]) -> Self {
        let applications: BTreeSet<(TenantId, ApplicationId)> =
            keys.iter().map(|key| (key.tenant_id, key.application_id)).collect();
        let customers: BTreeSet<(TenantId, CustomerId)> =
            keys.iter().filter_map(|key| Some((key.tenant_id, key.customer_id?))).collect();
        let applications = applications
            .into_iter()
            .map(|(tenant, id)| (Archived::Application, [Value::text(tenant), Value::text(id)]));
        let customers = customers
            .into_iter()
            .map(|(tenant, id)| (Archived::Customer, [Value::text(tenant), Value::text(id)]));
        Self(applications.chain(customers).collect())
    }

    /// The customer that a key gets by a change.
    pub(crate) fn new_customer(before: &ApiKey, after: &ApiKey) -> Self {
        let new = after.customer_id.filter(|_| before.customer_id != after.customer_id);
        let customer = |id| (Archived::Customer, [Value::text(after.tenant_id), Value::text(id)]);
        Self(new.map(customer).into_iter().collect())
    }

    /// How many statements there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Reads and locks each.
    pub(crate) fn statements(&self) -> impl Iterator<Item = Statement<'_>> {
        self.0.iter().map(|(what, which)| {
            let sql = match what {
                Archived::Application => APPLICATION,
                Archived::Customer => CUSTOMER,
            };
            (sql, which.as_slice())
        })
    }

    /// Goes on when the answers to the statements tell of nothing that is archived.
    pub(crate) fn check(self, answers: Vec<Vec<Row>>) -> Result<(), StoreError> {
        for ((what, _), rows) in self.0.into_iter().zip(answers) {
            for mut row in rows {
                if row.truth("archived")? {
                    return Err(StoreError::Archived(what));
                }
            }
        }
        Ok(())
    }

    /// Asks on its own.
    pub(crate) async fn hold(self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        let batch: Vec<Statement<'_>> = self.statements().collect();
        let answers = tx.pipeline(&batch).await?;
        self.check(answers)
    }
}
