//! Checking the audit log on the server, as anybody can check its export elsewhere.

use keystile_core::audit::check::{Checker, Fault, Verified};
use keystile_core::{ChainHead, Invalid, Seq};
use keystile_measure::SPANS;
use tracing::instrument;

use crate::{Caller, ControlPlane, Refused, Right};

/// Most checks at the same time: each reads much and keeps a core busy.
pub(crate) const CHECKS_AT_ONCE: usize = 2;
/// Entries that a check reads, the last of the log: some seconds of work. A longer log is checked by its export.
const CHECKED: u64 = 100_000;

impl ControlPlane {
    /// Checks the last 100,000 entries of the tenant's log, or all if there are fewer: that no entry was changed, removed, inserted or
    /// moved, and that the log still has a head that was noted earlier. The outer result is refused, the inner one is what was found.
    ///
    /// # Errors
    /// Without [`Right::ReadAudit`]; [`Refused::Busy`] while others are checked; for a noted head that is too old to be checked here.
    #[instrument(target = SPANS, skip_all)]
    pub async fn check_audit(
        &self,
        caller: &Caller,
        noted: Option<ChainHead>,
    ) -> Result<Result<Verified, Fault>, Refused> {
        caller.require(Right::ReadAudit)?;
        let _turn = self.checking.try_acquire().map_err(|_| Refused::Busy)?;
        let end = self.audit_proof(caller).await?.head.seq.as_u64();
        let first = Seq::new(end.saturating_sub(CHECKED).saturating_add(1));
        if noted.is_some_and(|noted| noted.seq < first.before()) {
            let rule =
                format!("must be of entry {} or later; check the export for an older one", first.before());
            return Err(Invalid::new("head", rule).into());
        }
        let mut export = self.audit_export(caller, first).await?;
        let mut checker = Checker::new(noted);
        while let Some(piece) = export.piece().await? {
            if let Err(fault) = checker.feed(piece.as_bytes()) {
                return Ok(Err(fault));
            }
        }
        Ok(checker.finish())
    }
}
