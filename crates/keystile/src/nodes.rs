//! `keystile nodes`: which servers serve from one database, asked of the database.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use keystile_store::{Node, Store};
use keystile_web::NodeView;

use crate::commands::{Form, Report, table};
use crate::config::Settings;
use crate::failure::Failure;

/// Shows which servers serve from one database together (`serve --cluster`), as the database tells.
///
/// Run it where a node runs, with the same settings. It reads one table and changes nothing.
#[derive(Debug, Args)]
pub(crate) struct NodesCommand {
    #[command(subcommand)]
    action: Action,
    /// File with settings, in TOML.
    #[arg(long, env = "KEYSTILE_CONFIG", value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    /// Print JSON.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List the nodes, with what is left of their leases and the last change that each has applied.
    List(Box<List>),
}

#[derive(Debug, Args)]
struct List {
    #[command(flatten)]
    settings: Settings,
}

/// Runs `keystile nodes …`.
pub(crate) async fn run(command: NodesCommand) -> Result<ExitCode, Failure> {
    let Action::List(list) = command.action;
    let List { settings } = *list;
    let settings = Settings { log: settings.log.or_else(|| Some("warn".to_owned())), ..settings };
    let settings = settings.with_file(command.config.as_ref())?;
    settings.start_logging()?;
    let failed = |error: &dyn std::error::Error| Failure::because("the nodes cannot be listed", error);
    let store = Store::open(settings.location()?).await.map_err(|error| failed(&error))?;
    store.check_schema().await.map_err(|error| failed(&error))?;
    let nodes = store.nodes().await.map_err(|error| failed(&error))?;
    store.close().await;
    report(&nodes, Form::of(command.json))?.print()
}

fn report(nodes: &[Node], form: Form) -> Result<Report, Failure> {
    let views: Vec<_> = nodes.iter().map(NodeView::of).collect();
    match form {
        Form::Json => Report::json(&views),
        Form::Text if views.is_empty() => {
            Ok(Report::default().note("No server serves as a node of a cluster from this database."))
        }
        Form::Text => {
            let headings = ["ID", "NAME", "ADDRESS", "VERSION", "STATE", "LEASE LEFT", "REVISION", "STARTED"];
            let rows: Vec<_> = views.iter().map(row).collect();
            Ok(Report::default().data(table(headings, &rows).trim_end()))
        }
    }
}

fn row(node: &NodeView) -> [String; 8] {
    [
        node.id.to_string(),
        node.name.clone(),
        node.address.clone(),
        node.version.clone(),
        node.state.to_owned(),
        format!("{} ms", node.lease_left_millis.max(0)),
        node.revision.to_string(),
        node.started_at.to_string(),
    ]
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use keystile_core::{NodeId, Timestamp};

    use super::*;

    fn node(left_millis: i64) -> Node {
        let started_at = Timestamp::from_millis(1_700_000_000_000);
        Node {
            id: NodeId::from_parts(started_at, 1),
            name: "one".to_owned(),
            address: "10.0.0.1:7878".to_owned(),
            version: "0.1.0".to_owned(),
            started_at,
            lease: Duration::from_secs(3),
            left_millis,
            beat: 1,
            revision: 12,
        }
    }

    #[test]
    fn nodes_are_told_with_what_is_left_of_their_leases() {
        let (data, _) = report(&[node(2_500), node(-4)], Form::Text).unwrap().printed();
        assert!(data.contains("running  2500 ms") && data.contains("expired  0 ms"), "{data}");
        let (data, _) = report(&[node(2_500)], Form::Json).unwrap().printed();
        let told: serde_json::Value = serde_json::from_str(&data).unwrap();
        assert_eq!(told[0]["lease_left_millis"], 2_500);
        assert_eq!(told[0]["revision"], 12);
        let (data, notes) = report(&[], Form::Text).unwrap().printed();
        assert!(data.is_empty() && notes.contains("No server"));
    }
}
