//! Who looks at the console.

use axum::extract::{FromRequestParts, OriginalUri};
use http::Uri;
use http::request::Parts;
use keystile_core::{Role, Secret, Tenant, TenantId};
use keystile_manage::{Caller, Me, Present, Refused};

use super::cookie;
use super::shell::{Frame, Shell, Surroundings, form_token, home, place, places};
use super::told::told;
use keystile_web::App;
use keystile_web::extract::{note_caller, origin, path_id};
use keystile_web::problem::ApiProblem;

/// Somebody who is signed in.
pub(super) struct Visitor {
    pub(super) present: Present,
    /// What their forms carry.
    pub(super) form_token: String,
    pub(super) surroundings: Surroundings,
}

impl FromRequestParts<App> for Visitor {
    type Rejection = ApiProblem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiProblem> {
        let token = session(parts)?;
        let present = app.control.carry_on(&token, origin(parts)).await?;
        let surroundings = Surroundings::of(&parts.headers);
        Ok(Self { present, form_token: form_token(&token), surroundings })
    }
}

/// Somebody who may be signed in: nobody, or a visitor.
///
/// # Errors
/// When it cannot be known, as the store is away.
pub(super) fn known(visitor: Result<Visitor, ApiProblem>) -> Result<Option<Visitor>, ApiProblem> {
    match visitor {
        Ok(visitor) => Ok(Some(visitor)),
        Err(problem) if problem.is_session_over() => Ok(None),
        Err(problem) => Err(problem),
    }
}

/// A member in the tenant that the path names, and what stands around their page.
pub(super) struct Inside {
    pub(super) caller: Caller,
    pub(super) shell: Shell,
}

impl FromRequestParts<App> for Inside {
    type Rejection = ApiProblem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiProblem> {
        let tenant_id = match path_id::<TenantId>(parts, app, "tenant_id", "tenant").await {
            Ok(tenant_id) => tenant_id,
            // Whoever is not signed in is told so first, wherever they go.
            Err(unknown) => return Visitor::from_request_parts(parts, app).await.and(Err(unknown)),
        };
        let token = session(parts)?;
        let (present, caller) = app.control.carry_on_in(&token, tenant_id, origin(parts)).await?;
        let (caller, tenants) = (caller?, app.control.all_tenants(&present).await?);
        note_caller(parts, &caller);
        let shell = shell(parts, app, (&present, tenants.as_slice()), &caller, form_token(&token))?;
        Ok(Self { caller, shell })
    }
}

/// Somebody on a page that belongs to no tenant, and what stands around it.
pub(super) struct Own {
    pub(super) present: Present,
    pub(super) me: Me,
    pub(super) frame: Frame,
}

impl FromRequestParts<App> for Own {
    type Rejection = ApiProblem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiProblem> {
        let Visitor { present, form_token, surroundings } = Visitor::from_request_parts(parts, app).await?;
        let me = app.control.me(present.clone()).await?;
        let (theme, told) = (cookie::theme(&parts.headers), told(asked_uri(parts).query()));
        let (email, now) = (me.person.email.to_string(), app.control.present());
        let frame = Frame { shell: None, email, form_token, theme, told, surroundings, now };
        let shell = home(&me).map(|(tenant, role)| own_shell(&frame, &me, tenant, *role));
        Ok(Self { present, frame: Frame { shell, ..frame }, me })
    }
}

/// No page in the list of pages is the one that is shown.
fn own_shell(frame: &Frame, me: &Me, tenant: &Tenant, role: Role) -> Shell {
    Shell {
        email: frame.email.clone(),
        tenant: place(tenant),
        tenants: places(&me.tenants),
        role,
        section: "account".to_owned(),
        form_token: frame.form_token.clone(),
        theme: frame.theme,
        told: frame.told,
        surroundings: frame.surroundings,
        now: frame.now,
    }
}

fn shell(
    parts: &Parts,
    app: &App,
    (present, tenants): (&Present, &[(Tenant, Role)]),
    caller: &Caller,
    form_token: String,
) -> Result<Shell, ApiProblem> {
    let tenants = places(tenants);
    let tenant = tenants.iter().find(|place| place.id == caller.tenant_id()).cloned();
    Ok(Shell {
        email: present.person().email.to_string(),
        tenant: tenant.ok_or(Refused::NotFound("tenant"))?,
        tenants,
        role: caller.role().ok_or_else(ApiProblem::internal)?,
        section: section(asked_uri(parts).path()).to_owned(),
        form_token,
        theme: cookie::theme(&parts.headers),
        told: told(asked_uri(parts).query()),
        surroundings: Surroundings::of(&parts.headers),
        now: app.control.present(),
    })
}

/// The session that the browser carries on.
pub(super) fn session(parts: &Parts) -> Result<Secret, ApiProblem> {
    Ok(cookie::session(&parts.headers).ok_or(Refused::SessionEnded)?)
}

/// What was asked for. The router cuts off what a page is nested under.
fn asked_uri(parts: &Parts) -> &Uri {
    parts.extensions.get::<OriginalUri>().map_or(&parts.uri, |OriginalUri(uri)| uri)
}

/// The part of a path that tells which page it belongs to: `/console/{tenant_id}/{section}/…`.
fn section(path: &str) -> &str {
    path.split('/').nth(3).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::section;

    #[test]
    fn a_page_belongs_to_what_its_path_names() {
        assert_eq!(section("/console/ten_1/keys/key_1/revoke"), "keys");
        assert_eq!([section("/console/ten_1/"), section("/console/ten_1"), section("/")], ["", "", ""]);
    }
}
