//! What a form says, as the JSON that the API takes: so every rule, and the name of every field, is the API's.

use serde::de::DeserializeOwned;
use serde_json::{Map, Number, Value};

use super::form::Fields;
use keystile_web::api::Answer;
use keystile_web::body::parse_json;
use keystile_web::problem::ApiProblem;

/// An object on its way from a form to a request.
#[derive(Debug, Default)]
pub(super) struct AsJson(Map<String, Value>);

impl AsJson {
    /// A text that has to be there: what stands in the field, be it nothing.
    pub(super) fn required(self, name: &str, fields: &Fields) -> Self {
        self.with(name, fields.text(name).into())
    }

    /// A text; `null` when the field is empty.
    pub(super) fn text(self, name: &str, fields: &Fields) -> Self {
        self.with(name, fields.filled(name).into())
    }

    /// Any value.
    pub(super) fn with(mut self, name: &str, value: Value) -> Self {
        self.0.insert(name.to_owned(), value);
        self
    }

    /// The request that it is.
    ///
    /// # Errors
    /// Names the field that cannot be read, as the API would.
    pub(super) fn read<T: DeserializeOwned>(self) -> Answer<T> {
        parse_json(&serde_json::to_vec(&self.0).map_err(|_| ApiProblem::internal())?)
    }
}

impl From<AsJson> for Value {
    fn from(object: AsJson) -> Self {
        Self::Object(object.0)
    }
}

/// A whole number as it was typed; what is none stays a text, which the API refuses in its words.
pub(super) fn number(typed: &str) -> Value {
    match typed.parse::<u64>() {
        Ok(number) => number.into(),
        Err(_) if typed.is_empty() => Value::Null,
        Err(_) => typed.into(),
    }
}

/// An amount as it was typed, such as `$2.50`; what is none stays a text, which the API refuses in its words. A comma makes it none:
/// some put it before the cents, and others before the thousands.
pub(super) fn amount(typed: &str) -> Value {
    if typed.is_empty() {
        return Value::Null;
    }
    let amount = typed.trim_start_matches('$').trim_start();
    let number = amount.parse().ok().and_then(Number::from_f64);
    number.map_or_else(|| typed.into(), Value::Number)
}

/// JSON as it was typed; what is none stays a text, which the API refuses where an object is due.
pub(super) fn json(typed: &str) -> Value {
    if typed.is_empty() {
        return Value::Null;
    }
    serde_json::from_str(typed).unwrap_or_else(|_| typed.into())
}

#[cfg(test)]
mod tests {
    use keystile_wire::CreateCustomer;

    use super::*;

    fn fields(pairs: &[(&str, &str)]) -> Fields {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect::<Vec<_>>().into()
    }

    fn customer(pairs: &[(&str, &str)]) -> Answer<CreateCustomer> {
        let fields = fields(pairs);
        let object = AsJson::default().required("name", &fields).text("external_id", &fields);
        object
            .with("rpm_limit", number(fields.text("rpm_limit")))
            .with("metadata", json(fields.text("metadata")))
            .read()
    }

    #[test]
    fn a_form_is_read_as_the_request_of_the_api() {
        let read =
            customer(&[("name", " A "), ("rpm_limit", "60"), ("metadata", r#"{"plan": "gold"}"#)]).unwrap();
        assert_eq!((read.name.as_str(), read.external_id, read.rpm_limit), ("A", None, Some(60)));
        assert_eq!(read.metadata.unwrap()["plan"], "gold");
    }

    #[test]
    fn an_amount_is_a_number_of_dollars_or_stays_as_it_was_typed() {
        for (typed, read) in [("2.5", Value::from(2.5)), ("$ 0.15", Value::from(0.15)), ("", Value::Null)] {
            assert_eq!(amount(typed), read, "{typed}");
        }
        for typed in ["0,15", "a lot", "inf", "NaN", "1e999", "$"] {
            assert_eq!(amount(typed), Value::from(typed));
        }
    }

    #[test]
    fn what_cannot_be_read_is_named_as_the_api_names_it() {
        for (name, typed) in
            [("rpm_limit", "many"), ("rpm_limit", "-1"), ("metadata", "plan: gold"), ("metadata", "[1]")]
        {
            let problem = customer(&[("name", "A"), (name, typed)]).unwrap_err();
            assert_eq!(problem.errors()[0].field, name, "{typed}");
        }
    }
}
