//! The forms in which events are sent.

use std::fmt;
use std::marker::PhantomData;

use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};
use keystile_core::{Event, Invalid, Stamp, Timestamp};
use keystile_wire::{CloudEvent, MAX_EVENTS, Object, SendEvent};
use percent_encoding::percent_decode_str;
use serde::de::{IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::body::parse_json;
use crate::problem::ApiProblem;

/// How a request says its events.
#[derive(Debug)]
pub(super) enum Form {
    /// An event, or a list of them.
    Json,
    /// An event a line.
    Lines,
    /// A CloudEvent.
    Cloud,
    /// A list of them.
    CloudBatch,
    /// A CloudEvent whose attributes are headers, and whose data is the body.
    CloudHeaders(Box<CloudEvent>),
}

/// What a request says.
pub(super) struct Sent {
    /// Each event, or what is wrong with it.
    pub(super) events: Vec<Result<Event, ApiProblem>>,
    /// Whether it is one event, and not a list of one.
    pub(super) is_one: bool,
}

impl Form {
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, ApiProblem> {
        let declared = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let essence = declared.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match essence.as_str() {
            "application/json" if headers.contains_key("ce-specversion") => {
                Ok(Self::CloudHeaders(Box::new(read_headers(headers)?)))
            }
            "application/json" => Ok(Self::Json),
            "application/x-ndjson" | "application/ndjson" | "application/jsonl" => Ok(Self::Lines),
            "application/cloudevents+json" => Ok(Self::Cloud),
            "application/cloudevents-batch+json" => Ok(Self::CloudBatch),
            _ => Err(ApiProblem::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported_media_type",
                "send `Content-Type: application/json`, `application/x-ndjson`, `application/cloudevents+json` or \
                 `application/cloudevents-batch+json`",
            )),
        }
    }

    /// What the moment of an event is called.
    pub(super) const fn moment(&self) -> &'static str {
        match self {
            Self::Json | Self::Lines => "occurred_at",
            Self::Cloud | Self::CloudBatch | Self::CloudHeaders(_) => "time",
        }
    }

    /// Reads a body of events that `stamp` sends, at `now`.
    pub(super) fn read(self, body: &[u8], stamp: &Stamp, now: Timestamp) -> Result<Sent, ApiProblem> {
        let plain = |text: &[u8]| checked(parse_json::<SendEvent>(text)?.parse(stamp, now));
        let cloud = |text: &[u8]| checked(parse_json::<CloudEvent>(text)?.parse(stamp, now));
        match self {
            Self::Json if is_list(body) => {
                // All at once, as nearly every list can be read; only one that breaks a rule is read event by event.
                let events = match serde_json::from_slice::<UpTo<Object<SendEvent>>>(body) {
                    Ok(all) => {
                        let all = all.bounded()?.into_iter();
                        all.map(|Object(event)| checked(event.parse(stamp, now))).collect()
                    }
                    Err(_) => list(body)?.into_iter().map(|one| plain(one.get().as_bytes())).collect(),
                };
                Ok(Sent { events, is_one: false })
            }
            Self::Json => Ok(Sent { events: vec![plain(body)], is_one: true }),
            Self::Lines => {
                let lines = body.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
                let mut lines = lines.filter(|line| !line.is_empty());
                let events = lines.by_ref().take(MAX_EVENTS).map(plain).collect();
                if lines.next().is_some() {
                    Err(too_many().into())
                } else {
                    Ok(Sent { events, is_one: false })
                }
            }
            Self::Cloud => Ok(Sent { events: vec![cloud(body)], is_one: true }),
            Self::CloudBatch => {
                let events = list(body)?.into_iter().map(|one| cloud(one.get().as_bytes()));
                Ok(Sent { events: events.collect(), is_one: false })
            }
            Self::CloudHeaders(event) => {
                let data = if body.trim_ascii().is_empty() { None } else { Some(parse_raw(body)?) };
                let event = checked(CloudEvent { data, ..*event }.parse(stamp, now));
                Ok(Sent { events: vec![event], is_one: true })
            }
        }
    }
}

fn checked(parsed: Result<Event, Vec<Invalid>>) -> Result<Event, ApiProblem> {
    parsed.map_err(ApiProblem::invalid)
}

fn is_list(body: &[u8]) -> bool {
    body.trim_ascii_start().first() == Some(&b'[')
}

fn list(body: &[u8]) -> Result<Vec<&RawValue>, ApiProblem> {
    if !is_list(body) {
        return Err(Invalid::new("", "must be a list").into());
    }
    let read: UpTo<&RawValue> = serde_json::from_slice(body).map_err(|error| malformed(&error))?;
    Ok(read.bounded()?)
}

fn parse_raw(body: &[u8]) -> Result<Box<RawValue>, ApiProblem> {
    serde_json::from_slice(body).map_err(|error| malformed(&error))
}

fn malformed(error: &serde_json::Error) -> ApiProblem {
    ApiProblem::new(StatusCode::BAD_REQUEST, "malformed_json", format!("the body is no JSON: {error}"))
}

fn too_many() -> Invalid {
    Invalid::new("", format!("must have at most {MAX_EVENTS} events"))
}

