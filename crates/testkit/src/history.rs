//! What clients saw of many nodes, by one clock, and whether any node believed a key after its revocation had been answered.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// What a node said of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is good.
    Accepted,
    /// It is not, with this code.
    Refused(String),
    /// The node cannot say.
    Unavailable,
    /// Nothing: the connection broke, or nobody waited any longer.
    Unanswered,
}

/// A question whether a key is good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The number of the node.
    pub node: usize,
    /// Which key.
    pub key: Arc<str>,
    /// A moment before the first byte was sent.
    pub sent: Duration,
    /// A moment after the last byte of the answer was read, or when nobody waited any longer.
    pub answered: Duration,
    /// What was answered.
    pub verdict: Verdict,
}

/// A revocation that was answered with success.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revoked {
    /// The number of the node that answered.
    pub node: usize,
    /// Which key.
    pub key: Arc<str>,
    /// A moment before the first byte was sent.
    pub sent: Duration,
    /// A moment after the last byte of the answer was read.
    pub answered: Duration,
}

/// All that was asked and revoked.
#[derive(Debug, Clone, Default)]
pub struct History {
    /// In the order of the answers.
    pub asked: Vec<Asked>,
    /// In the order of the answers.
    pub revoked: Vec<Revoked>,
}

/// A key that was accepted by a request which was sent after the revocation had been answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The request.
    pub asked: Asked,
    /// The first revocation of its key that was answered.
    pub revoked: Revoked,
}

impl History {
    /// Whether no request that was sent after the answer to a revocation was accepted.
    ///
    /// Moments are noted before sending and after reading, so what is found is true whatever the scheduler did.
    ///
    /// # Errors
    /// The first of those that were, by when they were sent.
    pub fn check(&self) -> Result<(), Box<Violation>> {
        let first = self.after().filter(|(asked, _)| asked.verdict == Verdict::Accepted);
        first.min_by_key(|(asked, _)| asked.sent).map_or(Ok(()), |(asked, revoked)| {
            Err(Box::new(Violation { asked: asked.clone(), revoked: revoked.clone() }))
        })
    }

    /// Each request that was sent after a revocation of its key had been answered, with the first such revocation.
    pub fn after(&self) -> impl Iterator<Item = (&Asked, &Revoked)> {
        let mut first: BTreeMap<&str, &Revoked> = BTreeMap::new();
        for revoked in &self.revoked {
            let known = first.entry(&revoked.key).or_insert(revoked);
            if revoked.answered < known.answered {
                *known = revoked;
            }
        }
        self.asked.iter().filter_map(move |asked| {
            let revoked = *first.get(&*asked.key)?;
            (asked.sent > revoked.answered).then_some((asked, revoked))
        })
    }

    /// How many requests to a node had this verdict, of those that were sent after a revocation of their key had been
    /// answered.
    pub fn count_after(&self, node: usize, is: impl Fn(&Verdict) -> bool) -> usize {
        self.after().filter(|(asked, _)| asked.node == node && is(&asked.verdict)).count()
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { asked, revoked } = self;
        write!(
            f,
            "node {} accepted the key {} at {:?} in a request sent at {:?}, which is {:?} after the answer to its \
             revocation: node {} was told to revoke it at {:?} and had answered by {:?}",
            asked.node,
            asked.key,
            asked.answered,
            asked.sent,
            asked.sent.saturating_sub(revoked.answered),
            revoked.node,
            revoked.sent,
            revoked.answered,
        )
    }
}

impl std::error::Error for Violation {}

/// Writes a history, for all clients of a test, by a clock that nobody sets.
#[derive(Debug)]
pub struct Record {
    start: Instant,
    history: Mutex<History>,
}

impl Record {
    /// An empty one, whose clock begins now.
    pub fn new() -> Arc<Self> {
        Arc::new(Self { start: Instant::now(), history: Mutex::default() })
    }

    /// The present moment.
    pub fn now(&self) -> Duration {
        self.start.elapsed()
    }

    /// Notes a question that was sent to a node at a moment, and has been answered now.
    ///
    /// # Panics
    /// When somebody did who noted something.
    pub fn asked(&self, node: usize, key: &Arc<str>, sent: Duration, verdict: Verdict) {
        let asked = Asked { node, key: Arc::clone(key), sent, answered: self.now(), verdict };
        self.history.lock().unwrap().asked.push(asked);
    }

    /// Notes a revocation that was sent to a node at a moment, and has been answered with success now; gives how long that
    /// took.
    ///
    /// # Panics
    /// When somebody did who noted something.
    pub fn revoked(&self, node: usize, key: &Arc<str>, sent: Duration) -> Duration {
        let answered = self.now();
        let revoked = Revoked { node, key: Arc::clone(key), sent, answered };
        self.history.lock().unwrap().revoked.push(revoked);
        answered.saturating_sub(sent)
    }

