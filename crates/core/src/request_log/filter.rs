//! Which requests of a log are shown.

use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::str::FromStr;

use super::{LogFace, LogResult, LoggedRequest};
use crate::{Actor, ApplicationId, CustomerId, Environment, Invalid, KeyId, Timestamp};

/// Which requests are shown; what is `None` does not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogFilter {
    /// About this key, or asked with it.
    pub key_id: Option<KeyId>,
    /// Of this application.
    pub application_id: Option<ApplicationId>,
    /// Of keys that are restricted to this customer.
    pub customer_id: Option<CustomerId>,
    /// Of this environment.
    pub environment: Option<Environment>,
    /// What was asked.
    pub face: Option<LogFace>,
    /// Anything was asked but this.
    pub except_face: Option<LogFace>,
    /// That came to this.
    pub result: Option<LogResult>,
    /// Answered with this code.
    pub code: Option<String>,
    /// Answered with one of these statuses.
    pub status: Option<Statuses>,
    /// Whose path begins so.
    pub path: Option<String>,
    /// From this address.
    pub ip: Option<IpAddr>,
    /// Answered then or later.
    pub from: Option<Timestamp>,
    /// Answered before.
    pub to: Option<Timestamp>,
}

/// One status of HTTP, or all of a class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Statuses {
    first: u16,
    last: u16,
}

impl Statuses {
    /// From the first to the last.
    pub const fn range(self) -> RangeInclusive<u16> {
        self.first..=self.last
    }
}

impl FromStr for Statuses {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let rule = || Invalid::rule("must be a status such as `403`, or a class such as `4xx`");
        let class = text.strip_suffix("xx").filter(|class| class.len() == 1);
        let digits = class.unwrap_or(text);
        if !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(rule());
        }
        let number: u16 = digits.parse().map_err(|_| rule())?;
        match class {
            Some(_) if (1..=5).contains(&number) => Ok(Self { first: number * 100, last: number * 100 + 99 }),
            None if (100..=599).contains(&number) => Ok(Self { first: number, last: number }),
            Some(_) | None => Err(rule()),
        }
    }
}

impl LogFilter {
    /// Whether the list shows this request.
    pub fn shows(&self, request: &LoggedRequest) -> bool {
        fn is<T: PartialEq>(wanted: Option<&T>, own: Option<&T>) -> bool {
            wanted.is_none() || wanted == own
        }
        let of_key =
            |wanted: KeyId| request.key_id == Some(wanted) || request.caller == Some(Actor::Key(wanted));
        let has_status =
            |wanted: Statuses| request.status.is_some_and(|status| wanted.range().contains(&status));
        let begins =
            |beginning: &str| request.path.as_deref().is_some_and(|path| path.starts_with(beginning));
        self.key_id.is_none_or(of_key)
            && is(self.application_id.as_ref(), request.application_id.as_ref())
            && is(self.customer_id.as_ref(), request.customer_id.as_ref())
            && is(self.environment.as_ref(), request.environment.as_ref())
            && is(self.face.as_ref(), Some(&request.face))
            && self.except_face != Some(request.face)
            && self.result.is_none_or(|result| result == LogResult::of(&request.code))
            && self.code.as_deref().is_none_or(|code| code == request.code)
            && self.status.is_none_or(has_status)
            && self.path.as_deref().is_none_or(begins)
            && is(self.ip.as_ref(), request.ip.as_ref())
            && self.from.is_none_or(|from| request.at() >= from)
            && self.to.is_none_or(|to| request.at() < to)
    }

    /// Whether a page of the list may pass over requests that are in its span of time.
    pub const fn is_sparse(&self) -> bool {
        self.application_id.is_some()
            || self.customer_id.is_some()
            || self.environment.is_some()
            || self.face.is_some()
            || self.except_face.is_some()
            || self.result.is_some()
            || self.code.is_some()
            || self.status.is_some()
            || self.path.is_some()
            || self.ip.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::logged;
    use super::*;

    #[test]
    fn a_status_or_a_class_of_them_is_read() {
        let read = |text: &str| text.parse::<Statuses>().ok().map(Statuses::range);
        assert_eq!([read("404"), read("4xx")], [Some(404..=404), Some(400..=499)]);
        for bad in ["", "xx", "4", "0xx", "6xx", "44xx", "99", "600", "+404", "4XX", "abc"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_request_is_shown_if_all_that_is_asked_for_is_true_of_it() {
        let key = |number| KeyId::from_parts(Timestamp::from_millis(0), number);
        let request = LoggedRequest {
            key_id: Some(key(1)),
            caller: Some(Actor::Key(key(2))),
            environment: Some(Environment::Staging),
            status: Some(403),
            path: Some("/orders/7".to_owned()),
            ip: "192.0.2.1".parse().ok(),
            code: "key_revoked".into(),
            ..logged(1)
        };
        let at = request.at();
        let any = LogFilter::default;
        for (is_shown, filter) in [
            (true, any()),
            (true, LogFilter { key_id: Some(key(1)), ..any() }),
            (true, LogFilter { key_id: Some(key(2)), ..any() }),
            (false, LogFilter { key_id: Some(key(3)), ..any() }),
            (true, LogFilter { environment: Some(Environment::Staging), ..any() }),
            (false, LogFilter { environment: Some(Environment::Production), ..any() }),
            (true, LogFilter { status: "4xx".parse().ok(), ..any() }),
            (false, LogFilter { status: "404".parse().ok(), ..any() }),
            (true, LogFilter { path: Some("/orders/".to_owned()), ..any() }),
            (false, LogFilter { path: Some("orders".to_owned()), ..any() }),
            (true, LogFilter { ip: "192.0.2.1".parse().ok(), code: Some("key_revoked".to_owned()), ..any() }),
            (false, LogFilter { ip: "192.0.2.2".parse().ok(), ..any() }),
            (false, LogFilter { code: Some("allowed".to_owned()), ..any() }),
            (true, LogFilter { face: Some(LogFace::Authz), from: Some(at), ..any() }),
            (false, LogFilter { face: Some(LogFace::Verify), ..any() }),
            (true, LogFilter { except_face: Some(LogFace::Console), ..any() }),
            (false, LogFilter { except_face: Some(LogFace::Authz), ..any() }),
            (true, LogFilter { result: Some(LogResult::Refused), ..any() }),
            (false, LogFilter { result: Some(LogResult::Allowed), ..any() }),
            (false, LogFilter { to: Some(at), ..any() }),
            (false, LogFilter { customer_id: "cus_01J00000000000000000000004".parse().ok(), ..any() }),
        ] {
            assert_eq!(filter.shows(&request), is_shown, "{filter:?}");
        }
    }
}
