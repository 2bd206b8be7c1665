//! A question about a key, once its rules are checked.

use keystile_core::permission::{MAX_COUNT, Requirement};
use keystile_core::{Ask, Invalid, Permission, TenantId};
use keystile_wire::{Estimated, PermissionsAsked, VerifyRequest};

/// What a request asks.
pub(super) struct Question<'a> {
    request: &'a VerifyRequest,
    permissions: Vec<Permission<'a>>,
    cost: u32,
    estimate: Option<Estimated>,
}

impl<'a> Question<'a> {
    pub(super) fn of(request: &'a VerifyRequest) -> Result<Self, Invalid> {
        let texts = request.permissions.as_ref().map_or(&[][..], |asked| asked.parts().0);
        let estimate = request.estimate.map(|estimate| estimate.parse()).transpose();
        let estimate = estimate.map_err(|invalid| invalid.at("estimate"))?;
        Ok(Self { request, permissions: permissions(texts)?, cost: request.cost()?, estimate })
    }

    /// What the request is estimated to use, and with which model.
    pub(super) fn estimate(&self) -> (Option<Estimated>, Option<&'a str>) {
        (self.estimate, self.request.model.as_deref())
    }

    /// The text that was presented as a key.
    pub(super) fn key(&self) -> &'a str {
        self.request.key.expose()
    }

    /// The question, asked by this tenant.
    pub(super) fn ask(&self, tenant_id: TenantId) -> Ask<'_> {
        let needed = self.permissions.as_slice();
        let one_is_enough = matches!(self.request.permissions, Some(PermissionsAsked::Any { .. }));
        Ask {
            tenant_id: Some(tenant_id),
            environment: self.request.environment,
            application_id: self.request.application_id,
            ip: self.request.ip,
            customer_id: self.request.customer_id,
            permissions: if one_is_enough { Requirement::Any(needed) } else { Requirement::All(needed) },
            model: self.request.model.as_deref(),
            cost: self.cost,
        }
    }
}

fn permissions(texts: &[String]) -> Result<Vec<Permission<'_>>, Invalid> {
    if texts.len() > MAX_COUNT {
        return Err(Invalid::new("permissions", format!("must have at most {MAX_COUNT} entries")));
    }
    let parse = |(index, text)| {
        Permission::parse(text).map_err(|invalid: Invalid| invalid.at(&format!("permissions[{index}]")))
    };
    texts.iter().map(String::as_str).enumerate().map(parse).collect()
}