    /// Looks at what was noted so far; nothing is noted meanwhile.
    ///
    /// # Panics
    /// When somebody did who noted something.
    pub fn look<T>(&self, look: impl FnOnce(&History) -> T) -> T {
        look(&self.history.lock().unwrap())
    }

    /// What was noted so far.
    ///
    /// # Panics
    /// When somebody did who noted something.
    pub fn history(&self) -> History {
        self.look(History::clone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    /// Requests as (node, key, sent, answered, verdict), revocations as (node, key, sent, answered).
    fn history(asked: &[(usize, &str, u64, u64, Verdict)], revoked: &[(usize, &str, u64, u64)]) -> History {
        let asked = asked.iter().map(|(node, key, sent, answered, verdict)| Asked {
            node: *node,
            key: (*key).into(),
            sent: ms(*sent),
            answered: ms(*answered),
            verdict: verdict.clone(),
        });
        let revoked = revoked.iter().map(|(node, key, sent, answered)| Revoked {
            node: *node,
            key: (*key).into(),
            sent: ms(*sent),
            answered: ms(*answered),
        });
        History { asked: asked.collect(), revoked: revoked.collect() }
    }

    fn refused() -> Verdict {
        Verdict::Refused("key_revoked".to_owned())
    }

    #[test]
    fn a_history_is_in_order_when_nothing_was_accepted_after_the_answer() {
        let good = history(
            &[
                (0, "a", 1, 2, Verdict::Accepted),
                // While the revocation was under way, and sent in the moment of its answer.
                (1, "a", 15, 90, Verdict::Accepted),
                (2, "a", 20, 21, Verdict::Accepted),
                // Known before the answer, and not taken back.
                (2, "a", 16, 17, refused()),
                (0, "a", 21, 22, refused()),
                (1, "a", 21, 22, Verdict::Unavailable),
                (2, "a", 21, 900, Verdict::Unanswered),
                // Of another key, which was revoked later, and of one that never was.
                (1, "b", 30, 31, Verdict::Accepted),
                (1, "c", 90, 91, Verdict::Accepted),
            ],
            &[(0, "a", 10, 20), (1, "b", 31, 40)],
        );
        assert_eq!(good.check(), Ok(()));
        assert_eq!(History::default().check(), Ok(()));
    }

    #[test]
    fn a_request_sent_after_the_answer_and_accepted_is_found_with_its_revocation() {
        let bad = history(
            &[
                (0, "a", 1, 2, Verdict::Accepted),
                (2, "a", 40, 41, Verdict::Accepted),
                (1, "a", 21, 55, Verdict::Accepted),
                (1, "a", 60, 61, refused()),
            ],
            &[(2, "b", 1, 2), (0, "a", 10, 20)],
        );
        let violation = bad.check().unwrap_err();
        assert_eq!((&violation.asked, &violation.revoked), (&bad.asked[2], &bad.revoked[1]));
        let said = violation.to_string();
        for part in ["node 1", "key a", "55ms", "21ms", "1ms after", "node 0", "10ms", "20ms"] {
            assert!(said.contains(part), "no `{part}` in: {said}");
        }
    }

    #[test]
    fn of_several_revocations_the_one_that_was_answered_first_counts() {
        let asked = [(1, "a", 50, 51, Verdict::Accepted)];
        let twice = history(&asked, &[(0, "a", 10, 90), (2, "a", 12, 40)]);
        assert_eq!(twice.check().unwrap_err().revoked, twice.revoked[1]);
        let late = history(&asked, &[(0, "a", 10, 90), (2, "a", 12, 60)]);
        assert_eq!(late.check(), Ok(()));
    }

    #[test]
    fn what_was_asked_after_is_counted_by_node_and_verdict() {
        let history = history(
            &[
                (1, "a", 5, 6, Verdict::Unavailable),
                (1, "a", 30, 31, Verdict::Unavailable),
                (1, "a", 32, 33, refused()),
                (2, "a", 34, 35, Verdict::Unavailable),
                (1, "b", 36, 37, Verdict::Unavailable),
            ],
            &[(0, "a", 10, 20)],
        );
        assert_eq!(history.count_after(1, |verdict| *verdict == Verdict::Unavailable), 1);
        assert_eq!(history.count_after(1, |_| true), 2);
        assert_eq!(history.count_after(0, |_| true), 0);
    }

    #[test]
    fn a_record_notes_by_one_clock_what_it_is_told() {
        let record = Record::new();
        let key: Arc<str> = "a".into();
        let sent = record.now();
        let took = record.revoked(0, &key, sent);
        let later = record.now() + ms(1);
        record.asked(1, &key, later, Verdict::Accepted);
        let history = record.history();
        assert_eq!(history.revoked[0].answered - history.revoked[0].sent, took);
        assert!(history.revoked[0].sent == sent && history.asked[0].sent == later);
        assert_eq!(history.check().unwrap_err().asked.node, 1);
    }
}
