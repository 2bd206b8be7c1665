//! What the control plane tells the data plane after a commit.

use crate::{ApplicationId, CustomerId, Digest, KeyId, TenantId};

/// A committed change of keys. Whoever keeps facts of keys forgets those of these digests before the
/// change is answered; the next question reads them anew. Forgetting can be done in any order and any
/// number of times, so concurrent changes cannot undo one another.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a change that is not applied leaves old facts in use"]
pub struct Change {
    digests: Vec<Digest>,
    limited: Vec<LimitedId>,
    routed: Vec<ApplicationId>,
    supplied: Vec<TenantId>,
    budgeted: Vec<KeyId>,
    ends_nothing: bool,
}

/// Somebody whose limits many keys share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitedId {
    /// A customer.
    Customer(CustomerId),
    /// An application.
    Application(ApplicationId),
    /// A tenant.
    Tenant(TenantId),
}

impl Change {
    /// The change touched the keys that are, or were, recognised by `digests`.
    pub fn of(digests: impl IntoIterator<Item = Digest>) -> Self {
        let digests = digests.into_iter().collect();
        Self {
            digests,
            limited: Vec::new(),
            routed: Vec::new(),
            supplied: Vec::new(),
            budgeted: Vec::new(),
            ends_nothing: false,
        }
    }

    /// The change made the keys that are recognised by `digests`, and touched no other.
    pub fn of_new(digests: impl IntoIterator<Item = Digest>) -> Self {
        Self::of(digests).ending_nothing()
    }

    /// The same change, of which it is known that each key which can be used before can be used after it, with the same secret.
    pub fn ending_nothing(self) -> Self {
        Self { ends_nothing: true, ..self }
    }

    /// The change touched the limits of `limited`, and of no key.
    pub fn of_limits(limited: LimitedId) -> Self {
        Self { limited: vec![limited], ..Self::of([]) }
    }

    /// The change touched the routing of this application, and no key.
    pub fn of_routing(routed: ApplicationId) -> Self {
        Self { routed: vec![routed], ..Self::of([]) }
    }

    /// The change touched the providers or models of this tenant, and no key.
    pub fn of_upstreams(supplied: TenantId) -> Self {
        Self { supplied: vec![supplied], ..Self::of([]) }
    }

    /// The change touched what is spent of the budget of this lineage, and no key.
    pub fn of_budget(lineage_id: KeyId) -> Self {
        Self { budgeted: vec![lineage_id], ..Self::of([]) }
    }

    /// The digests to forget.
    pub fn digests(&self) -> &[Digest] {
        &self.digests
    }

    /// Whether a key that was there before may have ended by it.
    pub fn may_end_keys(&self) -> bool {
        !self.digests.is_empty() && !self.ends_nothing
    }

    /// Whether nobody has to forget anything.
    pub fn is_empty(&self) -> bool {
        let Self { digests, limited, routed, supplied, budgeted, ends_nothing: _ } = self;
        digests.is_empty()
            && limited.is_empty()
            && routed.is_empty()
            && supplied.is_empty()
            && budgeted.is_empty()
    }

    /// Whose limits to read anew.
    pub fn limited(&self) -> &[LimitedId] {
        &self.limited
    }

    /// The applications whose routing to read anew.
    pub fn routed(&self) -> &[ApplicationId] {
        &self.routed
    }

    /// The tenants whose providers and models to read anew.
    pub fn supplied(&self) -> &[TenantId] {
        &self.supplied
    }

    /// The lineages of whose budgets the authority has to be asked anew.
    pub fn budgeted(&self) -> &[KeyId] {
        &self.budgeted
    }
}
