//! What `keystile dev` prints: what there is, and commands to paste.

use std::io::{self, Write as _};
use std::net::SocketAddr;

use keystile_core::Environment;

use super::workspace::{Facts, Opened, Workspace};

/// Where the server listens.
pub(super) struct Addresses {
    /// For the API: `http://127.0.0.1:7878`.
    pub(super) base_url: String,
    /// For Envoy, if it does.
    pub(super) envoy: Option<SocketAddr>,
}

/// Prints the guide to standard output.
///
/// # Errors
/// When nobody takes it: secrets that were to be shown once were not.
pub(super) fn print(opened: &Opened, addresses: &Addresses) -> io::Result<()> {
    let mut text = match opened {
        Opened::New(workspace) => first_start(workspace, &addresses.base_url),
        Opened::Kept(facts) => later_start(facts, &addresses.base_url),
    };
    if let Some(address) = addresses.envoy {
        text.push_str(&format!("Envoy is answered at {address}, by gRPC.\n"));
    }
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush())
}

fn first_start(workspace: &Workspace, base_url: &str) -> String {
    let Facts { email, tenant_id, application_id } = &workspace.facts;
    let password = workspace.password.expose();
    let mut keys = String::new();
    for issued in &workspace.keys {
        keys.push_str(&format!("  {:<12} {}\n", issued.key.environment, issued.secret.expose()));
    }
    let production = workspace.keys.iter().find(|issued| issued.key.environment == Environment::Production);
    let secret = production.map(|issued| issued.secret.expose()).unwrap_or_default();
    format!(
        "Keystile is up at {base_url}

  email        {email}
  password     {password}
  tenant       {tenant_id}
  application  {application_id}

Look: open {base_url}/console in a browser and sign in with the address and password above.

One key per environment. Secrets and the password are shown this once; only their hashes are kept.

{keys}
Paste into another terminal:

  # Is the production key good in production? And in staging?
  KEY={secret}
  curl -s {base_url}/api/v1/keys/verify -H \"Authorization: ApiKey $KEY\" \\
    -H 'Content-Type: application/json' -d '{{\"key\": \"'$KEY'\", \"environment\": \"production\"}}'
  curl -s {base_url}/api/v1/keys/verify -H \"Authorization: ApiKey $KEY\" \\
    -H 'Content-Type: application/json' -d '{{\"key\": \"'$KEY'\", \"environment\": \"staging\"}}'

  # What a gateway asks for every request: the status is the answer.
  curl -si '{base_url}/api/v1/authz/{application_id}?environment=production' -H \"Authorization: ApiKey $KEY\"

  # Sign in.
  TOKEN=$(curl -s {base_url}/api/v1/auth/token -H 'Content-Type: application/json' \\
    -d '{{\"email\": \"{email}\", \"password\": \"{password}\"}}' | sed 's/.*\"access_token\":\"\\([^\"]*\\)\".*/\\1/')

  # Create a key that may read customers, in staging.
  NEW=$(curl -s {base_url}/api/v1/tenants/{tenant_id}/api-keys -H \"Authorization: Bearer $TOKEN\" \\
    -H 'Content-Type: application/json' -d '{{\"name\": \"Reports\", \"environment\": \"staging\", \"scopes\": [\"customers:read\"]}}')
  echo \"$NEW\"

  # Revoke it, and ask whether it is good: the answer is 401 key_revoked.
  NEW_ID=$(echo \"$NEW\" | sed 's/.*\"id\":\"\\([^\"]*\\)\".*/\\1/')
  NEW_KEY=$(echo \"$NEW\" | sed 's/.*\"secret\":\"\\([^\"]*\\)\".*/\\1/')
  curl -s -X POST {base_url}/api/v1/tenants/{tenant_id}/api-keys/$NEW_ID/revoke -H \"Authorization: Bearer $TOKEN\"
  curl -si '{base_url}/api/v1/authz/{application_id}?environment=staging' -H \"Authorization: ApiKey $NEW_KEY\"

The API: {base_url}/openapi.json. Stop with Ctrl-C; the next start keeps everything.
"
    )
}

fn later_start(facts: &Facts, base_url: &str) -> String {
    let Facts { email, tenant_id, application_id } = facts;
    format!(
        "Keystile is up at {base_url}, with what was made before

  email        {email}
  tenant       {tenant_id}
  application  {application_id}

The password and the secrets were shown on the first start and are not kept. Lost? Stop, delete the
folder keystile-dev (or the one that --data-dir names) and start anew.

The console: {base_url}/console

The API: {base_url}/openapi.json. Stop with Ctrl-C.
"
    )
}
