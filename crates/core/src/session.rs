//! Sessions of persons: what begins when one signs in.

use std::net::IpAddr;
use std::time::Duration;

use crate::invalid::text_enum;
use crate::{PersonId, SessionId, TenantId, Timestamp};

text_enum!(
    /// What ended a session before its time.
    SessionEnd {
        /// Its person did.
        Logout = "logout",
        /// A refresh token was used twice: it, or the token that it was exchanged for, has been stolen.
        TokenReuse = "token_reuse",
        /// The person's password was changed.
        PasswordChange = "password_change",
        /// The person was disabled.
        PersonDisabled = "person_disabled",
        /// The person signed in so often that the least recently used sessions had to go.
        Crowded = "crowded",
    }
);

/// What begins when a person signs in, and lasts as long as its tokens are refreshed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Which one.
    pub id: SessionId,
    /// Whose.
    pub person_id: PersonId,
    /// The tenant that was chosen.
    pub tenant_id: Option<TenantId>,
    /// When the person signed in.
    pub created_at: Timestamp,
    /// When its tokens were made last.
    pub refreshed_at: Timestamp,
    /// When and how it was ended.
    pub ended: Option<(Timestamp, SessionEnd)>,
    /// Where the person signed in.
    pub ip: Option<IpAddr>,
    /// With which program, as that calls itself.
    pub user_agent: Option<String>,
    /// Whether the person has shown a second factor.
    pub second_factor: bool,
}

impl Session {
    /// A session that is not refreshed ends after so long.
    pub const IDLE: Duration = Duration::from_secs(14 * 24 * 60 * 60);
    /// Even a session that is refreshed ends after so long.
    pub const LONGEST: Duration = Duration::from_secs(30 * 24 * 60 * 60);

    /// When it ends unless it is refreshed.
    pub fn expires_at(&self) -> Timestamp {
        self.refreshed_at.plus(Self::IDLE).min(self.created_at.plus(Self::LONGEST))
    }

    /// Whether it can be used.
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.ended.is_none() && now < self.expires_at()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_ends_when_it_is_ended_left_alone_or_old() {
        let at = |days: i64| Timestamp::from_millis(days * 24 * 60 * 60 * 1000);
        let session = Session {
            id: SessionId::from_parts(at(0), 1),
            person_id: PersonId::from_parts(at(0), 1),
            tenant_id: None,
            created_at: at(0),
            refreshed_at: at(0),
            ended: None,
            ip: None,
            user_agent: None,
            second_factor: false,
        };
        assert!(session.is_live(at(13)) && !session.is_live(at(14)));
        let refreshed = Session { refreshed_at: at(20), ..session.clone() };
        assert!(refreshed.is_live(at(29)) && !refreshed.is_live(at(30)));
        let ended = Session { ended: Some((at(1), SessionEnd::Logout)), ..session };
        assert!(!ended.is_live(at(1)));
    }
}
