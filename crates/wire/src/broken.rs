//! The broken rules of a request, all of them at once.

use std::str::FromStr;

use keystile_core::Invalid;

use crate::Patch;

/// Collects the broken rules of a request.
#[derive(Default)]
pub(crate) struct Broken(Vec<Invalid>);

impl Broken {
    pub(crate) fn keep<T>(&mut self, field: &str, parsed: Result<Patch<T>, Invalid>) -> Patch<T> {
        self.required(field, parsed).unwrap_or_default()
    }

    pub(crate) fn required<T>(&mut self, field: &str, parsed: Result<T, Invalid>) -> Option<T> {
        parsed.map_err(|invalid| self.0.push(invalid.at(field))).ok()
    }

    /// Keeps all broken rules of what has parts.
    pub(crate) fn whole<T>(&mut self, field: &str, parsed: Result<T, Vec<Invalid>>) -> Option<T> {
        parsed.map_err(|broken| self.0.extend(broken.into_iter().map(|one| one.at(field)))).ok()
    }

    pub(crate) fn optional<T: FromStr<Err = Invalid>>(
        &mut self,
        field: &str,
        text: Option<&str>,
    ) -> Option<T> {
        text.and_then(|text| self.required(field, text.parse()))
    }

    pub(crate) fn add(&mut self, broken: Vec<Invalid>) {
        self.0.extend(broken);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What was parsed, if no rule is broken.
    pub(crate) fn or<T>(self, parsed: Option<T>) -> Result<T, Vec<Invalid>> {
        parsed.filter(|_| self.0.is_empty()).ok_or(self.0)
    }
}

impl From<Broken> for Vec<Invalid> {
    fn from(broken: Broken) -> Self {
        broken.0
    }
}
