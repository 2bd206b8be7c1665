//! What the gateway's configuration says of the protected place.

use std::borrow::Cow;

use keystile_core::permission::MAX_COUNT;
use keystile_core::{ApplicationId, Environment, Invalid, Permission};
use smallvec::SmallVec;

use crate::problem::ApiProblem;

/// So many permissions are asked for without taking memory for their list.
const USUAL_PERMISSIONS: usize = 2;

/// The permissions that a place needs.
pub(super) type Needed<'a> = SmallVec<[Permission<'a>; USUAL_PERMISSIONS]>;

/// The protected place.
pub(super) struct Place<'a> {
    pub(super) application_id: ApplicationId,
    pub(super) environment: Option<Environment>,
    permissions: SmallVec<[Cow<'a, str>; USUAL_PERMISSIONS]>,
}

impl<'a> Place<'a> {
    pub(super) const fn new(application_id: ApplicationId) -> Self {
        Self { application_id, environment: None, permissions: SmallVec::new_const() }
    }

    /// Takes one setting of the gateway: its environment, once, or a permission that is needed.
    pub(super) fn set(&mut self, name: &str, value: Cow<'a, str>) -> Result<(), ApiProblem> {
        match name {
            "environment" if self.environment.is_some() => {
                return Err(Invalid::new("environment", "stands here twice").into());
            }
            "environment" => {
                let environment = value.parse().map_err(|invalid: Invalid| invalid.at("environment"))?;
                self.environment = Some(environment);
            }
            "permission" => self.permissions.push(value),
            other => return Err(Invalid::new(other.to_owned(), "is not a parameter here").into()),
        }
        Ok(())
    }

    pub(super) fn needed(&self) -> Result<Needed<'_>, ApiProblem> {
        let refused = |invalid: Invalid| ApiProblem::from(invalid.at("permission"));
        if self.permissions.len() > MAX_COUNT {
            return Err(refused(Invalid::rule(format!("must not stand here more than {MAX_COUNT} times"))));
        }
        self.permissions.iter().map(|text| Permission::parse(text).map_err(refused)).collect()
    }
}
