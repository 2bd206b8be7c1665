//! Deciding in this process.

use std::sync::Arc;

use keystile_bearer::Refused;
use keystile_core::permission::Requirement;
use keystile_core::{Ask, Code, LogFace, Permission, PermissionName, TenantId};
use keystile_engine::{Planes, RequestLog, Texts};
use keystile_verify::{CachedKey, LimitLeft, Verdict, Verifier};
use keystile_wire::LimitState;

use crate::{Authority, KeyFacts, Needed, Question, VerifiedKey};

/// Decides on an engine of this process, from memory. Keys of other tenants do not exist for it.
#[derive(Clone)]
pub struct InProcess {
    verifier: Arc<Verifier>,
    requests: RequestLog,
    tenant_id: TenantId,
}

impl InProcess {
    /// Decides about the keys of a tenant, for as long as the engine runs; afterwards it refuses everything.
    pub fn new(planes: &Planes, tenant_id: TenantId) -> Self {
        let (verifier, requests) = (Arc::clone(&planes.verifier), planes.requests.clone());
        Self { verifier, requests, tenant_id }
    }
}

impl Authority for InProcess {
    async fn decide(&self, presented: &str, question: &Question) -> Result<VerifiedKey, Refused> {
        let needed: Vec<Permission<'_>> =
            question.permissions.names().iter().map(PermissionName::permission).collect();
        let permissions = match question.permissions {
            Needed::All(_) => Requirement::All(&needed),
            Needed::Any(_) => Requirement::Any(&needed),
        };
        let ask = Ask {
            tenant_id: Some(self.tenant_id),
            environment: Some(question.environment),
            application_id: Some(question.application_id),
            ip: question.ip,
            customer_id: question.customer_id,
            permissions,
            model: None,
            cost: question.cost,
        };
        let verdict = self.verifier.verify(presented, &ask).await;
        self.log(&verdict, question);
        verdict.outcome.as_ref().map_err(Refused::from)?;
        let key = verdict.key.as_deref().ok_or_else(|| Refused::from(Code::EnforcementUnavailable))?;
        Ok(VerifiedKey::new(facts(key, &verdict)))
    }
}

impl InProcess {
    fn log(&self, verdict: &Verdict, question: &Question) {
        let row = self.requests.begin_decision(LogFace::Guard, verdict, Some(self.tenant_id));
        let Some(mut row) = row else { return };
        row.environment = row.environment.or(Some(question.environment));
        row.application_id = row.application_id.or(Some(question.application_id));
        row.ip = question.ip;
        self.requests.add(row, Texts::default());
    }
}

fn facts(key: &CachedKey, verdict: &Verdict) -> KeyFacts {
    let state = |left: LimitLeft<'_>| LimitState::left(left.owner, left.rate, left.count);
    KeyFacts {
        key_id: key.id(),
        tenant_id: key.tenant_id(),
        application_id: key.application_id(),
        customer_id: key.customer_id(),
        environment: key.environment(),
        kind: key.kind().into(),
        source_id: key.source_id().map(Into::into),
        trust_level: key.trust_level(),
        scopes: key.scopes().clone(),
        metadata: key.metadata().into(),
        expires_at: key.expires_at(),
        limits: verdict.limits().map(state).collect(),
    }
}
