//! What a tenant's gateway may send requests to: made once, and looked up for each request.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::{Model, Protocol, Provider};
use crate::{Environment, ProviderId, Secret};

/// One way to serve a model.
#[derive(Debug)]
pub struct Upstream {
    /// Who provides it.
    pub provider: Provider,
    /// What opens the provider's API.
    pub credential: Secret,
    /// What is provided.
    pub model: Model,
}

/// All ways to serve a tenant's models that are switched on, by the names that requests may call them.
#[derive(Debug, Default)]
pub struct Upstreams {
    by_name: BTreeMap<Box<str>, Vec<Arc<Upstream>>>,
}

impl Upstreams {
    /// Those of a tenant. What is switched off is left out, and so are models whose provider is not among the given ones.
    pub fn new(providers: Vec<(Provider, Secret)>, models: Vec<Model>) -> Self {
        let on = providers.into_iter().filter(|(provider, _)| provider.enabled);
        let providers: HashMap<ProviderId, _> = on.map(|opened| (opened.0.id, opened)).collect();
        let mut upstreams = Self::default();
        for model in models.into_iter().filter(|model| model.enabled) {
            if let Some((provider, credential)) = providers.get(&model.provider_id) {
                let (provider, credential) = (provider.clone(), Secret::new(credential.expose()));
                upstreams.add(&Arc::new(Upstream { provider, credential, model }));
            }
        }
        for ways in upstreams.by_name.values_mut() {
            ways.sort_by_key(|upstream| (upstream.model.rank, upstream.model.id));
        }
        upstreams
    }

    fn add(&mut self, upstream: &Arc<Upstream>) {
        for name in upstream.model.names() {
            let ways = self.by_name.entry(name.as_str().into()).or_default();
            if !ways.iter().any(|other| Arc::ptr_eq(other, upstream)) {
                ways.push(Arc::clone(upstream));
            }
        }
    }

    /// The ways to serve what is called `name`, be that the name of a model or an alias, in this protocol to keys of this
    /// environment: in order of rank, and of age where ranks are equal. Empty when there is none.
    pub fn find<'a>(
        &'a self,
        name: &str,
        protocol: Protocol,
        environment: Environment,
    ) -> impl Iterator<Item = &'a Arc<Upstream>> + use<'a> {
        let ways = self.by_name.get(name).map(Vec::as_slice).unwrap_or_default();
        ways.iter().filter(move |upstream| {
            upstream.provider.protocol == protocol && upstream.provider.serves(environment)
        })
    }

    /// Every name, of models and aliases, that keys of this environment may ask for, in alphabetical order, each with the way that is
    /// tried first.
    pub fn models(&self, environment: Environment) -> impl Iterator<Item = (&str, &Arc<Upstream>)> {
        self.by_name.iter().filter_map(move |(name, ways)| {
            let first = ways.iter().find(|upstream| upstream.provider.serves(environment))?;
            Some((&**name, first))
        })
    }

    /// Whether nothing can be served at all.
    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::super::model::tests::model;
    use super::*;
    use crate::{TenantId, Timestamp};

    fn provider(number: u128, protocol: Protocol) -> (Provider, Secret) {
        let at = Timestamp::from_millis(0);
        let provider = Provider {
            id: ProviderId::from_u128(number),
            tenant_id: TenantId::from_u128(2),
            name: format!("Provider {number}").parse().unwrap(),
            protocol,
            base_url: "https://example.com/v1".parse().unwrap(),
            environment: None,
            enabled: true,
            created_at: at,
            updated_at: at,
            version: 1,
        };
        (provider, Secret::new(format!("credential-{number}")))
    }

    fn of(number: u128, provider: u128, name: &str, rank: u16) -> Model {
        Model { provider_id: ProviderId::from_u128(provider), rank, ..model(number, name) }
    }

    fn found(upstreams: &Upstreams, name: &str, protocol: Protocol) -> Vec<u128> {
        let found = upstreams.find(name, protocol, Environment::Production);
        found.map(|upstream| upstream.model.id.as_u128()).collect()
    }

    #[test]
    fn ways_are_tried_in_order_of_rank_and_by_name_or_alias() {
        let aliased =
            Model { aliases: vec!["fast".parse().unwrap(), "b".parse().unwrap()], ..of(4, 2, "b", 1) };
        let models = vec![of(1, 1, "a", 5), of(2, 2, "a", 0), of(3, 1, "b", 1), aliased, of(5, 1, "fast", 0)];
        let providers = vec![provider(1, Protocol::OpenAi), provider(2, Protocol::OpenAi)];
        let upstreams = Upstreams::new(providers, models);
        assert_eq!(found(&upstreams, "a", Protocol::OpenAi), [2, 1]);
        assert_eq!(
            found(&upstreams, "b", Protocol::OpenAi),
            [3, 4],
            "an alias that repeats the name is one way"
        );
        assert_eq!(found(&upstreams, "fast", Protocol::OpenAi), [5, 4]);
        assert_eq!(found(&upstreams, "c", Protocol::OpenAi), [0; 0]);
        let first = upstreams.find("a", Protocol::OpenAi, Environment::Staging).next().unwrap();
        assert_eq!(first.credential.expose(), "credential-2");
        let offered: Vec<_> = upstreams.models(Environment::Production).map(|(name, _)| name).collect();
        assert_eq!(offered, ["a", "b", "fast"]);
    }

    #[test]
    fn what_is_off_speaks_otherwise_or_serves_others_is_not_found() {
        let (off, secret) = provider(2, Protocol::OpenAi);
        let off = (Provider { enabled: false, ..off }, secret);
        let (staging, secret) = provider(3, Protocol::OpenAi);
        let staging = (Provider { environment: Some(Environment::Staging), ..staging }, secret);
        let providers = vec![provider(1, Protocol::Anthropic), off, staging];
        let disabled = Model { enabled: false, ..of(4, 3, "m", 0) };
        let models =
            vec![of(1, 1, "m", 0), of(2, 2, "m", 0), of(3, 3, "m", 0), disabled, of(5, 9, "orphan", 0)];
        let upstreams = Upstreams::new(providers, models);
        assert_eq!(found(&upstreams, "m", Protocol::OpenAi), [0; 0]);
        assert_eq!(found(&upstreams, "m", Protocol::Anthropic), [1]);
        let staging = upstreams.find("m", Protocol::OpenAi, Environment::Staging);
        assert_eq!(staging.map(|upstream| upstream.model.id.as_u128()).collect::<Vec<_>>(), [3]);
        assert_eq!(found(&upstreams, "orphan", Protocol::OpenAi), [0; 0]);
        assert!(!upstreams.is_empty() && Upstreams::default().is_empty());
    }
}
