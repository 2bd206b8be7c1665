//! What people call things, of which only the ids are at hand.

use std::collections::HashMap;
use std::fmt::Write as _;

use keystile_core::{
    ApplicationId, CustomerId, InvitationId, KeyId, ModelId, PersonId, ProviderId, TenantId,
};

use crate::tx::{Statement, Tx};
use crate::value::Value;
use crate::{Store, StoreError};

/// How many ids one statement asks for. Fewer are filled up with nulls, so that there is one statement for each kind to keep prepared.
const ASKED: usize = 64;

/// Things of one kind: how their ids begin, and where their names are, by `$1`, the tenant, and `column1`, the id.
struct Kind {
    prefix: &'static str,
    name: &'static str,
}

const KINDS: &[Kind] = &[
    Kind {
        prefix: KeyId::PREFIX,
        name: "SELECT name FROM api_keys WHERE tenant_id = $1 AND id = asked.column1",
    },
    Kind {
        prefix: ApplicationId::PREFIX,
        name: "SELECT name FROM applications WHERE tenant_id = $1 AND id = asked.column1",
    },
    Kind {
        prefix: CustomerId::PREFIX,
        name: "SELECT name FROM customers WHERE tenant_id = $1 AND id = asked.column1",
    },
    Kind {
        prefix: InvitationId::PREFIX,
        name: "SELECT email FROM invitations WHERE tenant_id = $1 AND id = asked.column1",
    },
    Kind {
        prefix: ProviderId::PREFIX,
        name: "SELECT name FROM providers WHERE tenant_id = $1 AND id = asked.column1",
    },
    Kind {
        prefix: ModelId::PREFIX,
        name: "SELECT name FROM models WHERE tenant_id = $1 AND id = asked.column1",
    },
    Kind { prefix: TenantId::PREFIX, name: "SELECT name FROM tenants WHERE id = $1 AND id = asked.column1" },
];

/// Persons belong to no tenant, so this has one value less: `$1` is the first id.
const PERSON: Kind =
    Kind { prefix: PersonId::PREFIX, name: "SELECT email FROM persons WHERE id = asked.column1" };

impl Kind {
    /// A statement for [`ASKED`] ids from the place `$first` on. Each name is asked for by itself, which leaves a planner no choice:
    /// of `id IN (…)` PostgreSQL may think that it is quicker to read all that the tenant has, and compare each with all ids.
    fn statement(&self, first: usize) -> String {
        let mut places = format!("(${first})");
        for place in first + 1..first + ASKED {
            // Writing to a text cannot fail.
            let _written = write!(places, ", (${place})");
        }
        format!("SELECT column1 AS id, ({}) AS name FROM (VALUES {places}) AS asked", self.name)
    }
}

impl Store {
    /// What the tenant's keys, applications, customers and invitations with these ids are called, those that are deleted or
    /// archived, too, and the addresses of persons. Ids of nothing, or of another tenant's, are left out. Persons belong to no
    /// tenant: whoever asks must have their ids from what the tenant may see.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn names(
        &self,
        tenant_id: TenantId,
        ids: Vec<String>,
    ) -> Result<HashMap<String, String>, StoreError> {
        let asked = questions(tenant_id, &ids);
        self.read(asked, |asked, tx| Box::pin(find(asked, tx))).await
    }
}

/// A statement and its values for every [`ASKED`] ids of a kind.
pub(crate) fn questions(tenant_id: TenantId, ids: &[String]) -> Vec<(String, Vec<Value>)> {
    let own = KINDS.iter().map(|kind| (kind, Some(Value::text(tenant_id))));
    let kinds = own.chain([(&PERSON, None)]);
    kinds.flat_map(|(kind, tenant)| of_kind(kind, tenant.as_ref(), ids)).collect()
}

fn of_kind(kind: &Kind, tenant: Option<&Value>, ids: &[String]) -> Vec<(String, Vec<Value>)> {
    let ids: Vec<&String> = ids.iter().filter(|id| id.starts_with(kind.prefix)).collect();
    if ids.is_empty() {
        return Vec::new();
    }
    let statement = kind.statement(1 + usize::from(tenant.is_some()));
    let question = |chunk: &[&String]| {
        let asked = chunk.iter().map(Value::text).chain(std::iter::repeat(Value::Null)).take(ASKED);
        (statement.clone(), tenant.cloned().into_iter().chain(asked).collect())
    };
    ids.chunks(ASKED).map(question).collect()
}

async fn find(
    asked: &[(String, Vec<Value>)],
    tx: &mut Tx<'_>,
) -> Result<HashMap<String, String>, StoreError> {
    let statements: Vec<Statement<'_>> =
        asked.iter().map(|(sql, values)| (sql.as_str(), values.as_slice())).collect();
    let mut names = HashMap::new();
    for mut row in tx.pipeline(&statements).await?.into_iter().flatten() {
        let (id, name) = (row.opt_text("id")?, row.opt_text("name")?);
        names.extend(id.zip(name));
    }
    Ok(names)
}
