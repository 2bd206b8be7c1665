//! Reading the request log, and what it says of a key that leaked.

use std::sync::Arc;
use std::time::Duration;

use keystile_core::leak::MOST_REPORTS;
use keystile_core::request_log::{Before, Exposure};
use keystile_core::{
    ApiKey, Invalid, KeyId, LogBreak, LogFilter, LogId, LogRequests, LoggedRequest, MissingRequests, Tenant,
    TenantId, Timestamp,
};
use keystile_measure::SPANS;
use keystile_store::{LogPage, Order, Page};
use tracing::instrument;

use crate::{Caller, ControlPlane, Refused, Right};

/// Requests that are read at a time, for an export and a report: half a megabyte or so in memory.
const A_PIECE: u32 = 1_000;
/// Most requests that one report counts, and most that it compares them with: a second or so.
pub const MOST_COUNTED: u32 = 100_000;
/// How long before a key was revoked a report begins if nobody says since when.
const BEFORE_A_REVOKE: Duration = Duration::from_secs(24 * 60 * 60);
/// Requests of a report that are shown one by one: as many as a page of the log.
const SHOWN: u32 = 50;

/// What was done with a key since a moment.
#[derive(Debug)]
pub struct ExposureReport {
    /// The key.
    pub key_id: KeyId,
    /// Since when.
    pub since: Timestamp,
    /// Until when.
    pub until: Timestamp,
    /// The log reaches back to this moment for that key.
    pub log_from: Timestamp,
    /// There were more than [`MOST_COUNTED`] requests: those up to this moment are counted. A report since then tells of the rest.
    pub counted_to: Option<Timestamp>,
    /// Earlier requests were compared with from this moment on.
    pub compared_from: Timestamp,
    /// Requests of the tenant at the time that are not in the log, as there was no room for them: those of the key may be among them.
    pub missing: u64,
    /// What keeps it from telling of each request of the key since then; nothing if it does.
    pub lacks: Vec<Lack>,
    /// What was done.
    pub exposure: Exposure,
    /// What was done before.
    pub before: Before,
    /// The latest of the requests.
    pub latest: Vec<LoggedRequest>,
}

/// Why a report may not tell of every request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lack {
    /// The tenant does not have all requests logged, but these.
    NotAllLogged(LogRequests),
    /// It begins before what is kept, which is so many days.
    TooOld(u16),
    /// It begins before this moment, until which fewer requests were logged, or they were kept for a shorter time.
    OtherSettings(Timestamp),
    /// A server was ended by force at a moment in this span: what was not written yet is lost.
    EndedByForce(LogBreak),
    /// So many requests of the tenant found no room in the log.
    Missing(u64),
    /// There are more than [`MOST_COUNTED`].
    TooMany,
}

/// The log of a tenant, or what a filter shows of it, piece by piece.
pub struct LogExport {
    control: ControlPlane,
    tenant_id: TenantId,
    filter: LogFilter,
    /// Behind which to go on; nothing when it is over.
    next: Option<Option<LogId>>,
}

impl ControlPlane {
    /// A page of the log of the caller's tenant, the latest first; `limit` requests at most.
    ///
    /// # Errors
    /// Without [`Right::ReadLogs`], so that no key has it: the log is not parted by applications and customers, and addresses are
    /// personal data.
    #[instrument(target = SPANS, skip_all)]
    pub async fn logged_requests(
        &self,
        caller: &Caller,
        filter: LogFilter,
        after: Option<LogId>,
        limit: u32,
    ) -> Result<LogPage, Refused> {
        self.require_log(caller)?;
        Ok(self.store.logged_requests(caller.tenant_id, filter, Order::LatestFirst, after, limit).await?)
    }

