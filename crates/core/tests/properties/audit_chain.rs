//! The chain of a log: whatever is done to an export is found.

use keystile_core::audit::check::{Checker, Fault, Verified, Wrong};
use keystile_core::audit::export::{footer, header};
use keystile_core::{
    Action, Actor, AuditId, ChainHead, KeyId, RecordedEntry, SealedEntry, Seq, TenantId, Timestamp,
};
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::value::RawValue;

fn tenant() -> TenantId {
    TenantId::from_parts(Timestamp::from_millis(1), 1)
}

fn recorded(number: u128, target: &str, changes: &serde_json::Value) -> RecordedEntry {
    RecordedEntry {
        id: AuditId::from_parts(Timestamp::from_millis(1_700_000_000_000), number),
        tenant_id: tenant(),
        at: Timestamp::from_millis(1_700_000_000_000),
        actor: Actor::Key(KeyId::from_parts(Timestamp::from_millis(2), number)),
        action: Action::KeyUpdate,
        target: target.to_owned(),
        ip: Some([192, 0, 2, 7].into()),
        request_id: Some(format!("req_{number}")),
        changes: RawValue::from_string(changes.to_string()).unwrap(),
    }
}

/// The chain of `entries`, and its end.
fn sealed(entries: impl IntoIterator<Item = RecordedEntry>) -> (Vec<SealedEntry>, ChainHead) {
    let mut head = ChainHead::empty(tenant());
    let chain = entries.into_iter().map(|entry| {
        let sealed = head.seal(entry);
        head = sealed.head();
        sealed
    });
    let chain: Vec<_> = chain.collect();
    (chain, head)
}

/// The lines of an export from `first` on, counted from 0.
fn lines_from(chain: &[SealedEntry], first: usize) -> Vec<String> {
    let behind = first.checked_sub(1).map_or_else(|| ChainHead::empty(tenant()), |last| chain[last].head());
    let head = chain.last().map_or(behind, SealedEntry::head);
    let count = u64::try_from(chain.len() - first).unwrap();
    let entries = chain[first..].iter().map(SealedEntry::line);
    std::iter::once(header(tenant(), behind)).chain(entries).chain([footer(tenant(), count, head)]).collect()
}

fn joined(lines: &[String]) -> String {
    lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect()
}

fn sample(count: u128) -> Vec<String> {
    let changes = serde_json::json!({ "name": { "before": null, "after": "Größe \"x\"" } });
    lines_from(&sealed((0..count).map(|number| recorded(number, "key_x", &changes))).0, 0)
}

fn check_with(bytes: &[u8], noted: Option<ChainHead>) -> Result<Verified, Fault> {
    let mut checker = Checker::new(noted);
    checker.feed(bytes)?;
    checker.finish()
}

fn check(bytes: &[u8]) -> Result<Verified, Fault> {
    check_with(bytes, None)
}

fn wrong(lines: &[String]) -> (u64, Wrong) {
    let Fault { line, what } = check(joined(lines).as_bytes()).unwrap_err();
    (line, what)
}

fn seq(number: u64) -> Seq {
    Seq::new(number)
}

#[test]
fn any_single_byte_of_an_export_that_is_changed_is_found_on_its_line() {
    let whole = joined(&sample(6)).into_bytes();
    assert_eq!(check(&whole).unwrap().count, 6);
    let mut line = 1;
    for at in 0..whole.len() {
        for other in [whole[at] ^ 1, whole[at] ^ 0x20, whole[at] ^ 0x80, b' ', b'\n', b'0', b'"'] {
            let mut changed = whole.clone();
            changed[at] = other;
            if changed != whole {
                let found = check(&changed).unwrap_err();
                assert_eq!(found.line, line, "byte {at} became {other}: {found}");
            }
        }
        line += u64::from(whole[at] == b'\n');
    }
}

#[test]
fn no_byte_can_become_any_other() {
    for count in [0, 1] {
        let whole = joined(&sample(count)).into_bytes();
        for at in 0..whole.len() {
            let mut changed = whole.clone();
            for other in (0..=u8::MAX).filter(|other| *other != whole[at]) {
                changed[at] = other;
                assert!(check(&changed).is_err(), "byte {at} became {other}");
            }
        }
    }
}

