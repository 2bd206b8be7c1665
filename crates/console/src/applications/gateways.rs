//! What to paste into a gateway, with the application's id and the environment filled in.

use askama::Template;
use axum::extract::State;
use http::header::HOST;
use http::{HeaderMap, Uri};
use keystile_core::{Application, ApplicationId, Environment};
use serde::Deserialize;

use super::super::page::page;
use super::super::shell::Shell;
use super::super::sought::Sought;
use super::super::visitor::Inside;
use super::super::{assets, parts, words};
use super::{TABS, path_of};
use keystile_web::App;
use keystile_web::api::Answer;
use keystile_web::extract::PathId;
use keystile_web::problem::ApiProblem;

/// Where Keystile usually is, when the request does not tell.
const USUAL_ADDRESS: &str = "127.0.0.1:7878";
/// The gateways: as queries name them, and for people.
const GATEWAYS: &[(&str, &str)] = &[
    ("nginx", "nginx"),
    ("caddy", "Caddy"),
    ("traefik", "Traefik"),
    ("envoy", "Envoy"),
    ("haproxy", "HAProxy"),
];
/// Stands for the environment that the host of a request belongs to.
const BY_HOST: &str = "host";

/// What is to be pasted.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    gateway: Option<String>,
    environment: Option<String>,
}

/// Where Keystile is, and what it is asked.
struct Asked<'a> {
    address: &'a str,
    query: &'a str,
}

macro_rules! snippets {
    ($( $name:ident: $path:literal; )+) => {
        $(#[derive(Template)]
        #[template(path = $path, escape = "none")]
        struct $name<'a>(Asked<'a>);)+
    };
}

snippets! {
    Nginx: "gateways/nginx.conf";
    Caddy: "gateways/Caddyfile.txt";
    Traefik: "gateways/traefik.yml";
    Envoy: "gateways/envoy.yaml";
    Haproxy: "gateways/haproxy.cfg";
}

#[derive(Template)]
#[template(path = "applications/gateways.html")]
struct Show {
    shell: Shell,
    tab: &'static str,
    application: Application,
    gateway: &'static str,
    gateway_name: &'static str,
    environment: &'static str,
    has_hosts: bool,
    has_routes: bool,
    snippet: String,
    curl: String,
}

/// What to paste.
pub(super) async fn show(
    State(app): State<App>,
    Inside { caller, shell }: Inside,
    PathId(id): PathId<ApplicationId>,
    Sought { query, .. }: Sought<Wanted>,
    headers: HeaderMap,
) -> Answer {
    let application = app.control.application(&caller, id).await?;
    let routing = app.control.routing(&caller, id).await?.routing;
    let has_hosts = !routing.hosts.is_empty();
    let (gateway, gateway_name) = chosen(GATEWAYS.iter().copied(), query.gateway.as_deref());
    let (environment, _) = chosen(environments(), query.environment.as_deref());
    let address = address(&headers);
    let (snippet, curl) =
        (written(gateway, &address, &asked(id, environment))?, curl(&address, id, environment));
    page(&Show {
        shell,
        tab: "/gateways",
        application,
        gateway,
        gateway_name,
        environment,
        has_hosts,
        has_routes: !routing.routes.is_empty(),
        snippet,
        curl,
    })
}

impl Asked<'_> {
    /// The query as most gateways take it: nothing is asked by a `?` with nothing behind it, which Caddy needs all the same.
    fn short_query(&self) -> &str {
        self.query.trim_end_matches('?')
    }

    fn host_and_port(&self) -> (&str, &str) {
        let (host, port) = self.address.rsplit_once(':').unwrap_or((self.address, "80"));
        if host.ends_with(']') || !host.contains([':', '[']) {
            (host.trim_matches(['[', ']']), port)
        } else {
            (self.address, "80")
        }
    }

    fn host(&self) -> &str {
        self.host_and_port().0
    }

    fn port(&self) -> &str {
        self.host_and_port().1
    }

    /// How Envoy finds such an address.
    fn discovery(&self) -> &'static str {
        if self.host().parse::<std::net::IpAddr>().is_ok() { "STATIC" } else { "STRICT_DNS" }
    }
}

/// What can be asked of keys: to be of an environment, or of whichever the host belongs to.
fn environments() -> impl Iterator<Item = (&'static str, &'static str)> + Clone {
    words::environments().map(|(id, word)| (id, word.name)).chain([(BY_HOST, "By host")])
}

