//! Limits on the requests of many keys together, as customers and applications have them: told, and asked for in a form.

use keystile_core::RequestLimits;

use super::as_json::{AsJson, number};
use super::form::Fields;
use super::window::{self, Row};
use keystile_web::api::Answer;
use keystile_web::problem::ApiProblem;

/// The limits as they stand in a form.
#[derive(Debug, Default)]
pub(super) struct TypedLimits {
    pub(super) rpm: String,
    /// The rows that are filled in.
    rows: Vec<Row>,
}

impl TypedLimits {
    /// As they are.
    pub(super) fn of(limits: &RequestLimits) -> Self {
        Self {
            rpm: limits.rpm.map(|rpm| rpm.to_string()).unwrap_or_default(),
            rows: limits.rates.iter().map(Row::from).collect(),
        }
    }

    /// As they were filled in.
    pub(super) fn read(fields: &Fields) -> Self {
        Self { rpm: fields.text("rpm_limit").to_owned(), rows: window::typed(fields) }
    }

    /// Writes them into a request.
    ///
    /// # Errors
    /// Names each row in which no number stands where one must.
    pub(super) fn write(&self, request: AsJson) -> Answer<AsJson> {
        let rates = window::parse(&self.rows).map_err(ApiProblem::invalid)?;
        let rates = serde_json::to_value(rates).map_err(|_| ApiProblem::internal())?;
        Ok(request.with("rpm_limit", number(&self.rpm)).with("rate_limits", rates))
    }

    /// Whether any window is limited beside the minute.
    pub(super) fn has_rows(&self) -> bool {
        !self.rows.is_empty()
    }

    /// The rows of the form: those that are filled in, and some to fill in.
    pub(super) fn rows(&self) -> Vec<Row> {
        window::with_empty(self.rows.clone())
    }
}

/// The limits in a line: `600/min, 10,000/d`; nothing when there are none.
pub(super) fn told(limits: &RequestLimits) -> Option<String> {
    Some(window::told(limits.rpm, &limits.rates)).filter(|told| !told.is_empty())
}

/// What they declare for the time without the shared count; `None` when all of them leave it to the server.
pub(super) fn declared(limits: &RequestLimits) -> Option<String> {
    window::declared(&limits.rates)
}

#[cfg(test)]
mod tests {
    use keystile_core::{RateLimit, WhenAway};
    use keystile_wire::CreateCustomer;

    use super::*;

    fn limits() -> RequestLimits {
        let rate = |name: &str, window_seconds, burst, when_away| RateLimit {
            name: name.to_owned(),
            limit: 10,
            window_seconds,
            burst,
            when_away,
        };
        let share = Some(WhenAway::LocalShare);
        let rates = vec![rate("daily", 86_400, Some(2), None), rate("odd", 90, None, share)];
        RequestLimits { rpm: Some(600), rates }
    }

    #[test]
    fn limits_come_back_from_the_form_as_they_were() {
        let named = AsJson::default().with("name", "A".into());
        let request = TypedLimits::of(&limits()).write(named).unwrap();
        let (_, settings) = request.read::<CreateCustomer>().unwrap().parse().unwrap();
        let mut written = RequestLimits::default();
        settings.limits.apply(&mut written).unwrap();
        assert_eq!(written, limits());
        assert_eq!(told(&limits()).unwrap(), "600/min, 10/d, 10/90 s");
        assert_eq!(told(&RequestLimits::default()), None);
        assert!(declared(&limits()).unwrap().contains("odd admits"));
    }

    #[test]
    fn a_row_without_a_number_is_told_by_its_place() {
        let pairs = [("rate_limits[0].unit", "60"), ("rate_limits[1].name", "daily")];
        let fields: Vec<_> = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let typed = TypedLimits::read(&fields.into());
        assert_eq!((typed.has_rows(), typed.rows().len()), (true, 3));
        let refused = typed.write(AsJson::default()).unwrap_err();
        assert_eq!(refused.errors()[0].field, "rate_limits[0].limit");
    }
}