#[test]
fn any_byte_that_is_added_or_taken_away_and_any_cut_is_found() {
    let whole = joined(&sample(4)).into_bytes();
    for at in 0..whole.len() {
        let without = [&whole[..at], &whole[at + 1..]].concat();
        // One of two equal neighbours is like the other, and gone is gone.
        assert!(check(&without).is_err(), "without byte {at}");
        assert!(check(&whole[..at]).is_err(), "cut before byte {at}");
        for added in [b' ', b'\n', b'0', b'a', 0xff] {
            let longer = [&whole[..at], &[added], &whole[at..]].concat();
            assert!(check(&longer).is_err(), "{added} before byte {at}");
        }
    }
    for behind in [&b"\n"[..], b" ", b"{}\n", &whole] {
        let found = check(&[&whole, behind].concat()).unwrap_err();
        assert_eq!((found.line, found.what), (7, Wrong::Behind));
    }
}

#[test]
fn what_was_removed_moved_repeated_or_cut_is_told() {
    let whole = sample(9);
    let without = |range: std::ops::Range<usize>| {
        let mut lines = whole.clone();
        lines.drain(range);
        wrong(&lines)
    };
    assert_eq!(without(3..4), (4, Wrong::Missing(seq(3), seq(3))));
    assert_eq!(without(3..6), (4, Wrong::Missing(seq(3), seq(5))));
    assert_eq!(without(9..10), (10, Wrong::Missing(seq(9), seq(9))));
    assert_eq!(without(0..1), (1, Wrong::Header));
    assert_eq!(without(10..11), (11, Wrong::Truncated(seq(9))));
    let swapped = |one: usize, other: usize| {
        let mut lines = whole.clone();
        lines.swap(one, other);
        wrong(&lines)
    };
    assert_eq!(swapped(3, 4), (4, Wrong::Moved { seq: seq(3), on: 5 }));
    assert_eq!(swapped(2, 8), (3, Wrong::Moved { seq: seq(2), on: 9 }));
    assert_eq!(swapped(9, 10), (10, Wrong::Moved { seq: seq(9), on: 11 }));
    assert_eq!(swapped(0, 1), (1, Wrong::Header));
    let mut twice = whole.clone();
    twice.insert(5, whole[4].clone());
    assert_eq!(wrong(&twice), (6, Wrong::Repeated(seq(4))));
    let found = check(joined(&whole[..5]).as_bytes()).unwrap_err();
    assert_eq!(found.to_string(), "line 6: the export breaks off here, behind entry 4");
}

#[test]
fn a_forger_who_seals_anew_is_found_by_the_next_entry_or_by_the_head_that_was_noted() {
    let entries = || (0..5).map(|number| recorded(number, "key_x", &serde_json::json!(number)));
    let (honest, head) = sealed(entries());
    let replaced = |mut chain: Vec<SealedEntry>| {
        let before = chain[1].head();
        chain[2] = before.seal(recorded(2, "key_y", &serde_json::json!(2)));
        chain
    };
    let one = joined(&lines_from(&replaced(honest.clone()), 0));
    assert_eq!(check(one.as_bytes()).unwrap_err().what, Wrong::Unlinked(seq(4)));

    let (forged, _) = sealed(entries().map(|entry| RecordedEntry { target: "key_y".to_owned(), ..entry }));
    let all = joined(&lines_from(&forged, 0));
    assert!(check(all.as_bytes()).is_ok(), "a chain alone cannot tell");
    for noted in [head, honest[2].head()] {
        let found = check_with(all.as_bytes(), Some(noted)).unwrap_err();
        assert_eq!(found.what, Wrong::Rewritten(noted.seq));
    }
}

