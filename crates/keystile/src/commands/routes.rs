//! `keystile apps routes`: what an application needs of keys, by method and path.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use keystile_core::ApplicationId;
use keystile_wire::{HostBody, Object, PermissionsAsked, RouteBody, RoutingView, SetRouting};

use super::context::Context;
use super::output::Report;
use super::table::{fields, table};
use crate::failure::Failure;

/// Longest file that is read: what a server takes at most.
const FILE_MAX: u64 = 1024 * 1024;

/// Shows and sets what the application needs of keys, by method and path.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  keystile apps routes show app_01J8Z3V5N0QK7Y2M4T6B8D9FGH --json > routes.json
  keystile apps routes set app_01J8Z3V5N0QK7Y2M4T6B8D9FGH routes.json")]
pub(super) struct Routes {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    Show(Show),
    Set(Set),
}

/// Shows the routes of an application; with --json in the form that `set` reads.
#[derive(Debug, Args)]
struct Show {
    /// Its id, as `keystile apps list` shows it.
    #[arg(value_name = "APPLICATION_ID")]
    id: ApplicationId,
}

/// Replaces the routes of an application by those in a file; the next request obeys them. A file with a `version` is
/// refused when the routes were changed since. For admins.
#[derive(Debug, Args)]
struct Set {
    /// Its id, as `keystile apps list` shows it.
    #[arg(value_name = "APPLICATION_ID")]
    id: ApplicationId,
    /// A JSON file with `hosts`, `routes` and `unmatched`; - is standard input.
    file: PathBuf,
}

impl Routes {
    pub(super) async fn run(self, context: &Context) -> Result<Report, Failure> {
        let (client, tenant) = (&context.session.client, context.session.tenant().await?);
        match self.action {
            Action::Show(Show { id }) => context.record(&client.routing(tenant, id).await?, sheet, None),
            Action::Set(Set { id, file }) => {
                let routing = client.set_routing(tenant, id, &read(&file)?).await?;
                context.record(&routing, sheet, Some("The next request obeys it."))
            }
        }
    }
}

fn read(file: &Path) -> Result<SetRouting, Failure> {
    let from = file.display();
    let unreadable = |error| Failure::because(format!("{from} cannot be read"), &error);
    let mut text = String::new();
    if file == Path::new("-") {
        io::stdin().lock().take(FILE_MAX + 1).read_to_string(&mut text).map_err(unreadable)?;
    } else {
        File::open(file)
            .and_then(|file| file.take(FILE_MAX + 1).read_to_string(&mut text))
            .map_err(unreadable)?;
    }
    if text.len() as u64 > FILE_MAX {
        return Err(Failure::new(format!("{from} is longer than the {FILE_MAX} bytes that a server takes")));
    }
    let read = serde_json::from_str::<Object<SetRouting>>(&text);
    read.map(|Object(routing)| routing)
        .map_err(|error| Failure::because(format!("{from} does not hold routes"), &error))
}

fn sheet(routing: &RoutingView) -> String {
    let hosts: Vec<_> = routing.hosts.iter().map(host).collect();
    let routes: Vec<_> = routing.routes.iter().map(route).collect();
    let unmatched = ("other requests", routing.unmatched.to_string());
    let mut text = fields(&[unmatched, ("version", routing.version.to_string())]);
    if !hosts.is_empty() {
        text.push('\n');
        text.push_str(&table(["HOST", "ENVIRONMENT"], &hosts));
    }
    if !routes.is_empty() {
        text.push('\n');
        text.push_str(&table(["METHODS", "PATH", "PERMISSIONS", "ENVIRONMENT"], &routes));
    }
    text
}

fn host(host: &HostBody) -> [String; 2] {
    [host.host.clone(), host.environment.to_string()]
}

fn route(route: &RouteBody) -> [String; 4] {
    let methods = if route.methods.is_empty() { "any".to_owned() } else { route.methods.join(" ") };
    let environment = route.environment.map(|environment| environment.to_string()).unwrap_or_default();
    let (names, one_is_enough) = route.permissions.as_ref().map_or((&[][..], false), PermissionsAsked::parts);
    let permissions = names.join(if one_is_enough { " or " } else { " and " });
    [methods, route.path.clone(), permissions, environment]
}
