//! What was done with a key since a moment, and what of it is new.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::LoggedRequest;
use crate::Timestamp;

/// Most different addresses, user agents or paths that are told apart: a megabyte. Whoever sends more with one key is told of
/// by their number.
pub const MOST_GROUPS: usize = 10_000;

/// What earlier requests with the key had, to compare with.
#[derive(Debug, Default)]
pub struct Before {
    addresses: HashSet<String>,
    user_agents: HashSet<String>,
    paths: HashSet<String>,
}

/// What was done with a key.
#[derive(Debug, Default)]
pub struct Exposure {
    /// How many requests were answered with which code.
    pub codes: BTreeMap<String, u64>,
    /// The first and the last request.
    pub span: Option<(Timestamp, Timestamp)>,
    /// By address.
    pub addresses: Uses,
    /// By user agent.
    pub user_agents: Uses,
    /// By path.
    pub paths: Uses,
}

/// Requests that have something in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Used {
    /// What that is; `None` of those of which it is not known.
    pub name: Option<String>,
    /// How many.
    pub count: u64,
    /// The first.
    pub first: Timestamp,
    /// The last.
    pub last: Timestamp,
    /// Whether no earlier request had it.
    pub is_new: bool,
}

/// Requests by what they have in common.
#[derive(Debug, Default)]
pub struct Uses {
    by_name: HashMap<Option<String>, (u64, Timestamp, Timestamp)>,
    /// Requests that are in no group, as there are too many.
    left_out: u64,
}

impl Before {
    /// Takes one more request from before. Beyond [`MOST_GROUPS`] what is new is forgotten, so that too much is called new rather
    /// than too little.
    pub fn add(&mut self, request: &LoggedRequest) {
        let ip = request.ip.map(|ip| ip.to_string());
        note(&mut self.addresses, ip.as_deref());
        note(&mut self.user_agents, request.user_agent.as_deref());
        note(&mut self.paths, request.path.as_deref());
    }
}

fn note(known: &mut HashSet<String>, name: Option<&str>) {
    if let Some(name) = name
        && known.len() < MOST_GROUPS
        && !known.contains(name)
    {
        known.insert(name.to_owned());
    }
}

impl Exposure {
    /// Takes one more request, in any order.
    pub fn add(&mut self, request: &LoggedRequest) {
        let at = request.at();
        match self.codes.get_mut(&*request.code) {
            Some(count) => *count += 1,
            None => drop(self.codes.insert(request.code.clone().into_owned(), 1)),
        }
        let (first, last) = self.span.unwrap_or((at, at));
        self.span = Some((first.min(at), last.max(at)));
        self.addresses.add(request.ip.map(|ip| ip.to_string()), at);
        self.user_agents.add(request.user_agent.clone(), at);
        self.paths.add(request.path.clone(), at);
    }

    /// How many requests there were.
    pub fn total(&self) -> u64 {
        self.codes.values().sum()
    }

    /// The busiest `most` addresses, user agents and paths, in this order, compared with what was `before`; and whether there
    /// are more of each.
    pub fn groups(&self, before: &Before, most: usize) -> [(Vec<Used>, bool); 3] {
        [
            self.addresses.busiest(&before.addresses, most),
            self.user_agents.busiest(&before.user_agents, most),
            self.paths.busiest(&before.paths, most),
        ]
    }
}

impl Uses {
    fn add(&mut self, name: Option<String>, at: Timestamp) {
        let room = self.by_name.len() < MOST_GROUPS;
        if let Some((count, first, last)) = self.by_name.get_mut(&name) {
            (*count, *first, *last) = (*count + 1, at.min(*first), at.max(*last));
        } else if room {
            self.by_name.insert(name, (1, at, at));
        } else {
            self.left_out += 1;
        }
    }

    /// New ones come first, as they are what somebody looks for; then by number, and by name.
    fn busiest(&self, before: &HashSet<String>, most: usize) -> (Vec<Used>, bool) {
        let used = |(name, (count, first, last)): (&Option<String>, &(u64, Timestamp, Timestamp))| Used {
            name: name.clone(),
            count: *count,
            first: *first,
            last: *last,
            is_new: name.as_deref().is_some_and(|name| !before.contains(name)),
        };
        let mut all: Vec<_> = self.by_name.iter().map(used).collect();
        all.sort_unstable_by(|one, other| {
            let key = |used: &Used| (!used.is_new, std::cmp::Reverse(used.count));
            key(one).cmp(&key(other)).then_with(|| one.name.cmp(&other.name))
        });
        let more = all.len() > most || self.left_out > 0;
        all.truncate(most);
        (all, more)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::logged;
    use super::*;
    use crate::LogId;

    fn request(millis: i64, ip: &str, path: &str, code: &'static str) -> LoggedRequest {
        let id = LogId::from_parts(Timestamp::from_millis(millis), 1);
        LoggedRequest { id, ip: ip.parse().ok(), path: Some(path.to_owned()), code: code.into(), ..logged(1) }
    }

    #[test]
    fn requests_are_counted_by_what_they_have_in_common_and_what_is_new_comes_first() {
        let (mut before, mut since) = (Before::default(), Exposure::default());
        before.add(&request(1, "192.0.2.1", "/a", "allowed"));
        for one in [
            request(30, "192.0.2.1", "/a", "allowed"),
            request(10, "192.0.2.1", "/a", "key_revoked"),
            request(20, "198.51.100.9", "/b", "key_revoked"),
        ] {
            since.add(&one);
        }
        let moment = Timestamp::from_millis;
        assert_eq!((since.total(), since.span), (3, Some((moment(10), moment(30)))));
        assert_eq!([since.codes["allowed"], since.codes["key_revoked"]], [1, 2]);
        let (addresses, more) = since.addresses.busiest(&before.addresses, 10);
        let told = |used: &Used| (used.name.clone(), used.count, used.is_new);
        let told: Vec<_> = addresses.iter().map(told).collect();
        let named = |name: &str| Some(name.to_owned());
        assert_eq!(told, [(named("198.51.100.9"), 1, true), (named("192.0.2.1"), 2, false)]);
        assert!(!more && addresses[1].first == moment(10) && addresses[1].last == moment(30));
        let (agents, _) = since.user_agents.busiest(&before.user_agents, 10);
        assert_eq!((agents.len(), agents[0].name.as_deref(), agents[0].is_new), (1, None, false));
    }

    #[test]
    fn groups_are_bounded_and_the_rest_is_told() {
        let mut since = Exposure::default();
        for number in 0..=MOST_GROUPS {
            since.add(&request(1, "192.0.2.1", &format!("/{number}"), "allowed"));
        }
        let [(addresses, no_more), _, (paths, more)] = since.groups(&Before::default(), MOST_GROUPS);
        assert_eq!((addresses.len(), no_more, paths.len(), more), (1, false, MOST_GROUPS, true));
        assert_eq!(since.total(), MOST_GROUPS as u64 + 1);
        let [_, _, (paths, more)] = since.groups(&Before::default(), 3);
        assert_eq!((paths.len(), more), (3, true));
    }
}
