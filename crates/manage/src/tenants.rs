//! Making and showing tenants.

use keystile_core::{
    Action, Actor, Application, ApplicationId, KeyLabel, LimitedId, Membership, Name, PersonId,
    RequestLimits, Role, Tenant, TenantId, TenantPatch, TenantSettings,
};
use keystile_measure::SPANS;
use keystile_store::Founding;
use serde_json::{Map, Value, json};
use tracing::instrument;

use crate::audit::object;
use crate::edit::{Edited, edit, edited};
use crate::{
    Caller, Committed, Conflict, ControlPlane, Origin, Present, Refused, Right, SignedIn, VersionGuard,
};

/// A new tenant, with the application that keys are issued to unless another is named.
#[derive(Debug)]
pub struct Founded {
    /// The tenant.
    pub tenant: Tenant,
    /// Its first application.
    pub application: Application,
    /// Its owner.
    pub owner: PersonId,
}

impl Founded {
    pub(crate) fn of(founding: &Founding) -> Self {
        let Founding { tenant, application, owner, .. } = founding;
        Self { tenant: tenant.clone(), application: application.clone(), owner: owner.person_id }
    }
}

impl ControlPlane {
    /// Makes a tenant that the signed-in person owns.
    ///
    /// # Errors
    /// When the person was disabled, or owns [`Tenant::MOST_OWNED`] tenants; or the store does not answer.
    #[instrument(target = SPANS, skip_all)]
    pub async fn create_tenant(
        &self,
        signed_in: &SignedIn,
        name: Name,
        label: KeyLabel,
        origin: &Origin,
    ) -> Result<Founded, Refused> {
        let person = self.store.person(signed_in.person_id).await?;
        let person = person.filter(|person| person.disabled_at.is_none()).ok_or(Refused::SessionEnded)?;
        let founding = self.founding(person.id, Actor::Person(person.id), name, label, origin)?;
        let founded = Founded::of(&founding);
        if !self.store.found_tenant(founding).await? {
            return Err(Refused::Conflict(Conflict::TooManyTenants));
        }
        Ok(founded)
    }

    /// A new tenant of somebody who is known.
    pub(crate) fn founding(
        &self,
        owner: PersonId,
        actor: Actor,
        name: Name,
        key_label: KeyLabel,
        origin: &Origin,
    ) -> Result<Founding, Refused> {
        let (tenant_id, created_at) = (self.fresh(TenantId::from_parts)?, self.now());
        let application_id = self.fresh(ApplicationId::from_parts)?;
        let application = Application::new(application_id, tenant_id, name.clone(), created_at);
        let tenant = Tenant {
            id: tenant_id,
            name,
            key_label,
            settings: TenantSettings::default(),
            limits: RequestLimits::default(),
            log_whole_from: Tenant::LOG_WHOLE,
            created_at,
            version: 1,
        };
        let details = json!({ "name": tenant.name, "key_label": tenant.key_label, "owner": owner });
        let entry =
            |action, target, changes| self.entry_by(tenant_id, actor, origin, action, target, changes);
        let audit = vec![
            entry(Action::TenantCreate, tenant_id.to_string(), details)?,
            entry(
                Action::ApplicationCreate,
                application_id.to_string(),
                json!({ "name": application.name }),
            )?,
        ];
        let membership = Membership { tenant_id, person_id: owner, role: Role::Owner, created_at };
        Ok(Founding { person: None, tenant, owner: membership, application, audit })
    }

    /// The tenants that the person can enter with this session, with the role in each.
    ///
    /// # Errors
    /// When the store does not answer.
    #[instrument(target = SPANS, skip_all)]
    pub async fn tenants(&self, present: &Present) -> Result<Vec<(Tenant, Role)>, Refused> {
        let mut tenants = self.store.tenants_of(present.person.id).await?;
        tenants.retain(|(tenant, _)| present.session.second_factor || !tenant.settings.mfa_required);
        Ok(tenants)
    }

    /// The caller's tenant.
    ///
    /// # Errors
    /// Without [`Right::ReadTenant`].
    #[instrument(target = SPANS, skip_all)]
    pub async fn tenant(&self, caller: &Caller) -> Result<Tenant, Refused> {
        caller.require(Right::ReadTenant)?;
        self.store.tenant(caller.tenant_id).await?.ok_or(Refused::NotFound("tenant"))
    }

    /// Changes name and settings of the caller's tenant. Another key label is for keys made from now on.
    ///
    /// # Errors
    /// Without [`Right::ManageTenant`]; for a setting that breaks a rule, or a stale version.
    #[instrument(target = SPANS, skip_all)]
    pub async fn patch_tenant(
        &self,
        caller: &Caller,
        patch: TenantPatch,
        guard: VersionGuard,
    ) -> Result<Committed<Tenant>, Refused> {
        caller.require(Right::ManageTenant)?;
        let id = caller.tenant_id;
        let entry = self.entry(caller, Action::TenantUpdate, id.to_string(), Value::Null)?;
        let change = move |tenant: &mut Tenant| {
            edit(tenant, guard, entry, |tenant, now| {
                let before = tenant.settings.clone();
                patch.apply(tenant)?;
                tenant.note_log_settings(&before, now);
                Ok(())
            })
        };
        edited(self.store.change_tenant(id, change).await, LimitedId::Tenant(id), Refused::NotFound("tenant"))
    }
}

impl Edited for Tenant {
    fn version(&mut self) -> &mut i64 {
        &mut self.version
    }

    fn describe(&self) -> Map<String, Value> {
        object(json!({
            "name": self.name,
            "key_label": self.key_label,
            "rotation_days": self.settings.rotation_days,
            "mfa_required": self.settings.mfa_required,
            "default_trust_level": self.settings.default_trust_level,
            "event_days": self.settings.event_days,
            "less_trusted_overwrites": self.settings.less_trusted_overwrites,
            "on_leak": self.settings.on_leak,
            "log_requests": self.settings.log_requests,
            "log_days": self.settings.log_days,
            "rpm_limit": self.limits.rpm,
            "rate_limits": self.limits.rates,
        }))
    }
}