    /// One request of the log of the caller's tenant.
    ///
    /// # Errors
    /// [`Refused::NotFound`] for one that is unknown, another tenant's or not kept any more; without [`Right::ReadLogs`].
    #[instrument(target = SPANS, skip_all)]
    pub async fn logged_request(&self, caller: &Caller, id: LogId) -> Result<LoggedRequest, Refused> {
        self.require_log(caller)?;
        self.store.logged_request(caller.tenant_id, id).await?.ok_or(Refused::NotFound("request in the log"))
    }

    /// The minutes from `from` on and before `to` in which requests are missing in the log of the caller's tenant, the latest first; 500
    /// of them at most. A minute counts by its beginning.
    ///
    /// # Errors
    /// Without [`Right::ReadLogs`].
    #[instrument(target = SPANS, skip_all)]
    pub async fn log_gaps(
        &self,
        caller: &Caller,
        from: Option<Timestamp>,
        to: Option<Timestamp>,
    ) -> Result<Vec<MissingRequests>, Refused> {
        caller.require(Right::ReadLogs)?;
        let (first, last) = (from.unwrap_or(Timestamp::from_millis(0)), to.unwrap_or_else(|| self.now()));
        let mut gaps = self.store.request_gaps(caller.tenant_id, first, last).await?;
        gaps.retain(|gap| {
            let starts_at = gap.minute.starts_at();
            from.is_none_or(|from| starts_at >= from) && to.is_none_or(|to| starts_at < to)
        });
        Ok(gaps)
    }

    /// The log of the caller's tenant, the latest first, to be read piece by piece. What is logged from now on is not in it.
    ///
    /// # Errors
    /// Without [`Right::ReadLogs`].
    pub fn log_export(&self, caller: &Caller, filter: LogFilter) -> Result<LogExport, Refused> {
        self.require_log(caller)?;
        Ok(LogExport { control: self.clone(), tenant_id: caller.tenant_id, filter, next: Some(None) })
    }

    /// What was done with a key of the caller's tenant since a moment, and until another by which all of it was written; also of one
    /// that is deleted. If nobody says since when: since it was first reported as leaked; else since a day before it was revoked, or before
    /// `until`.
    ///
    /// # Errors
    /// [`Refused::NotFound`] for a key that is unknown or another tenant's; for a moment to come; without [`Right::ReadLogs`].
    #[instrument(target = SPANS, skip_all)]
    pub async fn exposure(
        &self,
        caller: &Caller,
        id: KeyId,
        since: Option<Timestamp>,
        until: Timestamp,
    ) -> Result<ExposureReport, Refused> {
        self.require_log(caller)?;
        let key = self.store.key(caller.tenant_id, id).await?.ok_or(Refused::NotFound("API key"))?;
        let tenant = self.tenant(caller).await?;
        let since = match since {
            Some(since) if since > until => {
                return Err(Invalid::new("since", "must not be in the future").into());
            }
            Some(since) => since,
            None => self.leaked_at(&key, until).await?,
        };
        let (mut exposure, mut before) = (Exposure::default(), Before::default());
        let of_key = LogFilter { key_id: Some(id), ..LogFilter::default() };
        let to = Some(until.plus(Duration::from_millis(1)));
        let used = LogFilter { from: Some(since), to, ..of_key.clone() };
        let counted_to = self.go_through(&key, &used, Order::OldestFirst, |one| exposure.add(one)).await?;
        let earlier = LogFilter { to: Some(since), ..of_key };
        let compared = self.go_through(&key, &earlier, Order::LatestFirst, |one| before.add(one)).await?;
        let latest =
            self.store.logged_requests(key.tenant_id, used, Order::LatestFirst, None, SHOWN).await?.requests;
        let missing = self.store.missing_requests(key.tenant_id, since, until).await?;
        let mut lacks = lacks(&tenant, since.max(key.created_at), until);
        let breaks = self.store.log_breaks(since.max(key.created_at), until).await?;
        lacks.extend(breaks.into_iter().map(Lack::EndedByForce));
        lacks.extend((missing > 0).then_some(Lack::Missing(missing)));
        lacks.extend(counted_to.map(|_| Lack::TooMany));
        let log_from = tenant.settings.log_kept_from(until).max(tenant.log_whole_from).max(key.created_at);
        Ok(ExposureReport {
            key_id: id,
            since,
            until,
            log_from,
            counted_to,
            compared_from: compared.unwrap_or(log_from),
            missing,
            lacks,
            exposure,
            before,
            latest,
        })
    }

