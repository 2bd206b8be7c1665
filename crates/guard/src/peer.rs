//! Who is at the other end of the connection.

use std::net::IpAddr;

use http::Extensions;

/// The peer of the connection, as an extension of the request, for servers that put it nowhere else. Without one, and
/// without axum's `ConnectInfo<SocketAddr>`, where a request came from is not known, and no header is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer(
    /// Its address.
    pub IpAddr,
);

/// The peer's address, where the server has put it.
pub(crate) fn peer(extensions: &Extensions) -> Option<IpAddr> {
    extensions.get::<Peer>().map(|peer| peer.0).or_else(|| connected(extensions))
}

#[cfg(feature = "axum")]
fn connected(extensions: &Extensions) -> Option<IpAddr> {
    use axum::extract::ConnectInfo;
    extensions.get::<ConnectInfo<std::net::SocketAddr>>().map(|ConnectInfo(address)| address.ip())
}

#[cfg(not(feature = "axum"))]
const fn connected(_: &Extensions) -> Option<IpAddr> {
    None
}
