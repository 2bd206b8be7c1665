//! The first and the last line of an export.

use serde::Deserialize;

use super::chain::{ChainHead, FORMAT, Seq};
use crate::text::deserialize_parsed;
use crate::{Digest, TenantId};

/// What the first line of an export begins with.
const HEADER: &[u8] = br#"{"format":"#;
/// What the last line of an export begins with.
const FOOTER: &[u8] = br#"{"count":"#;

/// The first line: whose log this is, and which entry it stands behind.
pub fn header(tenant_id: TenantId, behind: ChainHead) -> String {
    let (first_seq, previous) = (behind.seq.next(), behind.hash.to_hex());
    format!(
        r#"{{"format":"{FORMAT}","tenant_id":"{tenant_id}","first_seq":{first_seq},"previous":"{previous}"}}"#
    )
}

/// The last line: how many entries stand above it, and where the chain ends with them.
pub fn footer(tenant_id: TenantId, count: u64, head: ChainHead) -> String {
    let ChainHead { seq, hash } = head;
    let hash = hash.to_hex();
    format!(r#"{{"count":{count},"tenant_id":"{tenant_id}","seq":{seq},"hash":"{hash}"}}"#)
}

#[derive(Deserialize)]
struct Header {
    tenant_id: TenantId,
    first_seq: u64,
    #[serde(deserialize_with = "deserialize_parsed")]
    previous: Digest,
}

#[derive(Deserialize)]
struct Footer {
    count: u64,
    tenant_id: TenantId,
    seq: u64,
    #[serde(deserialize_with = "deserialize_parsed")]
    hash: Digest,
}

/// Reads a first line in its one form: the tenant, and the end that the export stands behind.
pub(super) fn read_header(line: &[u8]) -> Option<(TenantId, ChainHead)> {
    let read: Header = of(line, HEADER)?;
    let behind = ChainHead { seq: Seq::new(read.first_seq.checked_sub(1)?), hash: read.previous };
    (header(read.tenant_id, behind).as_bytes() == line).then_some((read.tenant_id, behind))
}

/// Whether this is meant to be a last line.
pub(super) fn is_footer(line: &[u8]) -> bool {
    line.starts_with(FOOTER)
}

/// Reads a last line in its one form: the tenant, the count and the end.
pub(super) fn read_footer(line: &[u8]) -> Option<(TenantId, u64, ChainHead)> {
    let read: Footer = of(line, FOOTER)?;
    let head = ChainHead { seq: Seq::new(read.seq), hash: read.hash };
    (footer(read.tenant_id, read.count, head).as_bytes() == line).then_some((
        read.tenant_id,
        read.count,
        head,
    ))
}

fn of<'l, T: Deserialize<'l>>(line: &'l [u8], beginning: &[u8]) -> Option<T> {
    if line.starts_with(beginning) { serde_json::from_slice(line).ok() } else { None }
}
