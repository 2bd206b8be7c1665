//! The models that a key may use, told from memory.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Response};
use http_body_util::{Either, Full};
use keystile_core::Ask;
use keystile_core::llm::{ModelName, Upstream};
use keystile_verify::CachedKey;

use crate::admission::Visit;
use crate::denied::Denied;
use crate::fault::Fault;
use crate::gateway::{Gateway, GatewayBody, Outcome};
use crate::models::{Listed, model_list, model_object};
use crate::stats::Ending;

impl Gateway {
    /// The models that the key may use, or one of them.
    pub(crate) async fn models(
        &self,
        visit: Visit<'_>,
        key: &Arc<CachedKey>,
        name: Option<&ModelName>,
        outcome: &mut Outcome,
    ) -> Result<Response<GatewayBody>, Denied> {
        let environment = key.environment();
        let ask = Ask { ip: visit.client.0, environment: Some(environment), ..Ask::ANYTHING };
        let verdict = self.admit(key, &ask, outcome).await?;
        let upstreams = self.upstreams(visit, key).await?;
        let kind = key.facts().kind;
        let offered = upstreams.models(environment).filter(|(name, _)| kind.allows_model(name));
        let mut listed = offered.map(|(name, way)| listed(name, way));
        let protocol = visit.protocol;
        let body = match name {
            None => model_list(protocol, listed),
            Some(name) => {
                let found = listed.find(|listed| listed.name == name.as_str());
                model_object(protocol, &found.ok_or_else(|| Fault::model_not_found(name.as_str()))?)
            }
        };
        self.shared.counts.ended(Ending::Answered);
        let mut response = Response::new(Either::Left(Full::new(Bytes::from(body))));
        let fields = response.headers_mut();
        fields.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        fields.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        self.tell_limits(fields, key, &verdict).await;
        Ok(response)
    }
}

fn listed<'a>(name: &'a str, way: &'a Upstream) -> Listed<'a> {
    Listed { name, provider: way.provider.name.as_str(), created_at: way.model.created_at }
}
