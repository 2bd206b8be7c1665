//! The body of a request: JSON, a form, or none.

use std::ops::RangeInclusive;

use bytes::Bytes;
use http::HeaderValue;

use super::form::Form;
use crate::fault::Fault;
use crate::json::{Json, Object};
use crate::operation::Operation;

/// What a request carries.
#[derive(Debug)]
pub(crate) enum Body {
    /// Nothing, where nothing is asked for but models.
    Nothing,
    Json(Object),
    Form(Form),
}

/// In which forms an operation is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Taken {
    Nothing,
    Json,
    Form,
    Either,
}

impl Taken {
    const fn by(operation: &Operation) -> Self {
        match operation {
            Operation::Models | Operation::Model(_) => Self::Nothing,
            Operation::ImagesVariations | Operation::AudioTranscriptions | Operation::AudioTranslations => {
                Self::Form
            }
            Operation::ImagesEdits => Self::Either,
            Operation::ChatCompletions
            | Operation::Responses
            | Operation::Completions
            | Operation::Embeddings
            | Operation::Moderations
            | Operation::ImagesGenerations
            | Operation::AudioSpeech
            | Operation::Messages
            | Operation::CountTokens => Self::Json,
        }
    }
}

impl Body {
    pub(crate) fn read(
        operation: &Operation,
        content_type: Option<&HeaderValue>,
        body: &Bytes,
    ) -> Result<Self, Fault> {
        let named = content_type.map_or(Ok(""), HeaderValue::to_str);
        let named = named.map_err(|_| Fault::invalid("the content type is not ASCII"))?;
        let is_form =
            named.trim_start().get(..10).is_some_and(|start| start.eq_ignore_ascii_case("multipart/"));
        match (Taken::by(operation), is_form) {
            (Taken::Nothing, _) => Ok(Self::Nothing),
            (Taken::Form | Taken::Either, true) => Form::read(named, body).map(Self::Form),
            (Taken::Json | Taken::Either, false) if is_json(named) => read_json(body).map(Self::Json),
            (Taken::Form, false) => Err(Fault::invalid("send a form: `Content-Type: multipart/form-data`")),
            (Taken::Json | Taken::Either, _) => {
                Err(Fault::invalid("send JSON: `Content-Type: application/json`"))
            }
        }
    }

    /// The members of a JSON body.
    pub(crate) const fn object(&self) -> Option<&Object> {
        match self {
            Self::Json(object) => Some(object),
            Self::Nothing | Self::Form(_) => None,
        }
    }

    /// Every name at the top.
    pub(crate) fn names(&self) -> Vec<&str> {
        match self {
            Self::Nothing => Vec::new(),
            Self::Json(object) => object.members().map(|(name, _)| name).collect(),
            Self::Form(form) => form.names().collect(),
        }
    }

    pub(crate) fn text(&self, name: &str) -> Result<Option<&str>, Fault> {
        match self {
            Self::Nothing => Ok(None),
            Self::Form(form) => Ok(form.text(name)),
            Self::Json(object) => match object.given(name) {
                None => Ok(None),
                Some(Json::Text(text)) => Ok(Some(text.as_str())),
                Some(_) => Err(Fault::field(name, "must be a text")),
            },
        }
    }

    /// Holds a member to a list, if it is there.
    pub(crate) fn check_list(&self, name: &str) -> Result<(), Fault> {
        match self {
            Self::Json(object) if !matches!(object.given(name), None | Some(Json::Array(_))) => {
                Err(Fault::field(name, "must be a list"))
            }
            Self::Nothing | Self::Form(_) | Self::Json(_) => Ok(()),
        }
    }

    /// Whether a flag is set.
    pub(crate) fn flag(&self, name: &str) -> Result<bool, Fault> {
        let broken = || Fault::field(name, "must be true or false");
        match self {
            Self::Nothing => Ok(false),
            Self::Form(form) => match form.text(name) {
                None => Ok(false),
                Some(text) if text.eq_ignore_ascii_case("true") || text == "1" => Ok(true),
                Some(text) if text.eq_ignore_ascii_case("false") || text == "0" => Ok(false),
                Some(_) => Err(broken()),
            },
            Self::Json(object) => match object.given(name) {
                None => Ok(false),
                Some(Json::Bool(flag)) => Ok(*flag),
                Some(_) => Err(broken()),
            },
        }
    }

