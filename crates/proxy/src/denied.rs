//! Why a request is not passed on, for the client, the log and whoever operates the server.

use http::StatusCode;
use keystile_core::{Code, Refusal};

use crate::fault::Fault;
use crate::stats::Ending;

/// Why a request is not passed on.
#[derive(Debug)]
pub(crate) struct Denied {
    /// What the client is told.
    pub(crate) fault: Fault,
    /// The decision, if it is one about the key.
    pub(crate) decision: Option<Code>,
}

impl Denied {
    /// Verification refuses the key, or what is asked with it.
    pub(crate) fn of(refusal: &Refusal, model: Option<&str>) -> Self {
        Self { fault: Fault::of_refusal(refusal, model), decision: Some(refusal.code()) }
    }

    /// The same of the last of several upstreams, where what others had against the request may pass by itself.
    pub(crate) fn after_others(self, may_pass: bool) -> Self {
        let fault = if may_pass { self.fault.worth_another_try() } else { self.fault };
        Self { fault, decision: self.decision }
    }

    /// The code for the log, which has the same for decisions wherever they are made.
    pub(crate) fn code(&self) -> &'static str {
        self.decision.map_or_else(|| self.fault.code(), Code::as_str)
    }

    pub(crate) fn ending(&self) -> Ending {
        match (self.decision, self.fault.status()) {
            (Some(_), _) => Ending::Refused,
            (None, StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT) => Ending::UpstreamFailed,
            (None, status) if status.is_server_error() => Ending::Refused,
            (None, _) => Ending::Invalid,
        }
    }
}

impl From<Fault> for Denied {
    fn from(fault: Fault) -> Self {
        Self { fault, decision: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_denial_is_logged_by_the_code_of_its_decision_and_counted_by_its_cause() {
        let of = |denied: Denied| (denied.code(), denied.ending());
        let blocked = Denied::of(&Refusal::Plain(Code::KeyBlocked), None);
        assert_eq!(of(blocked), ("key_blocked", Ending::Refused));
        let revoked = Denied::of(&Refusal::Plain(Code::KeyRevoked), None);
        assert_eq!(of(revoked), ("key_revoked", Ending::Refused));
        assert_eq!(of(Fault::upstream_timeout().into()), ("upstream_timeout", Ending::UpstreamFailed));
        assert_eq!(of(Fault::unknown_route().into()), ("unknown_url", Ending::Invalid));
        assert_eq!(of(Fault::busy().into()), ("busy", Ending::Refused));
    }
}
