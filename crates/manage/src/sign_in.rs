//! Signing in: persons with a password and perhaps a second factor, automation with a key.

use std::time::Duration;

use keystile_core::{
    Action, Actor, AuditEntry, Digest, Email, Person, PersonId, Role, Secret, Session, SessionId, Tenant,
    TenantId,
};
use keystile_measure::SPANS;
use keystile_store::{Factor, FailedSignIn, NewSession, Patience, SignInFacts, Started};
use serde_json::json;
use tracing::instrument;

use crate::password::PasswordLoad;
use crate::{
    AccessToken, Automation, Bearer, ControlPlane, HeldKey, Origin, Refused, SignedIn, second_factor, totp,
};

/// Ten attempts in vain are free; from then on each is followed by a pause, 10 s longer each time; the hundredth in a
/// row locks the account until its password is set anew. At this pace a hundred take twelve hours.
pub(crate) const PATIENCE: Patience = Patience { free: 10, pause: Duration::from_secs(10), most: 100 };
/// How a token begins that is exchanged for the next.
pub(crate) const REFRESH_TOKEN: &str = "rt_";
/// How one begins that a browser shows each time. Neither is taken for the other: what was stolen of a program must be
/// exchanged, and so be noticed.
pub(crate) const BROWSER_TOKEN: &str = "bt_";
/// Longest name of a program that is kept, in characters.
const MAX_USER_AGENT: usize = 200;

/// An attempt to sign in.
#[derive(Debug)]
pub struct SignIn {
    /// As whom; `None` for an address that cannot be one, which is answered like one that is not known.
    pub email: Option<Email>,
    /// The password.
    pub password: Secret,
    /// For which tenant; by default the person's first.
    pub tenant_id: Option<TenantId>,
    /// What is shown beside the password.
    pub factor: Option<ShownFactor>,
    /// With which program, as that calls itself.
    pub user_agent: Option<String>,
}

/// A second factor.
#[derive(Debug)]
pub enum ShownFactor {
    /// The code that the authenticator shows now.
    Code(Secret),
    /// One of the codes for the loss of the authenticator.
    RecoveryCode(Secret),
}

/// What a session is carried on with.
#[derive(Debug)]
pub struct Tokens {
    /// For the API, for an hour.
    pub access: AccessToken,
    /// For the next pair, once.
    pub refresh: Secret,
    /// The tenant they are for.
    pub tenant_id: Option<TenantId>,
}

/// Why an attempt was in vain, as the audit log tells it. Whoever tries is not told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum InVain {
    /// The password is another one.
    WrongPassword,
    /// The password is right, and the code is not.
    WrongCode,
    /// Both are right, and the person is no member of the tenant that was named.
    NoMember,
    /// The person was disabled.
    Disabled,
    /// No attempt is looked at now.
    Paused,
    /// Something was changed, or the code used, at the same time.
    Overtaken,
}

impl InVain {
    const fn as_str(self) -> &'static str {
        match self {
            Self::WrongPassword => "wrong_password",
            Self::WrongCode => "wrong_code",
            Self::NoMember => "no_member",
            Self::Disabled => "disabled",
            Self::Paused => "paused",
            Self::Overtaken => "overtaken",
        }
    }
}

impl ControlPlane {
    /// Signs a person in.
    ///
    /// # Errors
    /// [`Refused::WrongCredentials`], after the same work, for an unknown address, a wrong password or code, a
    /// disabled person, a tenant the person is no member of, and during the pause after many attempts in vain;
    /// [`Refused::SecondFactorMissing`].
    #[instrument(target = SPANS, skip_all)]
    pub async fn sign_in(&self, attempt: SignIn, origin: &Origin) -> Result<Tokens, Refused> {
        self.sign_in_with(attempt, REFRESH_TOKEN, origin).await
    }

    /// The same in a browser, which gets a token for [`Self::carry_on`].
    ///
    /// # Errors
    /// As [`Self::sign_in`].
    #[instrument(target = SPANS, skip_all)]
    pub async fn sign_in_browser(&self, attempt: SignIn, origin: &Origin) -> Result<Secret, Refused> {
        Ok(self.sign_in_with(attempt, BROWSER_TOKEN, origin).await?.refresh)
    }