    /// A whole number within `range`.
    pub(crate) fn count(&self, name: &str, range: RangeInclusive<u64>) -> Result<Option<u64>, Fault> {
        let count = match self {
            Self::Nothing => return Ok(None),
            Self::Form(form) => match form.text(name) {
                None => return Ok(None),
                Some(text) => text.parse().ok(),
            },
            Self::Json(object) => match object.given(name) {
                None => return Ok(None),
                Some(value) => value.as_count(),
            },
        };
        let (least, most) = range.into_inner();
        let within = count.filter(|count| (least..=most).contains(count));
        within.map(Some).ok_or_else(|| {
            let rule = match most {
                u64::MAX => format!("must be a whole number of at least {least}"),
                most => format!("must be a whole number from {least} to {most}"),
            };
            Fault::field(name, &rule)
        })
    }
}

/// A body without a content type is taken for JSON, as it must be some.
fn is_json(content_type: &str) -> bool {
    let kind = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    kind.is_empty()
        || kind == "application/json"
        || kind.starts_with("application/") && kind.ends_with("+json")
}

fn read_json(body: &[u8]) -> Result<Object, Fault> {
    match serde_json::from_slice(body) {
        Ok(Json::Object(object)) => Ok(object),
        Ok(_) => Err(Fault::invalid("the body must be a JSON object")),
        Err(error) => Err(Fault::invalid(format!("the body is not good JSON: {error}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(operation: &Operation, content_type: &'static str, body: &str) -> Result<Body, Fault> {
        let content_type = HeaderValue::from_static(content_type);
        Body::read(operation, Some(&content_type), &Bytes::copy_from_slice(body.as_bytes()))
    }

    #[test]
    fn each_operation_takes_its_own_content_type() {
        let form = "--X\r\nContent-Disposition: form-data; name=\"n\"\r\n\r\n2\r\n--X--";
        let kind = "multipart/form-data; boundary=X";
        for (operation, json, forms) in [
            (Operation::ChatCompletions, true, false),
            (Operation::ImagesEdits, true, true),
            (Operation::AudioTranscriptions, false, true),
        ] {
            assert_eq!(read(&operation, "application/json; charset=utf-8", "{}").is_ok(), json);
            assert_eq!(read(&operation, "application/problem+json", "{}").is_ok(), json);
            assert_eq!(read(&operation, kind, form).is_ok(), forms);
            assert!(read(&operation, "text/plain", "{}").is_err());
        }
    }

    #[test]
    fn a_form_tells_counts_and_flags_as_texts() {
        let body = "--X\r\nContent-Disposition: form-data; name=\"n\"\r\n\r\n2\r\n--X\r\n\
            Content-Disposition: form-data; name=\"stream\"\r\n\r\nTrue\r\n--X--";
        let body = read(&Operation::ImagesEdits, "multipart/form-data; boundary=X", body).unwrap();
        assert_eq!(body.count("n", 1..=10).unwrap(), Some(2));
        assert_eq!(body.count("n", 3..=10).unwrap_err().message(), "`n` must be a whole number from 3 to 10");
        assert!(body.flag("stream").unwrap() && !body.flag("other").unwrap());
        assert!(body.flag("n").is_err() && body.count("stream", 0..=9).is_err());
    }

    #[test]
    fn what_is_no_object_is_refused_and_told_where() {
        for body in
            ["", "[]", "7", "{\"a\":1", "{\"a\":1}x", "{\"a\":1,\"a\":2}", "{\"a\":NaN}", "\u{feff}{}"]
        {
            let fault = read(&Operation::Messages, "application/json", body).unwrap_err();
            assert!(fault.message().starts_with("the body "), "{body}: {}", fault.message());
        }
    }
}
