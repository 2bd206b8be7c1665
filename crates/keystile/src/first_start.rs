//! The first person: made from the environment, or by whoever opens the link that the first start writes.

use std::io::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use clap::Args;
use keystile_core::Secret;
use keystile_manage::{ControlPlane, FirstOwner, Refused};
use keystile_wire::SetUp;

use crate::failure::Failure;

/// Where the console takes the token. Browsers do not send what stands behind the `#`.
pub(crate) const PAGE: &str = "/console/setup";

/// The first person, made on the first start.
#[derive(Debug, Args)]
pub(crate) struct OwnerOptions {
    /// Email address of the first person, used once.
    #[arg(long, env = "KEYSTILE_OWNER_EMAIL", value_name = "EMAIL")]
    owner_email: Option<String>,
    /// Password of the first person; from the environment only, so that it does not show in the process list.
    #[arg(
        long = "owner-password-from-environment",
        env = "KEYSTILE_OWNER_PASSWORD",
        hide = true,
        hide_env_values = true
    )]
    owner_password: Option<OwnerPassword>,
    /// Name of the first tenant.
    #[arg(long, env = "KEYSTILE_TENANT_NAME", value_name = "NAME", default_value = SetUp::TENANT_NAME)]
    tenant_name: String,
}

/// A password on its way from the environment.
#[derive(Clone)]
struct OwnerPassword(String);

impl std::str::FromStr for OwnerPassword {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.to_owned()))
    }
}

impl std::fmt::Debug for OwnerPassword {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OwnerPassword(…)")
    }
}

/// Makes the person that the environment names, if it names one and nobody is there.
pub(crate) async fn make_owner(control: &ControlPlane, owner: OwnerOptions) -> Result<(), Failure> {
    let (Some(email), Some(password)) = (owner.owner_email, owner.owner_password) else { return Ok(()) };
    let email =
        email.parse().map_err(|error| Failure::because("KEYSTILE_OWNER_EMAIL cannot be used", &error))?;
    let tenant_name = owner
        .tenant_name
        .parse()
        .map_err(|error| Failure::because("KEYSTILE_TENANT_NAME cannot be used", &error))?;
    let first = FirstOwner { email, password: Secret::new(password.0), tenant_name };
    let founded = control.set_up_as_operator(first).await;
    if let Some(founded) = founded.map_err(|refused| owner_refused(&refused))? {
        tracing::info!(tenant_id = %founded.tenant.id, owner = %founded.owner, "made the first person and tenant");
    }
    Ok(())
}

/// Writes a link to standard output with which whoever reads it makes the first person, if nobody is there. It is not
/// logged: logs are kept, and read by many.
pub(crate) async fn offer_set_up(control: &ControlPlane, address: SocketAddr) -> Result<(), Failure> {
    let offered = control.offer_set_up().await;
    let offered = offered.map_err(|error| Failure::because("the first start cannot be told", &error))?;
    let Some(token) = offered else { return Ok(()) };
    match write_link(address, &token) {
        Ok(()) => tracing::warn!(
            "nobody can sign in yet: open the link on standard output, or set KEYSTILE_OWNER_EMAIL and \
             KEYSTILE_OWNER_PASSWORD and start again"
        ),
        Err(error) => tracing::warn!(
            %error,
            "nobody can sign in yet, and the link to change that could not be written to standard output: set \
             KEYSTILE_OWNER_EMAIL and KEYSTILE_OWNER_PASSWORD and start again"
        ),
    }
    Ok(())
}

fn write_link(address: SocketAddr, token: &Secret) -> io::Result<()> {
    let (address, token) = (reachable(address), token.expose());
    let text = format!(
        "Nobody can sign in yet. Make the owner with this link; it works once, and until Keystile stops:\n\n  \
         http://{address}{PAGE}#{token}\n\n"
    );
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush())
}

/// A listener on all addresses is reached on this machine by that of loopback.
pub(crate) fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

fn owner_refused(refused: &Refused) -> Failure {
    match refused {
        Refused::Invalid(broken) => {
            let rules: Vec<_> = broken.iter().map(ToString::to_string).collect();
            Failure::new(format!("KEYSTILE_OWNER_PASSWORD cannot be used: {}", rules.join("; ")))
        }
        other => Failure::because("the first person was not made", other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_leads_to_where_the_server_is_reached() {
        let reached = |address: &str| reachable(address.parse().unwrap()).to_string();
        assert_eq!(reached("0.0.0.0:7878"), "127.0.0.1:7878");
        assert_eq!(reached("[::]:7878"), "[::1]:7878");
        assert_eq!(reached("192.0.2.7:80"), "192.0.2.7:80");
    }
}
