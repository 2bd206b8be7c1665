//! Reading the audit log. It is sealed up to the present before anything of it is shown, so that nobody sees an entry
//! that has no place in the chain.

use keystile_core::{AuditId, ChainHead, Invalid, SealedEntry, Seq, TenantId, Timestamp, audit::export};
use keystile_measure::SPANS;
use keystile_store::{AuditFilter, AuditFound, Page, Sealing};
use tracing::instrument;

use crate::{Caller, ControlPlane, Refused, Right};

/// Most transactions of sealing before a read: what a busy second leaves behind many times over. Only a log that
/// an older version wrote can have more; of that one the sealed part is shown while the rest is worked on.
const SEALINGS_BEFORE_A_READ: usize = 64;
/// Most entries that one look goes through: as many as take some milliseconds, whatever is asked of them.
const LOOKED_AT: u32 = 5_000;
/// Entries in one piece of an export: at most some megabytes in memory.
const ENTRIES_A_PIECE: u32 = 100;

/// Which entries to list.
pub type AuditQuery = AuditFilter;

/// Where a tenant's log ends, to be noted where whoever runs the database cannot reach it.
#[derive(Debug, Clone, Copy)]
pub struct Proof {
    /// Whose log.
    pub tenant_id: TenantId,
    /// Its end.
    pub head: ChainHead,
    /// When it ended there.
    pub at: Timestamp,
}

impl ControlPlane {
    /// A page of the tenant's log, newest first.
    ///
    /// # Errors
    /// Without [`Right::ReadAudit`].
    #[instrument(target = SPANS, skip_all)]
    pub async fn audit(
        &self,
        caller: &Caller,
        query: &AuditQuery,
        page: Page<Seq>,
    ) -> Result<Vec<SealedEntry>, Refused> {
        caller.require(Right::ReadAudit)?;
        self.seal(caller.tenant_id).await?;
        Ok(self.store.audit(caller.tenant_id, query, page).await?)
    }

    /// A page of the tenant's log that is there within milliseconds for any query: of 5,000 entries, it says where to look on,
    /// if it did not find enough among them.
    ///
    /// # Errors
    /// Without [`Right::ReadAudit`].
    #[instrument(target = SPANS, skip_all)]
    pub async fn look_in_audit(
        &self,
        caller: &Caller,
        query: &AuditQuery,
        page: Page<Seq>,
    ) -> Result<AuditFound, Refused> {
        caller.require(Right::ReadAudit)?;
        self.seal(caller.tenant_id).await?;
        Ok(self.store.look_in_audit(caller.tenant_id, query, page, LOOKED_AT).await?)
    }

    /// One entry of the tenant's log.
    ///
    /// # Errors
    /// [`Refused::NotFound`] for one that is unknown or another tenant's; without [`Right::ReadAudit`].
    #[instrument(target = SPANS, skip_all)]
    pub async fn audit_entry(&self, caller: &Caller, id: AuditId) -> Result<SealedEntry, Refused> {
        caller.require(Right::ReadAudit)?;
        self.seal(caller.tenant_id).await?;
        self.store.audit_entry(caller.tenant_id, id).await?.ok_or(Refused::NotFound("audit entry"))
    }

    /// Where the tenant's log ends now.
    ///
    /// # Errors
    /// Without [`Right::ReadAudit`].
    #[instrument(target = SPANS, skip_all)]
    pub async fn audit_proof(&self, caller: &Caller) -> Result<Proof, Refused> {
        caller.require(Right::ReadAudit)?;
        self.seal(caller.tenant_id).await?;
        let head = self.store.chain_head(caller.tenant_id).await?;
        Ok(Proof { tenant_id: caller.tenant_id, head, at: self.now() })
    }

    /// The tenant's log as it is now, oldest first, from `from` on.
    ///
    /// # Errors
    /// Without [`Right::ReadAudit`], or when the log ends before `from`.
    #[instrument(target = SPANS, skip_all)]
    pub async fn audit_export(&self, caller: &Caller, from: Seq) -> Result<AuditExport, Refused> {
        caller.require(Right::ReadAudit)?;
        let tenant_id = caller.tenant_id;
        self.seal(tenant_id).await?;
        let head = self.store.chain_head(tenant_id).await?;
        if !(Seq::FIRST..=head.seq.next()).contains(&from) {
            let rule = format!("must be from 1 to {}, one behind the last entry", head.seq.next());
            return Err(Invalid::new("from_seq", rule).into());
        }
        let behind = self.before(tenant_id, from).await?;
        Ok(AuditExport {
            control: self.clone(),
            tenant_id,
            behind,
            head,
            next: from,
            count: 0,
            part: Part::Header,
        })
    }

    /// The end of the chain before `from`. Where a row is gone, what stands for it does not matter: a check finds the
    /// gap or the false link.
    async fn before(&self, tenant_id: TenantId, from: Seq) -> Result<ChainHead, Refused> {
        let empty = ChainHead::empty(tenant_id);
        let last = from.before();
        if last < Seq::FIRST {
            return Ok(empty);
        }
        let found = self.store.audit_at(tenant_id, last..=last, 1).await?;
        Ok(found.first().map_or(ChainHead { seq: last, ..empty }, SealedEntry::head))
    }

    async fn seal(&self, tenant_id: TenantId) -> Result<(), Refused> {
        for _ in 0..SEALINGS_BEFORE_A_READ {
            match self.store.seal(tenant_id).await? {
                Sealing::Complete => break,
                Sealing::Partial => {}
            }
        }
        Ok(())
    }
}

/// An export on its way, piece by piece: each is read when it is asked for.
#[derive(Clone)]
pub struct AuditExport {
    control: ControlPlane,
    tenant_id: TenantId,
    behind: ChainHead,
    head: ChainHead,
    next: Seq,
    count: u64,
    part: Part,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Header,
    Entries,
    Over,
}

impl AuditExport {
    /// The first and the last place that it tells of; the last stands before the first when there is no entry.
    pub const fn places(&self) -> (Seq, Seq) {
        (self.behind.seq.next(), self.head.seq)
    }

    /// The next lines, each with its line break; nothing behind the end.
    ///
    /// # Errors
    /// When the store does not answer. The export is broken off then and lacks its last line.
    pub async fn piece(&mut self) -> Result<Option<String>, Refused> {
        match self.part {
            Part::Header => {
                self.part = Part::Entries;
                Ok(Some(export::header(self.tenant_id, self.behind) + "\n"))
            }
            Part::Entries => self.entries().await.map(Some),
            Part::Over => Ok(None),
        }
    }

    async fn entries(&mut self) -> Result<String, Refused> {
        let places = self.next..=self.head.seq;
        let entries = self.control.store.audit_at(self.tenant_id, places, ENTRIES_A_PIECE).await?;
        let Some(last) = entries.last() else {
            self.part = Part::Over;
            return Ok(export::footer(self.tenant_id, self.count, self.head) + "\n");
        };
        self.next = last.seq.next();
        self.count = self.count.saturating_add(entries.len() as u64);
        Ok(entries.iter().flat_map(|entry| [entry.line(), "\n".to_owned()]).collect())
    }
}