    /// The same, of a server whose request log is kept elsewhere, in what is called `name`: it cannot be read here.
    #[must_use]
    pub fn with_log_elsewhere(self, name: &str) -> Self {
        Self { log_elsewhere: Some(name.into()), ..self }
    }

    /// Where the log is kept, if it cannot be read here.
    pub fn log_elsewhere(&self) -> Option<&str> {
        self.log_elsewhere.as_deref()
    }

    /// Whether the caller may read the log, and the log is here.
    fn require_log(&self, caller: &Caller) -> Result<(), Refused> {
        caller.require(Right::ReadLogs)?;
        match &self.log_elsewhere {
            Some(name) => Err(Refused::LogElsewhere(Arc::clone(name))),
            None => Ok(()),
        }
    }

    async fn leaked_at(&self, key: &ApiKey, now: Timestamp) -> Result<Timestamp, Refused> {
        let all = Page { after: None, limit: u32::try_from(MOST_REPORTS).unwrap_or(u32::MAX) };
        let reports = self.store.leaks(key.tenant_id, Some(key.id), all).await?;
        let revoked_at = key.revoked.as_ref().map_or(now, |end| end.at);
        let first = reports.last().map(|report| report.reported_at);
        Ok(first.unwrap_or(revoked_at.minus(BEFORE_A_REVOKE)))
    }

    /// Tells of each request that the filter shows. When there are more than [`MOST_COUNTED`], tells of the first so many, and
    /// the moment of the last of them.
    async fn go_through(
        &self,
        key: &ApiKey,
        filter: &LogFilter,
        order: Order,
        mut each: impl FnMut(&LoggedRequest) + Send,
    ) -> Result<Option<Timestamp>, Refused> {
        let (mut after, mut count) = (None, 0);
        loop {
            let page =
                self.store.logged_requests(key.tenant_id, filter.clone(), order, after, A_PIECE).await?;
            page.requests.iter().for_each(&mut each);
            count += A_PIECE;
            match page.next {
                Some(next) if count >= MOST_COUNTED => return Ok(Some(next.made_at())),
                Some(next) => after = Some(next),
                None => return Ok(None),
            }
        }
    }
}

/// What its settings, and what they were, let the log of a tenant lack since a moment.
fn lacks(tenant: &Tenant, since: Timestamp, until: Timestamp) -> Vec<Lack> {
    let (settings, whole_from) = (&tenant.settings, tenant.log_whole_from);
    let logged = match settings.log_requests {
        LogRequests::All => None,
        less @ (LogRequests::Refused | LogRequests::Nothing) => Some(Lack::NotAllLogged(less)),
    };
    let old = (since < settings.log_kept_from(until)).then_some(Lack::TooOld(settings.log_days));
    let before = (since < whole_from).then_some(Lack::OtherSettings(whole_from));
    [logged, old, before].into_iter().flatten().collect()
}

impl LogExport {
    /// Some more requests, at most a thousand; nothing when it is over.
    ///
    /// # Errors
    /// When the store does not answer. The export is broken off then.
    pub async fn piece(&mut self) -> Result<Option<Vec<LoggedRequest>>, Refused> {
        let Some(after) = self.next else { return Ok(None) };
        let (store, filter) = (&self.control.store, self.filter.clone());
        let page = store.logged_requests(self.tenant_id, filter, Order::LatestFirst, after, A_PIECE).await?;
        self.next = page.next.map(Some);
        Ok(Some(page.requests))
    }
}
