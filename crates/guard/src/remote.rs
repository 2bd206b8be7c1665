//! Asking a Keystile server.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use keystile_bearer::Refused;
use keystile_client::{Client, ClientError};
use keystile_core::key::Presented;
use keystile_core::{Code, PermissionName, Secret};
use keystile_measure::Sparing;
use keystile_wire::{PermissionsAsked, VerifyAnswer, VerifyRequest};
use tokio::sync::Semaphore;

use crate::{Authority, Needed, Question, VerifiedKey};

/// Longest wait for an answer, and for a turn to ask: far more than a server on the same network needs, and short for
/// whoever waits behind it.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// Most questions on their way at a time: enough for tens of thousands a second on one network, and few enough
/// connections for a server that many services ask.
pub const QUESTIONS_AT_ONCE: usize = 256;

/// Asks a Keystile server about each request. Connections are kept; answers are not.
#[derive(Clone)]
pub struct Remote {
    client: Client,
    turns: Arc<Semaphore>,
    within: Duration,
    told: Arc<Told>,
}

/// What the log says of the server.
struct Told {
    /// Whether it answers, so that only a change is told.
    answers: AtomicBool,
    /// Some questions may be answered and others not: what changes again and again is told later.
    lines: Sparing,
}

impl Remote {
    /// Asks with this client, whose credential must be allowed to verify: a key with `keystile.keys:verify`.
    pub fn new(client: Client) -> Self {
        let turns = Arc::new(Semaphore::new(QUESTIONS_AT_ONCE));
        let told = Told { answers: AtomicBool::new(true), lines: Sparing::default() };
        Self { client, turns, within: ANSWER_WITHIN, told: Arc::new(told) }
    }

    /// Refuses what is not answered within this time instead of [`ANSWER_WITHIN`].
    #[must_use]
    pub fn within(self, within: Duration) -> Self {
        Self { within, ..self }
    }

    /// Lets so many questions be on their way at a time instead of [`QUESTIONS_AT_ONCE`]; at least one.
    #[must_use]
    pub fn at_once(self, questions: usize) -> Self {
        let turns = questions.clamp(1, Semaphore::MAX_PERMITS);
        Self { turns: Arc::new(Semaphore::new(turns)), ..self }
    }

    async fn ask(&self, request: &VerifyRequest) -> Result<VerifyAnswer<'static>, Unanswered> {
        let answer = async {
            // The turns are never closed, so that each comes.
            let _turn = self.turns.acquire().await.ok();
            self.client.verify(request).await
        };
        let answer = tokio::time::timeout(self.within, answer).await.map_err(|_| Unanswered::Late)?;
        Ok(answer?)
    }

    fn note(&self, unanswered: Option<&Unanswered>) {
        if !self.told.is_news(unanswered.is_none()) {
            return;
        }
        match unanswered {
            Some(unanswered) => {
                let (error, url): (&dyn Error, _) = (unanswered, self.client.base_url());
                tracing::error!(error, url, "keys cannot be checked: every request is refused");
            }
            None => tracing::info!("keys can be checked again"),
        }
    }
}

impl Told {
    /// Whether this is to be told now. What is not told for now is news to the next question, too.
    fn is_news(&self, answers: bool) -> bool {
        self.answers.load(Ordering::Relaxed) != answers
            && self.lines.allows()
            && self.answers.swap(answers, Ordering::Relaxed) != answers
    }
}

/// Why there is no answer.
#[derive(Debug)]
enum Unanswered {
    Late,
    Failed(ClientError),
    NoKey,
}

impl From<ClientError> for Unanswered {
    fn from(error: ClientError) -> Self {
        Self::Failed(error)
    }
}

impl std::fmt::Display for Unanswered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Late => "the server did not answer in time",
            Self::Failed(_) => "the server did not answer the question",
            Self::NoKey => "the server answered yes and told of no key",
        })
    }
}

impl Error for Unanswered {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Failed(error) => Some(error),
            Self::Late | Self::NoKey => None,
        }
    }
}

impl Authority for Remote {
    async fn decide(&self, presented: &str, question: &Question) -> Result<VerifiedKey, Refused> {
        // What cannot be a key is nobody's question, and may be too long to be sent.
        if Presented::parse(presented).is_err() {
            return Err(Code::KeyMalformed.into());
        }
        let outcome = match self.ask(&request(presented, question)).await {
            Ok(answer) => match Refused::of(&answer) {
                Some(refused) => Ok(Err(refused)),
                None => VerifiedKey::of(answer).map(Ok).ok_or(Unanswered::NoKey),
            },
            Err(unanswered) => Err(unanswered),
        };
        self.note(outcome.as_ref().err());
        outcome.unwrap_or_else(|_| Err(Code::EnforcementUnavailable.into()))
    }
}

fn request(presented: &str, question: &Question) -> VerifyRequest {
    let names = || question.permissions.names().iter().map(PermissionName::to_string).collect();
    let permissions = match &question.permissions {
        Needed::All(all) if all.is_empty() => None,
        Needed::All(_) => Some(PermissionsAsked::All { all: names() }),
        Needed::Any(_) => Some(PermissionsAsked::Any { any: names() }),
    };
    VerifyRequest {
        key: Secret::new(presented),
        environment: Some(question.environment),
        application_id: Some(question.application_id),
        permissions,
        customer_id: question.customer_id,
        ip: question.ip,
        model: None,
        estimate: None,
        explain: false,
        cost: Some(question.cost.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_comes_and_goes_is_told_a_few_times() {
        let told = Told { answers: AtomicBool::new(true), lines: Sparing::default() };
        assert!(!told.is_news(true) && told.is_news(false) && !told.is_news(false));
        let news = (0..1_000).filter(|number| told.is_news(number % 2 == 0)).count();
        // Ten a second, and the loop may see the second end.
        assert!((9..=20).contains(&news), "{news}");
    }
}
