//! Requests as they wait: what is said of them in words of others lies in one text for many, so that taking one down needs no memory
//! of its own.

use std::collections::VecDeque;

use keystile_core::LoggedRequest;
use keystile_core::key::LONGEST_KEY;
use keystile_core::request_log::{PATH_MAX, USER_AGENT_MAX};

/// How much of each text is taken down: as much as is kept, and a key more, as one that is cut would not be known for one, and not be
/// masked. The id of a request is a short word.
const MOST: [usize; 3] = [PATH_MAX + LONGEST_KEY, USER_AGENT_MAX + LONGEST_KEY, 64];
/// The length of a text that there is none of.
const NONE: u16 = u16::MAX;
/// What was emptied is used again unless it has room for so many times what was in it: a rush does not hold memory for ever.
const ROOMY: usize = 4;

/// What is said of a request in words of others. It is copied, as the bytes may belong to the buffer of a whole connection.
#[derive(Debug, Clone, Copy, Default)]
pub struct Texts<'a> {
    /// The path, without its query.
    pub path: Option<&'a [u8]>,
    /// What the client says of its software.
    pub user_agent: Option<&'a [u8]>,
    /// The id of the request: visible ASCII.
    pub request_id: Option<&'a [u8]>,
}

/// Requests that wait, in their order.
#[derive(Default)]
pub(super) struct Heard {
    rows: VecDeque<(LoggedRequest, [u16; 3])>,
    /// The texts of all of them, behind each other.
    texts: Vec<u8>,
    /// So much of the texts belongs to requests that were taken out.
    passed: usize,
    /// How many there were at the most.
    most: usize,
}

impl Heard {
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(super) fn add(&mut self, request: LoggedRequest, texts: Texts<'_>) {
        let mut lengths = [NONE; 3];
        let texts = [texts.path, texts.user_agent, texts.request_id];
        for ((length, text), most) in lengths.iter_mut().zip(texts).zip(MOST) {
            let Some(text) = text else { continue };
            let text = &text[..text.len().min(most)];
            self.texts.extend_from_slice(text);
            // None is as long as that.
            *length = u16::try_from(text.len()).unwrap_or(NONE);
        }
        self.rows.push_back((request, lengths));
        self.most = self.most.max(self.rows.len());
    }

    /// Takes out the first.
    pub(super) fn next(&mut self) -> Option<LoggedRequest> {
        let (request, [path, user_agent, request_id]) = self.rows.pop_front()?;
        // In the order in which they were added.
        let (path, user_agent) = (self.text(path), self.text(user_agent));
        Some(LoggedRequest { path, user_agent, request_id: self.text(request_id), ..request })
    }

    fn text(&mut self, length: u16) -> Option<String> {
        if length == NONE {
            return None;
        }
        let end = self.passed + usize::from(length);
        let text = self.texts.get(self.passed..end).unwrap_or_default();
        self.passed = end;
        Some(String::from_utf8_lossy(text).into_owned())
    }

    /// The same without anything in it, and with room for as much again; without any if that would be too much.
    pub(super) fn emptied(mut self) -> Self {
        let is_roomy = self.rows.capacity() > ROOMY * self.most.max(ROOMY)
            || self.texts.capacity() > ROOMY * self.texts.len().max(PATH_MAX);
        if is_roomy {
            return Self::default();
        }
        self.rows.clear();
        self.texts.clear();
        (self.passed, self.most) = (0, 0);
        self
    }
}

#[cfg(test)]
mod tests {
    use keystile_core::{LogFace, LogId, TenantId};

    use super::*;

    fn row(number: u128) -> LoggedRequest {
        let (id, tenant_id) = (LogId::from_u128(number), TenantId::from_u128(1));
        LoggedRequest::new(id, tenant_id, LogFace::Authz, "allowed".into())
    }

    fn told(request: &LoggedRequest) -> [Option<&str>; 3] {
        [request.path.as_deref(), request.user_agent.as_deref(), request.request_id.as_deref()]
    }

    #[test]
    fn each_request_comes_out_with_its_own_texts() {
        let mut heard = Heard::default();
        let all = Texts { path: Some(b"/a"), user_agent: Some(b""), request_id: Some(b"req_1") };
        for (number, texts) in (1..).zip([all, Texts::default(), Texts { path: None, ..all }, all]) {
            heard.add(row(number), texts);
        }
        heard.add(row(5), Texts { path: Some(b"/\xff"), ..Texts::default() });
        let out: Vec<_> = std::iter::from_fn(|| heard.next()).collect();
        let whole = [Some("/a"), Some(""), Some("req_1")];
        let expected =
            [whole, [None; 3], [None, Some(""), Some("req_1")], whole, [Some("/\u{fffd}"), None, None]];
        assert_eq!(out.iter().map(told).collect::<Vec<_>>(), expected);
        assert!(out.iter().zip(1..).all(|(request, number)| request.id == LogId::from_u128(number)));
        assert!(heard.next().is_none());
    }

    #[test]
    fn long_texts_are_cut_behind_what_may_be_a_secret() {
        let mut heard = Heard::default();
        let long = [b'x'; 9_999];
        heard.add(row(1), Texts { path: Some(&long), user_agent: Some(&long), request_id: Some(&long) });
        heard.add(row(2), Texts { path: Some(b"/b"), ..Texts::default() });
        let request = heard.next().unwrap();
        assert_eq!(told(&request).map(|text| text.map(str::len)), MOST.map(Some));
        assert_eq!(told(&heard.next().unwrap()), [Some("/b"), None, None]);
    }

    #[test]
    fn room_is_used_again_unless_it_is_far_too_much() {
        let mut heard = Heard::default();
        let texts = Texts { path: Some(b"/orders"), ..Texts::default() };
        (0..1_000).for_each(|number| heard.add(row(number), texts));
        while heard.next().is_some() {}
        let mut heard = heard.emptied();
        let room = heard.rows.capacity();
        assert!(room >= 1_000 && heard.len() == 0);
        heard.add(row(1), texts);
        assert_eq!((heard.rows.capacity(), told(&heard.next().unwrap())[0]), (room, Some("/orders")));
        assert_eq!(heard.emptied().rows.capacity(), 0, "a single one needs no such room");
    }
}
