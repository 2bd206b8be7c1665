//! The form of a key as it is shown: what was typed, what is wrong with it, and what can be chosen.

use keystile_core::{ApiKey, ApplicationId, CatalogueEntry};
use keystile_manage::{Caller, Refused};

use super::scope::{Archived, Choice, Choices, applications, customer_name, customers};
use super::{draft, filled};
use crate::form::{Fields, Wrong};
use crate::window::{self, Row};
use keystile_web::App;
use keystile_web::api::Answer;

/// How long a budget lasts: as the API writes it, and for people.
pub(super) const PERIODS: &[(&str, &str)] =
    &[("month", "a month"), ("week", "a week"), ("day", "a day"), ("lifetime", "altogether")];

/// What people call a period of [`PERIODS`].
pub(crate) fn period_name(period: &str) -> &'static str {
    PERIODS.iter().find(|(known, _)| *known == period).map_or("", |(_, name)| name)
}

pub(super) struct Sheet {
    pub(super) typed: Fields,
    pub(super) wrong: Wrong,
    pub(super) rows: Vec<Row>,
    pub(super) applications: Choices,
    pub(super) customers: Choices,
    pub(super) catalogue: Vec<CatalogueEntry>,
    /// The key that is changed; none when one is made.
    pub(super) key: Option<ApiKey>,
    /// The version of that key that the form is made for.
    pub(super) version: String,
}

impl Sheet {
    /// The form for a new key. Without an application it is for the tenant's first, as in the API.
    pub(super) async fn new(app: &App, caller: &Caller, mut typed: Fields, wrong: Wrong) -> Answer<Self> {
        let applications = applications(app, caller, Archived::Left).await?;
        typed.fill("application_id", applications.first());
        let catalogue = catalogue(app, caller, typed.text("application_id").parse().ok()).await?;
        Ok(Self {
            rows: window::with_empty(window::typed(&typed)),
            applications,
            customers: customers(app, caller, Archived::Left).await?,
            typed,
            wrong,
            catalogue,
            key: None,
            version: String::new(),
        })
    }

    /// The form for a key that is there, with what it has, or with what was typed.
    pub(super) async fn of(
        app: &App,
        caller: &Caller,
        key: ApiKey,
        typed: Option<Fields>,
        wrong: Wrong,
    ) -> Answer<Self> {
        let catalogue = catalogue(app, caller, Some(key.application_id)).await?;
        let mut customers = customers(app, caller, Archived::Left).await?;
        if let Some(id) = key.customer_id.filter(|id| customers.name(&id.to_string()).is_none()) {
            // One that is archived stays what it is.
            customers.list.push(Choice { id: id.to_string(), name: customer_name(app, caller, id).await? });
        }
        let typed = typed.unwrap_or_else(|| filled::of_key(&key, &catalogue));
        let rows = window::with_empty(window::typed(&typed));
        Ok(Self {
            typed,
            wrong,
            rows,
            applications: Choices::default(),
            customers,
            catalogue,
            version: key.version.to_string(),
            key: Some(key),
        })
    }

    /// What is told above the form.
    pub(super) fn summary(&self) -> Option<String> {
        let several = || {
            let retype =
                if self.typed.secret("secret").is_some() { " Type your own secret again, too." } else { "" };
            (!self.wrong.is_empty())
                .then(|| format!("Something below needs your attention. Nothing was changed.{retype}"))
        };
        self.wrong.rest(draft::SHOWN).or_else(several)
    }

    /// Permissions that are typed, and those that no box stands for.
    pub(super) fn more_scopes(&self) -> String {
        let has_box =
            |scope: &String| self.catalogue.iter().any(|entry| entry.name.as_str() == scope.as_str());
        let others = self.typed.all("scopes").into_iter().filter(|scope| !has_box(scope));
        others.chain(self.typed.lines("more_scopes")).collect::<Vec<_>>().join("\n")
    }

    pub(super) fn opens_more_scopes(&self) -> bool {
        self.catalogue.is_empty() || !self.more_scopes().is_empty()
    }

    pub(super) fn wrong_scope(&self) -> Option<String> {
        self.wrong_entry("scopes", &draft::scopes(&self.typed))
    }

    pub(super) fn wrong_address(&self) -> Option<String> {
        self.wrong_entry("allowed_ips", &self.typed.lines("allowed_ips"))
    }

    /// What is wrong with a list, with the entry that it is about.
    fn wrong_entry(&self, field: &str, entries: &[String]) -> Option<String> {
        let entry = |(index, entry): (usize, &String)| {
            self.wrong.of(&format!("{field}[{index}]")).map(|rule| format!("{entry}: {rule}"))
        };
        let whole = || self.wrong.exactly(field).map(str::to_owned);
        entries.iter().enumerate().find_map(entry).or_else(whole)
    }

    pub(super) fn opens_windows(&self) -> bool {
        self.rows.iter().any(|row| !row.is_empty())
    }

    pub(super) fn opens_more(&self) -> bool {
        ["allowed_ips", "tags", "metadata"].into_iter().any(|field| !self.typed.text(field).is_empty())
    }
}

/// The catalogue of an application; an empty one when there is no such application.
pub(super) async fn catalogue(
    app: &App,
    caller: &Caller,
    id: Option<ApplicationId>,
) -> Answer<Vec<CatalogueEntry>> {
    let Some(id) = id else { return Ok(Vec::new()) };
    match app.control.catalogue(caller, id).await {
        Ok(catalogue) => Ok(catalogue),
        Err(Refused::NotFound(_)) => Ok(Vec::new()),
        Err(other) => Err(other.into()),
    }
}
