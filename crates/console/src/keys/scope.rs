//! What keys belong to, by name: applications with their permissions, and customers.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use keystile_core::{ApiKey, ApplicationId, CatalogueEntry, CustomerId};
use keystile_manage::{Caller, CustomerQuery};
use keystile_store::Page;
use keystile_wire::MAX_PAGE;

use keystile_web::App;
use keystile_web::api::Answer;

/// Something to choose from a list.
#[derive(Debug, Clone)]
pub(crate) struct Choice {
    pub(crate) id: String,
    pub(crate) name: String,
}

/// What can be chosen. A tenant that has more than a list can show is asked for ids.
#[derive(Debug, Clone, Default)]
pub(crate) struct Choices {
    pub(crate) list: Vec<Choice>,
    pub(crate) is_whole: bool,
}

impl Choices {
    fn of(mut list: Vec<Choice>) -> Self {
        let is_whole = list.len() <= usize::from(MAX_PAGE);
        list.truncate(usize::from(MAX_PAGE));
        list.sort_by_key(|choice| choice.name.to_lowercase());
        Self { list, is_whole }
    }

    /// The id of what was made first.
    pub(super) fn first(&self) -> &str {
        self.list.iter().map(|choice| choice.id.as_str()).min().unwrap_or_default()
    }

    /// The name of what has this id.
    pub(crate) fn name(&self, id: &str) -> Option<&str> {
        self.list.iter().find(|choice| choice.id == id).map(|choice| choice.name.as_str())
    }
}

/// The applications that keys can be issued to, or that keys can have.
pub(crate) async fn applications(app: &App, caller: &Caller, archived: Archived) -> Answer<Choices> {
    let page = Page { after: None, limit: u32::from(MAX_PAGE) + 1 };
    let all = app.control.applications(caller, archived == Archived::Shown, page).await?;
    let choice = |application: keystile_core::Application| Choice {
        id: application.id.to_string(),
        name: application.name.to_string(),
    };
    Ok(Choices::of(all.into_iter().map(choice).collect()))
}

/// The customers that keys can be restricted to, or that keys can have.
pub(super) async fn customers(app: &App, caller: &Caller, archived: Archived) -> Answer<Choices> {
    let page = Page { after: None, limit: u32::from(MAX_PAGE) + 1 };
    let wanted = CustomerQuery {
        name_contains: None,
        external_id: None,
        id: None,
        include_archived: archived == Archived::Shown,
    };
    let all = app.control.customers(caller, &wanted, page).await?;
    let choice = |customer: keystile_core::Customer| Choice {
        id: customer.id.to_string(),
        name: customer.name.to_string(),
    };
    Ok(Choices::of(all.into_iter().map(choice).collect()))
}

/// Whether what is archived can be chosen, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Archived {
    Shown,
    Left,
}

/// A permission of a key, in people's words.
#[derive(Debug)]
pub(super) struct Permission {
    pub(super) label: String,
    /// What the API calls it.
    pub(super) raw: String,
}

impl Permission {
    /// Whether a catalogue says what people call it.
    pub(super) fn is_known(&self) -> bool {
        self.label != self.raw
    }
}

/// The catalogues of the applications of some keys.
pub(super) struct Catalogues(HashMap<ApplicationId, Vec<CatalogueEntry>>);

impl Catalogues {
    /// Reads those that these keys need.
    pub(super) async fn of(app: &App, caller: &Caller, keys: &[ApiKey]) -> Answer<Self> {
        let mut read = HashMap::new();
        for key in keys.iter().filter(|key| !key.scopes.is_empty()) {
            if let Entry::Vacant(place) = read.entry(key.application_id) {
                place.insert(app.control.catalogue(caller, key.application_id).await?);
            }
        }
        Ok(Self(read))
    }

    /// What a key may do.
    pub(super) fn permissions(&self, key: &ApiKey) -> Vec<Permission> {
        let catalogue = self.0.get(&key.application_id).map(Vec::as_slice).unwrap_or_default();
        let labels = keystile_core::catalogue::labels(&key.scopes, catalogue);
        let both = labels.zip(key.scopes.iter());
        both.map(|(label, grant)| Permission { label: label.to_owned(), raw: grant.as_str().to_owned() })
            .collect()
    }
}

/// The customer of a key, by name.
pub(crate) async fn customer_name(app: &App, caller: &Caller, id: CustomerId) -> Answer<String> {
    Ok(app.control.customer(caller, id).await?.name.to_string())
}
