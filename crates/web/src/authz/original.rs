//! The request that the gateway asks about, and what the application's routes say of it.

use http::{HeaderMap, HeaderName, HeaderValue};
use keystile_core::route::{NoRoute, PlainPath, Route, Table, Unclear};
use keystile_core::{Environment, Invalid, LogMethod};

use crate::problem::ApiProblem;

/// Where gateways write what: nginx by hand, Caddy and Traefik by themselves. A client may send the names that its
/// gateway does not write, so what differs is refused.
static METHOD: Told = Told::new("method", ["x-forwarded-method", "x-original-method"]);
static TARGET: Told = Told::new("URI", ["x-forwarded-uri", "x-original-uri"]);
static HOST: Told = Told::new("host", ["x-forwarded-host", "x-original-host"]);

/// What a gateway tells of the original request.
struct Told {
    what: &'static str,
    names: [HeaderName; 2],
}

/// How the gateway tells of the original request.
pub(super) enum Original<'a> {
    /// In headers that it writes, among those of the client.
    Told(&'a HeaderMap),
    /// Apart from the headers, where no client can write.
    Known {
        method: &'a str,
        /// Path and query.
        target: &'a str,
        host: &'a str,
    },
}

/// What the routes ask for.
pub(super) struct Demand<'t> {
    pub(super) environment: Environment,
    pub(super) route: Option<&'t Route>,
}

/// Why no key may make the request.
#[derive(Debug, thiserror::Error)]
pub(super) enum Barrier {
    #[error("{0}")]
    NoRoute(#[from] NoRoute),
    #[error("the path of this request {0}")]
    Unclear(#[from] Unclear),
    #[error("the headers of this request tell more than one {0}")]
    Twice(&'static str),
    #[error("no environment is known for this host")]
    UnknownHost,
    #[error("this path or host belongs to another environment than the gateway guards here")]
    OtherEnvironment,
}

/// Either nobody may pass, or the gateway does not tell enough.
pub(super) enum Stop {
    Barrier(Barrier),
    Untold(ApiProblem),
}

impl<E: Into<Barrier>> From<E> for Stop {
    fn from(barrier: E) -> Self {
        Self::Barrier(barrier.into())
    }
}

/// What is needed where the gateway guards `guarded`.
pub(super) fn demand<'t>(
    table: &'t Table,
    guarded: Option<Environment>,
    original: &Original<'_>,
) -> Result<Demand<'t>, Stop> {
    let route = if table.has_routes() { find(table, original)? } else { None };
    let hosted = if table.has_hosts() { hosted(table, original)? } else { None };
    let routed = route.and_then(|route| route.environment);
    let mut known = [guarded, routed, hosted].into_iter().flatten();
    let Some(environment) = known.next() else {
        return Err(if table.has_hosts() {
            Barrier::UnknownHost.into()
        } else {
            Stop::Untold(missing_environment())
        });
    };
    if known.any(|other| other != environment) {
        return Err(Barrier::OtherEnvironment.into());
    }
    Ok(Demand { environment, route })
}

/// What the routing says of a request before one is made, to people: its route, and the environment unless the gateway has
/// to name it. The error says why no key may make it.
pub(super) fn foretell<'t>(
    table: &'t Table,
    original: &Original<'_>,
) -> Result<(Option<&'t Route>, Option<Environment>), Barrier> {
    let untold = match demand(table, None, original) {
        Ok(Demand { environment, route }) => return Ok((route, Some(environment))),
        Err(stop) => stop,
    };
    match (untold, find(table, original)) {
        (Stop::Barrier(barrier), _) | (Stop::Untold(_), Err(Stop::Barrier(barrier))) => Err(barrier),
        (Stop::Untold(_), Ok(route)) => Ok((route, None)),
        (Stop::Untold(_), Err(Stop::Untold(_))) => Ok((None, None)),
    }
}

pub(super) fn missing_environment() -> ApiProblem {
    let rule =
        "is required: add `?environment=production` to the gateway's URL, or to Envoy's `context_extensions`";
    Invalid::new("environment", rule).into()
}

fn find<'t>(table: &'t Table, original: &Original<'_>) -> Result<Option<&'t Route>, Stop> {
    let (method, target) = original.method_and_target()?;
    let path = PlainPath::parse(target).map_err(Barrier::from)?;
    // What is no text is no method that a route names.
    let method = std::str::from_utf8(method).unwrap_or_default();
    Ok(table.route(method, &path).map_err(Barrier::from)?)
}

fn hosted(table: &Table, original: &Original<'_>) -> Result<Option<Environment>, Barrier> {
    let host = original.host()?.and_then(|host| std::str::from_utf8(host).ok());
    Ok(host.and_then(|host| table.environment_of(host)))
}

impl<'a> Original<'a> {
    /// Method and target as far as they are told, for the log.
    pub(super) fn told(&self) -> (Option<LogMethod>, Option<&'a [u8]>) {
        let (method, target) = match self {
            Self::Told(headers) => (METHOD.first(headers), TARGET.first(headers)),
            Self::Known { method, target, .. } => (Some(method.as_bytes()), Some(target.as_bytes())),
        };
        (method.map(LogMethod::of), target)
    }

    fn method_and_target(&self) -> Result<(&'a [u8], &'a [u8]), Stop> {
        match self {
            Self::Told(headers) => Ok((METHOD.required(headers)?, TARGET.required(headers)?)),
            Self::Known { method, target, .. } => Ok((method.as_bytes(), target.as_bytes())),
        }
    }

    fn host(&self) -> Result<Option<&'a [u8]>, Barrier> {
        match self {
            Self::Told(headers) => HOST.read(headers),
            Self::Known { host, .. } => Ok(Some(host.as_bytes())),
        }
    }
}

impl Told {
    const fn new(what: &'static str, [one, other]: [&'static str; 2]) -> Self {
        Self { what, names: [HeaderName::from_static(one), HeaderName::from_static(other)] }
    }

    fn required<'h>(&'static self, headers: &'h HeaderMap) -> Result<&'h [u8], Stop> {
        self.read(headers)?.ok_or_else(|| {
            let rule = format!(
                "is required: the application has routes, and the gateway does not tell the {}",
                self.what
            );
            Stop::Untold(Invalid::new(self.names[0].as_str(), rule).into())
        })
    }

    /// The first value of these headers, whatever others say.
    fn first<'h>(&self, headers: &'h HeaderMap) -> Option<&'h [u8]> {
        self.names.iter().find_map(|name| headers.get(name)).map(HeaderValue::as_bytes)
    }

    /// The one value of these headers, if they have any.
    fn read<'h>(&self, headers: &'h HeaderMap) -> Result<Option<&'h [u8]>, Barrier> {
        let mut values = self.names.iter().flat_map(|name| headers.get_all(name));
        let Some(first) = values.next() else { return Ok(None) };
        if values.any(|other| other != first) {
            return Err(Barrier::Twice(self.what));
        }
        Ok(Some(first.as_bytes()))
    }
}