/// The one that is wanted, or else the first.
fn chosen(
    mut all: impl Iterator<Item = (&'static str, &'static str)> + Clone,
    wanted: Option<&str>,
) -> (&'static str, &'static str) {
    let found = all.clone().find(|(id, _)| Some(*id) == wanted);
    found.or_else(|| all.next()).unwrap_or_default()
}

/// Whom the gateway asks about, and where its keys must work.
fn asked(id: ApplicationId, environment: &str) -> String {
    match environment.parse::<Environment>() {
        Ok(environment) => format!("{id}?environment={environment}"),
        Err(_) => format!("{id}?"),
    }
}

fn written(gateway: &str, address: &str, query: &str) -> Answer<String> {
    let asked = Asked { address, query };
    let written = match gateway {
        "caddy" => Caddy(asked).render(),
        "traefik" => Traefik(asked).render(),
        "envoy" => Envoy(asked).render(),
        "haproxy" => Haproxy(asked).render(),
        _ => Nginx(asked).render(),
    };
    written.map_err(|error| {
        tracing::error!(error = &error as &dyn std::error::Error, "a snippet could not be made");
        ApiProblem::internal()
    })
}

fn curl(address: &str, id: ApplicationId, environment: &str) -> String {
    let host = if environment == BY_HOST { " \\\n  -H 'X-Forwarded-Host: api.example.com'" } else { "" };
    format!(
        "curl -i 'http://{address}/api/v1/authz/{}' \\\n  -H 'X-Forwarded-Method: GET' -H 'X-Forwarded-Uri: /'{host} \\\n  -H \"Authorization: ApiKey $KEY\"",
        asked(id, environment).trim_end_matches('?')
    )
}

/// Where the console was reached, which is where Keystile is for a gateway beside it.
fn address(headers: &HeaderMap) -> String {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte);
    let is_one = host.bytes().all(is_plain) && host.parse::<Uri>().is_ok_and(|uri| uri.authority().is_some());
    (if is_one { host } else { USUAL_ADDRESS }).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLES: &[(&str, &str)] = &[
        ("nginx", include_str!("../../../../examples/nginx/nginx.conf")),
        ("caddy", include_str!("../../../../examples/caddy/Caddyfile")),
        ("traefik", include_str!("../../../../examples/traefik/dynamic.yml")),
        ("envoy", include_str!("../../../../examples/envoy/envoy-http.yaml")),
        ("haproxy", include_str!("../../../../examples/haproxy/haproxy.cfg")),
    ];

    fn lines(text: &str) -> impl Iterator<Item = &str> {
        text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
    }

    /// The lines of an example, without what only other parts of it need: the anchors of its YAML, the arguments of its Caddyfile.
    fn known(example: &str) -> Vec<String> {
        let plain = |line: &str| {
            let words: Vec<_> =
                line.split(' ').filter(|word| !word.starts_with('&') || word.contains('=')).collect();
            words.join(" ").replace("?{args.0}", "?environment=production")
        };
        lines(example).map(plain).collect()
    }

    /// The examples are tested with the real gateways; so is what stands here as long as it says nothing else.
    #[test]
    fn no_snippet_says_anything_that_the_examples_do_not() {
        for (gateway, example) in EXAMPLES {
            let snippet =
                written(gateway, "127.0.0.1:7878", "APPLICATION_ID?environment=production").unwrap();
            let known = known(example);
            let said: Vec<_> = lines(&snippet).collect();
            assert!(said.len() >= 5 && snippet.contains("APPLICATION_ID"), "{gateway}");
            for line in said {
                let is_there =
                    known.iter().any(|known| known == line || known.starts_with(&format!("{line} ")));
                assert!(is_there, "{gateway}: {line}");
            }
        }
    }

    #[test]
    fn what_a_client_calls_a_host_is_believed_only_if_it_is_one() {
        let told = |host: &str| address(&HeaderMap::from_iter([(HOST, host.parse().unwrap())]));
        assert_eq!([told("keys.example.com"), told("[::1]:80")], ["keys.example.com", "[::1]:80"]);
        for odd in ["a b", "x;y", "a/b", "me@host", "<b>"] {
            assert_eq!(told(odd), USUAL_ADDRESS, "{odd}");
        }
    }
}