    async fn sign_in_with(
        &self,
        attempt: SignIn,
        kind: &'static str,
        origin: &Origin,
    ) -> Result<Tokens, Refused> {
        let SignIn { email, password, tenant_id, factor, user_agent } = attempt;
        let known = match &email {
            Some(email) => self.store.sign_in_facts(email).await?,
            None => None,
        };
        let known = known.map(|facts| facts.person);
        let facts = self.prove(known.as_ref(), password, origin).await?;
        let factor = self.read_factor(&facts, factor, origin).await?;
        let tenants = self.store.tenants_of(facts.person.id).await?;
        let Some(tenant_id) = tenant_to_enter(&tenants, tenant_id) else {
            return Err(self.no_member(facts.person.id, &tenants, origin).await);
        };
        let now = self.now();
        let session = Session {
            id: self.fresh(SessionId::from_parts)?,
            person_id: facts.person.id,
            tenant_id,
            created_at: now,
            refreshed_at: now,
            ended: None,
            ip: origin.ip,
            user_agent: user_agent.as_deref().and_then(shortened),
            second_factor: factor != Factor::Nothing,
        };
        self.start(facts, session, (factor, kind), origin).await
    }

    async fn start(
        &self,
        facts: SignInFacts,
        session: Session,
        (factor, kind): (Factor, &'static str),
        origin: &Origin,
    ) -> Result<Tokens, Refused> {
        let tokens = self.tokens_for(&session, kind)?;
        let details = json!({ "second_factor": session.second_factor });
        let (person_id, what) = (session.person_id, (Action::SessionStart, session.id.to_string()));
        let actor = Actor::Person(person_id);
        let audit = self.entries_everywhere(person_id, actor, origin, what, details).await?;
        let (token, password_hash) = (tokens.refresh.digest(), facts.person.password_hash.clone());
        let new = NewSession { session, token, password_hash, factor, audit };
        match self.store.start_session(new, PATIENCE).await? {
            Started::Yes => Ok(tokens),
            Started::No => Err(self.failed(Some(&facts.person), InVain::Overtaken, origin).await),
        }
    }

    /// What the person may be believed on, now that the password is right. Whether attempts are looked at is read
    /// after the password was compared, so that many at once gain nothing.
    pub(crate) async fn prove(
        &self,
        known: Option<&Person>,
        password: Secret,
        origin: &Origin,
    ) -> Result<SignInFacts, Refused> {
        let hash = known.map(|person| person.password_hash.clone());
        let matches = self.passwords.matches(password, hash).await?;
        let facts = match known.filter(|_| matches) {
            Some(person) => self.store.sign_in_facts_of(person.id).await?,
            None => None,
        };
        let now = self.now();
        let why = match facts {
            Some(facts) if !facts.may_try(PATIENCE, now) => InVain::Paused,
            Some(facts) if facts.person.disabled_at.is_some() => InVain::Disabled,
            Some(facts) => return Ok(facts),
            None => InVain::WrongPassword,
        };
        Err(self.failed(known, why, origin).await)
    }

    /// What has to be spent for the second factor that was shown, and can be; nothing when the person has none.
    pub(crate) async fn read_factor(
        &self,
        facts: &SignInFacts,
        shown: Option<ShownFactor>,
        origin: &Origin,
    ) -> Result<Factor, Refused> {
        let Some(enrolled) = &facts.factor else { return Ok(Factor::Nothing) };
        let Some(shown) = shown else { return Err(self.challenge(facts.person.id, origin).await) };
        let (factor, spent) = match shown {
            ShownFactor::RecoveryCode(code) => {
                let digest = second_factor::recovery_digest(code.expose());
                (Some(Factor::RecoveryCode(digest)), InVain::WrongCode)
            }
            ShownFactor::Code(code) => {
                let secret = self.vault.open(&totp::context(facts.person.id), &enrolled.secret)?;
                let step = totp::matching_step(&secret, code.expose(), self.now());
                (step.map(Factor::Step), InVain::Overtaken)
            }
        };
        let why = match factor {
            Some(factor) if self.store.can_spend(facts.person.id, factor).await? => return Ok(factor),
            Some(_) => spent,
            None => InVain::WrongCode,
        };
        Err(self.failed(Some(&facts.person), why, origin).await)
    }

    /// Tells the person's own logs, once a minute, that somebody who could sign in asked for a tenant of others.
    async fn no_member(&self, id: PersonId, tenants: &[(Tenant, Role)], origin: &Origin) -> Refused {
        self.note_no_member(id, tenants, origin).await.err().unwrap_or(Refused::WrongCredentials)
    }

    async fn note_no_member(
        &self,
        id: PersonId,
        tenants: &[(Tenant, Role)],
        origin: &Origin,
    ) -> Result<(), Refused> {
        let audit = self.refusals(tenants, id, InVain::NoMember, origin)?;
        Ok(self.store.note_of_person(id, self.now(), audit).await?)
    }

    /// Asks for the second factor. Somebody knows the password, so the log is told.
    async fn challenge(&self, id: PersonId, origin: &Origin) -> Refused {
        self.note_challenge(id, origin).await.err().unwrap_or(Refused::SecondFactorMissing)
    }

    async fn note_challenge(&self, id: PersonId, origin: &Origin) -> Result<(), Refused> {
        let what = (Action::SessionChallenge, id.to_string());
        let audit = self.entries_everywhere(id, Actor::System, origin, what, json!({})).await?;
        Ok(self.store.note_challenge(id, self.now(), audit).await?)
    }

    /// Counts an attempt in vain. Whether the person exists does not change what that costs. A request that may be
    /// repeated was not carried out with this.
    pub(crate) async fn failed(&self, known: Option<&Person>, why: InVain, origin: &Origin) -> Refused {
        self.note_failure(known, why, origin).await.err().unwrap_or(Refused::WrongCredentials)
    }

    async fn note_failure(
        &self,
        known: Option<&Person>,
        why: InVain,
        origin: &Origin,
    ) -> Result<(), Refused> {
        let id = known.map_or_else(|| self.fresh(PersonId::from_parts), |person| Ok(person.id))?;
        let tenants = self.store.tenants_of(id).await?;
        let counted = self.refusals(&tenants, id, why, origin)?;
        let in_pause = self.refusals(&tenants, id, InVain::Paused, origin)?;
        let (person_id, at) = (known.map(|person| person.id), self.now());
        let failed = FailedSignIn { person_id, at, counted, in_pause };
        Ok(self.store.plain().count_failure(failed, PATIENCE).await?)
    }

    fn refusals(
        &self,
        tenants: &[(Tenant, Role)],
        id: PersonId,
        why: InVain,
        origin: &Origin,
    ) -> Result<Vec<AuditEntry>, Refused> {
        let (what, reason) = ((Action::SessionRefuse, id.to_string()), json!({ "reason": why.as_str() }));
        self.entries_in(tenants, Actor::System, origin, what, &reason)
    }

    /// A pair of tokens for a session. What it is carried on with, a token of this kind, works once the store knows its digest.
    pub(crate) fn tokens_for(&self, session: &Session, kind: &str) -> Result<Tokens, Refused> {
        let Session { person_id, id: session_id, tenant_id, .. } = *session;
        let access = self.access_for(SignedIn { person_id, session_id, tenant_id })?;
        Ok(Tokens { access, refresh: self.random_token(kind)?, tenant_id })
    }

    pub(crate) fn access_for(&self, signed_in: SignedIn) -> Result<AccessToken, Refused> {
        self.signing.issue(Bearer::Person(signed_in), self.now(), self.entropy.as_ref())
    }

    /// `prefix` and 256 random bits.
    pub(crate) fn random_token(&self, prefix: &str) -> Result<Secret, Refused> {
        let mut random = [0; 32];
        self.entropy.fill(&mut random)?;
        Ok(Secret::new(format!("{prefix}{}", Digest::from_bytes(random).to_hex())))
    }

    /// How busy the hashing of passwords is.
    pub fn password_load(&self) -> PasswordLoad {
        self.passwords.load()
    }

    /// How many passwords were compared since the start, those of unknown accounts included.
    pub fn passwords_compared(&self) -> u64 {
        self.passwords.checked()
    }

    /// Exchanges an application's key, which was checked, for a token that acts with the key's rights and dies with it,
    /// and with its secret. The log is told once a minute: whoever has a key may exchange it in a loop.
    ///
    /// # Errors
    /// [`Refused::Key`] when the key cannot be used now or from there.
    #[instrument(target = SPANS, skip_all)]
    pub async fn exchange_key(&self, key: HeldKey, origin: &Origin) -> Result<AccessToken, Refused> {
        let application_id = self.usable_key(key, origin).await?.application_id;
        let (actor, target) = (Actor::Key(key.key_id), key.key_id.to_string());
        let entry = self.entry_by(key.tenant_id, actor, origin, Action::KeyExchange, target, json!({}))?;
        self.store.note_of_key((key.tenant_id, key.key_id), self.now(), entry).await?;
        let bearer = Bearer::Automation(Automation { application_id, key });
        self.signing.issue(bearer, self.now(), self.entropy.as_ref())
    }
}

/// The tenant that a session is for, if it is one of the person's; by default the first, where there is one.
fn tenant_to_enter(tenants: &[(Tenant, Role)], wanted: Option<TenantId>) -> Option<Option<TenantId>> {
    let mut ids = tenants.iter().map(|(tenant, _)| tenant.id);
    match wanted {
        Some(wanted) => ids.find(|id| *id == wanted).map(Some),
        None => Some(ids.min()),
    }
}

/// The name of a program as it may stand in a list; none when nothing is left of it.
fn shortened(user_agent: &str) -> Option<String> {
    let kept: String = user_agent.chars().filter(|c| !c.is_control()).take(MAX_USER_AGENT).collect();
    Some(kept.trim().to_owned()).filter(|kept| !kept.is_empty())
}