#[test]
fn a_noted_head_is_compared_or_said_to_be_out_of_reach() {
    let (chain, head) = sealed((0..5).map(|number| recorded(number, "key_x", &serde_json::json!(number))));
    let whole = joined(&lines_from(&chain, 0));
    let late = joined(&lines_from(&chain, 3));
    for noted in [chain[2].head(), chain[3].head(), head] {
        assert_eq!(check_with(whole.as_bytes(), Some(noted)).unwrap().head, head);
        assert_eq!(check_with(late.as_bytes(), Some(noted)).unwrap().first_seq, seq(4));
    }
    let refused = |text: &str, noted| check_with(text.as_bytes(), Some(noted)).unwrap_err().what;
    assert_eq!(refused(&late, chain[1].head()), Wrong::BehindHead(seq(2)));
    let short = joined(&lines_from(&chain[..4], 0));
    assert_eq!(refused(&short, head), Wrong::BeforeHead(seq(5)));
    let elsewhere = ChainHead { hash: head.hash, ..chain[2].head() };
    assert_eq!(refused(&late, elsewhere), Wrong::Rewritten(seq(3)));
}

#[test]
fn an_entry_of_another_tenant_and_an_endless_line_are_refused() {
    let mut lines = sample(2);
    let foreign = RecordedEntry {
        tenant_id: TenantId::from_parts(Timestamp::from_millis(1), 2),
        ..recorded(7, "key_x", &serde_json::json!(null))
    };
    lines[1] = ChainHead::empty(tenant()).seal(foreign).line();
    assert_eq!(wrong(&lines), (2, Wrong::Foreign(seq(1))));
    let mut checker = Checker::new(None);
    let piece = vec![b'x'; 1024 * 1024];
    let found = (0..100).find_map(|_| checker.feed(&piece).err()).unwrap();
    assert_eq!(found.what, Wrong::TooLong);
}

/// Anything that may stand in `changes`.
fn any_json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<String>().prop_map(Into::into),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
            proptest::collection::btree_map(any::<String>(), inner, 0..4)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

fn any_chain() -> impl Strategy<Value = Vec<SealedEntry>> {
    let entry = (any::<u128>(), any::<String>(), any_json(), any::<Option<String>>(), any::<u128>());
    let entry = entry.prop_map(|(number, target, changes, request_id, ip)| RecordedEntry {
        request_id,
        ip: Some(std::net::Ipv6Addr::from(ip).into()),
        ..recorded(number, &target, &changes)
    });
    proptest::collection::vec(entry, 1..8).prop_map(|entries| sealed(entries).0)
}

proptest! {
    #[test]
    fn any_chain_verifies_however_its_export_is_cut_into_pieces(chain in any_chain(), first: Index, size in 1_usize..300) {
        let first = first.index(chain.len());
        let whole = joined(&lines_from(&chain, first));
        let mut checker = Checker::new(chain.last().map(SealedEntry::head));
        for piece in whole.as_bytes().chunks(size) {
            checker.feed(piece).unwrap();
        }
        let good = checker.finish().unwrap();
        prop_assert_eq!(good.count, (chain.len() - first) as u64);
        prop_assert_eq!(good.first_seq, chain[first].seq);
        prop_assert_eq!(Some(good.head), chain.last().map(SealedEntry::head));
    }

    #[test]
    fn a_changed_byte_a_removed_line_two_swapped_lines_and_a_cut_are_found(
        chain in any_chain(), at: Index, to: u8, one: Index, other: Index
    ) {
        let lines = lines_from(&chain, 0);
        let whole = joined(&lines).into_bytes();
        let at = at.index(whole.len());
        let mut changed = whole.clone();
        changed[at] = to;
        prop_assert_eq!(check(&changed).is_ok(), changed == whole);
        prop_assert!(check(&whole[..at]).is_err());
        let (one, other) = (one.index(lines.len()), other.index(lines.len()));
        let mut fewer = lines.clone();
        fewer.remove(one);
        prop_assert!(check(joined(&fewer).as_bytes()).is_err());
        let mut swapped = lines.clone();
        swapped.swap(one, other);
        prop_assert_eq!(check(joined(&swapped).as_bytes()).is_ok(), one == other);
    }

    #[test]
    fn no_bytes_make_the_checker_panic(bytes: Vec<u8>) {
        prop_assert!(check(&bytes).is_err());
    }
}