/// The attributes of a CloudEvent in binary mode, as the HTTP binding of CloudEvents 1.0 has them.
fn read_headers(headers: &HeaderMap) -> Result<CloudEvent, Invalid> {
    let attribute = |name: &'static str| {
        let Some(value) = headers.get(format!("ce-{name}")) else { return Ok(None) };
        let broken =
            || Invalid::new(format!("ce-{name}"), "must be UTF-8, percent-encoded where it is not ASCII");
        let text = value.to_str().map_err(|_| broken())?;
        let text = percent_decode_str(text).decode_utf8().map_err(|_| broken())?;
        Ok::<_, Invalid>(Some(text.into_owned()))
    };
    Ok(CloudEvent {
        specversion: attribute("specversion")?.unwrap_or_default(),
        id: attribute("id")?.unwrap_or_default(),
        source: attribute("source")?.unwrap_or_default(),
        event_type: attribute("type")?.unwrap_or_default(),
        subject: attribute("subject")?.unwrap_or_default(),
        time: attribute("time")?,
        tenantid: attribute("tenantid")?,
        sourceid: attribute("sourceid")?,
        trustlevel: attribute("trustlevel")?,
        environment: attribute("environment")?,
        applicationid: attribute("applicationid")?,
        keyid: attribute("keyid")?,
        ..CloudEvent::default()
    })
}

/// The first items of a list, and whether there are more than can be. Those are read and dropped, so that a long list of next to
/// nothing takes no memory.
struct UpTo<T> {
    items: Vec<T>,
    is_more: bool,
}

impl<T> UpTo<T> {
    fn bounded(self) -> Result<Vec<T>, Invalid> {
        if self.is_more { Err(too_many()) } else { Ok(self.items) }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for UpTo<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(UpToVisitor(PhantomData))
    }
}

struct UpToVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for UpToVisitor<T> {
    type Value = UpTo<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<UpTo<T>, A::Error> {
        let mut items = Vec::new();
        while items.len() < MAX_EVENTS {
            match list.next_element()? {
                Some(item) => items.push(item),
                None => return Ok(UpTo { items, is_more: false }),
            }
        }
        let mut is_more = false;
        while list.next_element::<IgnoredAny>()?.is_some() {
            is_more = true;
        }
        Ok(UpTo { items, is_more })
    }
}

#[cfg(test)]
mod tests {
    use keystile_core::{Environment, TrustLevel};

    use super::*;

    fn stamp() -> Stamp {
        Stamp {
            tenant_id: "ten_01HF7YAT000000000000000001".parse().unwrap(),
            environment: Environment::Production,
            application_id: "app_01HF7YAT000000000000000001".parse().unwrap(),
            key_id: "key_01HF7YAT000000000000000001".parse().unwrap(),
            source_id: "checkout".to_owned(),
            trust_level: TrustLevel::External,
        }
    }

    fn read(form: Form, body: &str) -> Result<Sent, ApiProblem> {
        form.read(body.as_bytes(), &stamp(), "2026-01-31T09:30:00Z".parse().unwrap())
    }

    const ONE: &str = r#"{"type":"a","entity":{"type":"b","id":"c"}}"#;
    const CLOUD: &str =
        r#"{"specversion":"1.0","id":"1","source":"checkout","type":"a","subject":"b/c","extension":1}"#;

    #[test]
    fn each_form_is_read() {
        let wrong = r#"{"type":"a","entity":{"type":"b"}}"#;
        for (form, body, good, is_one) in [
            (Form::Json, ONE.to_owned(), vec![true], true),
            (Form::Json, format!(" [{ONE},{ONE}]"), vec![true, true], false),
            (Form::Json, format!("[{ONE},{wrong},7,{ONE}]"), vec![true, false, false, true], false),
            (Form::Json, "[]".to_owned(), vec![], false),
            (
                Form::Lines,
                format!("{ONE}\r\n\n{wrong}\n[{ONE}]\nnot\n{ONE}"),
                vec![true, false, false, false, true],
                false,
            ),
            (Form::Cloud, CLOUD.to_owned(), vec![true], true),
            (Form::CloudBatch, format!("[{CLOUD},{ONE}]"), vec![true, false], false),
        ] {
            let sent = read(form, &body).unwrap();
            assert_eq!(sent.events.iter().map(Result::is_ok).collect::<Vec<_>>(), good, "{body}");
            assert_eq!(sent.is_one, is_one, "{body}");
        }
        for (form, body) in [(Form::Json, "[1,"), (Form::CloudBatch, CLOUD), (Form::CloudBatch, "[1 2]")] {
            assert!(read(form, body).is_err(), "{body}");
        }
    }

    #[test]
    fn a_request_has_at_most_a_thousand_events() {
        let lines = |count: usize| format!("{ONE}\n").repeat(count);
        let list = |count: usize| format!("[{}]", vec![ONE; count].join(","));
        assert_eq!(read(Form::Lines, &lines(1_000)).unwrap().events.len(), 1_000);
        assert_eq!(read(Form::Json, &list(1_000)).unwrap().events.len(), 1_000);
        assert!(read(Form::Lines, &lines(1_001)).is_err() && read(Form::Json, &list(1_001)).is_err());
        assert!(read(Form::Json, &format!("[{}]", ["7"; 1_001].join(","))).is_err());
    }

    #[test]
    fn attributes_of_a_cloud_event_may_be_headers() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("content-type", "application/json"),
            ("ce-specversion", "1.0"),
            ("ce-id", "a%2Fb"),
            ("ce-source", "checkout"),
            ("ce-type", "order.paid"),
            ("ce-subject", "order/7"),
        ] {
            headers.insert(name, value.parse().unwrap());
        }
        let sent = read(Form::of(&headers).unwrap(), r#" {"total": 7} "#).unwrap();
        let event = sent.events.into_iter().next().unwrap().unwrap();
        assert_eq!((event.source_event_id.as_deref(), event.data.get()), (Some("a/b"), r#"{"total": 7}"#));
        assert_eq!(event.entity.to_string(), "order/7");
        headers.insert("ce-keyid", "key_x".parse().unwrap());
        assert!(read(Form::of(&headers).unwrap(), "").unwrap().events[0].is_err());
    }
}
