//! Connections to upstreams: only to addresses that may be connected to, with TLS unless the operator lists the address, and within
//! a bound of time.

use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use http::uri::Scheme;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::rt::TokioIo;
use keystile_outbound::{LookUp, LookUpError, NotReachable, Way};
use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tower_service::Service;

use crate::gateway_error::GatewayError;
use crate::on_behalf::tenant;

/// Why there is no connection.
pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;
/// A connection.
pub(crate) type Stream = MaybeHttpsStream<TokioIo<TcpStream>>;

/// Connects to upstreams.
#[derive(Clone)]
pub(crate) struct Connector {
    encrypted: HttpsConnector<HttpConnector<Resolver>>,
    plain: HttpConnector<Resolver>,
    look_up: LookUp,
    /// Longest that a connection may take, with look-up and handshake.
    within: Duration,
}

/// There was no connection in time.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("no connection was made in time")]
struct TooSlow;

impl Connector {
    /// # Errors
    /// When this system trusts no certificate, or TLS cannot be set up.
    pub(crate) fn new(look_up: LookUp, within: Duration) -> Result<Self, GatewayError> {
        let encrypted = HttpsConnectorBuilder::new()
            .with_tls_config(trusting_the_system()?)
            .https_only()
            .enable_all_versions()
            .wrap_connector(Self::tcp(&look_up, Way::Encrypted));
        let plain = Self::tcp(&look_up, Way::Plain);
        Ok(Self { encrypted, plain, look_up, within })
    }

    fn tcp(look_up: &LookUp, way: Way) -> HttpConnector<Resolver> {
        let mut tcp = HttpConnector::new_with_resolver(Resolver { look_up: look_up.clone(), way });
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp
    }

    /// Whether an address that stands in a URL as such may be connected to; it is looked up nowhere.
    fn may_take(&self, destination: &Uri, way: Way) -> bool {
        let host = destination.host().unwrap_or_default();
        let literal = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().ok();
        literal.is_none_or(|ip| self.look_up.may_take(way, ip))
    }

    /// Connects to where a URL leads, for whom the work is done that is polled now.
    pub(crate) async fn connect(&self, destination: Uri) -> Result<Stream, BoxError> {
        let way = if destination.scheme() == Some(&Scheme::HTTP) { Way::Plain } else { Way::Encrypted };
        if !self.may_take(&destination, way) {
            return Err(NotReachable.into());
        }
        let connecting = async {
            match way {
                Way::Encrypted => self.encrypted.clone().call(destination).await,
                Way::Plain => Ok(MaybeHttpsStream::Http(self.plain.clone().call(destination).await?)),
            }
        };
        tokio::time::timeout(self.within, connecting).await.map_err(|_| TooSlow)?
    }
}

/// Gives hyper the addresses that one of its ways may take.
#[derive(Clone)]
pub(crate) struct Resolver {
    look_up: LookUp,
    way: Way,
}

impl Service<Name> for Resolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = LookUpError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, LookUpError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), LookUpError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let (look_up, way, tenant_id) = (self.look_up.clone(), self.way, tenant());
        Box::pin(async move { Ok(look_up.find_for(tenant_id, name.as_str(), way).await?.into_iter()) })
    }
}

/// Trusts whom the operating system trusts, or the file that `SSL_CERT_FILE` names.
fn trusting_the_system() -> Result<ClientConfig, GatewayError> {
    let mut roots = RootCertStore::empty();
    let (_usable, _unusable) =
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        return Err(GatewayError::NoCertificates);
    }
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

#[cfg(test)]
mod tests {
    use keystile_core::Reach;

    use super::*;

    async fn connect(listed: &[&str], destination: &str) -> Result<(), BoxError> {
        let reach = Reach::new(listed.iter().map(|network| network.parse().unwrap()).collect());
        let look_up = LookUp::new(Arc::new(reach));
        let connector = Connector::new(look_up, Duration::from_secs(5)).unwrap();
        connector.connect(destination.parse().unwrap()).await.map(drop)
    }

    #[tokio::test]
    async fn an_address_of_this_machine_is_connected_to_only_if_it_is_listed() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        let named = url.replace("127.0.0.1", "localhost");
        for url in [&url, &named, &url.replace("http:", "https:"), &named.replace("http:", "https:")] {
            let refused = connect(&[], url).await.unwrap_err();
            assert!(keystile_outbound::is_not_reachable(&*refused), "{url}: {refused:?}");
        }
        for url in [&url, &named] {
            connect(&["127.0.0.0/8"], url).await.unwrap();
        }
    }

    #[tokio::test]
    async fn an_address_in_brackets_is_judged_too() {
        for url in ["http://[::1]:1/", "https://[::ffff:10.0.0.1]/", "https://10.0.0.1/", "http://1.1.1.1/"] {
            let refused = connect(&[], url).await.unwrap_err();
            assert!(keystile_outbound::is_not_reachable(&*refused), "{url}: {refused:?}");
        }
    }
}
