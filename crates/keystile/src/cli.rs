//! The command line.

use clap::{Parser, Subcommand};

use crate::admin::AdminCommand;
use crate::backup::BackupOptions;
use crate::clickhouse::schema::SchemaOptions;
use crate::commands::{
    AppsCommand, AuditCommand, CustomersCommand, EntitiesCommand, EventsCommand, HoldsCommand,
    InvitationsCommand, JobsCommand, KeyCommand, KeysCommand, LeaksCommand, LedgerCommand, LoginCommand,
    LogoutCommand, LogsCommand, MembersCommand, MockLlmCommand, ModelsCommand, OverviewCommand,
    PasswordCommand, PermissionsCommand, ProvidersCommand, ScanCommand, ScanRulesCommand, SessionsCommand,
    SetupCommand, SourcesCommand, SpendCommand, TenantsCommand, TotpCommand, UsageCommand, WebhooksCommand,
    WhoamiCommand,
};
use crate::dev::DevOptions;
use crate::health::HealthCommand;
use crate::migrate::MigrateOptions;
use crate::nodes::NodesCommand;
use crate::restore::RestoreOptions;
use crate::serve::ServeOptions;

/// Issues API keys and guards APIs with them.
#[derive(Debug, Parser)]
#[command(
    version,
    propagate_version = true,
    after_help = "New here? `keystile dev` starts a server with everything in a local folder and prints what to try.\n\
        In production: `keystile serve --help`."
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve the API and the console.
    Serve(ServeOptions),
    /// Start a server to try things out, and print what to try.
    Dev(DevOptions),
    /// Bring the database to the form this version needs, without serving.
    Migrate(MigrateOptions),
    /// Write all rows of the database to one file, beside a server that serves from it.
    Backup(Box<BackupOptions>),
    /// Put the database back to a backup, without bringing ended keys back.
    Restore(Box<RestoreOptions>),
    /// Tell whether a server serves, for whatever watches over it.
    Health(HealthCommand),
    /// Help persons in or keep them out, on the server's own database.
    Admin(Box<AdminCommand>),
    /// Show which servers serve from one database together.
    Nodes(Box<NodesCommand>),
    /// Print the statement that makes the table for the request log in ClickHouse.
    ClickhouseSchema(SchemaOptions),
    /// Make the first person of a new server, with the link that it wrote.
    Setup(SetupCommand),
    /// Sign in at a server that runs, and stay signed in.
    Login(LoginCommand),
    /// End the session of `login`.
    Logout(LogoutCommand),
    /// Tell as whom the server knows you.
    Whoami(WhoamiCommand),
    /// Change your password.
    Password(PasswordCommand),
    /// Have a second factor for signing in, or remove it.
    Totp(TotpCommand),
    /// See where you are signed in, and sign out there.
    Sessions(SessionsCommand),
    /// Manage the API keys of a server that runs.
    Keys(KeysCommand),
    /// Look at the text of an API key, without any server.
    Key(KeyCommand),
    /// Work on many keys in the background.
    Jobs(Box<JobsCommand>),
    /// Manage the customers that keys can be restricted to.
    Customers(CustomersCommand),
    /// Manage the applications that keys are issued to.
    Apps(AppsCommand),
    /// Manage the permissions that applications know, in words for people.
    Permissions(PermissionsCommand),
    /// Show what a tenant has, and what of it needs attention.
    Overview(OverviewCommand),
    /// Show how often the keys of a tenant were allowed and refused.
    Usage(UsageCommand),
    /// Show what keys have spent on models, by key, customer, application, model or day.
    Spend(SpendCommand),
    /// See what was charged, row by row, and correct it.
    Ledger(LedgerCommand),
    /// See what is held for requests under way, and settle it.
    Holds(HoldsCommand),
    /// See which requests were made, with which key, from where, and what they were answered.
    Logs(LogsCommand),
    /// Show, export and check the audit log of a tenant.
    Audit(AuditCommand),
    /// Send events, and see what sources have sent.
    Events(EventsCommand),
    /// See who sends events.
    Sources(SourcesCommand),
    /// See what is known of the things that events are about.
    Entities(EntitiesCommand),
    /// Find keys in files and in the history of a Git repository, and tell which are live.
    Scan(ScanCommand),
    /// Print rules by which other scanners find your keys.
    ScanRules(ScanRulesCommand),
    /// See which keys were reported as leaked.
    Leaks(LeaksCommand),
    /// Manage who provides language models.
    Providers(ProvidersCommand),
    /// Manage the language models that a tenant offers, and their prices.
    Models(ModelsCommand),
    /// Manage whom a tenant wants told of its keys, and see how that goes.
    Webhooks(WebhooksCommand),
    /// Manage tenants and their settings.
    Tenants(TenantsCommand),
    /// Manage who is in a tenant.
    Members(MembersCommand),
    /// Invite people into a tenant, or accept an invitation.
    Invitations(InvitationsCommand),
    /// Stand in for a provider of language models, to try things out and to test.
    MockLlm(MockLlmCommand),
    /// Print the OpenAPI document of the API.
    Openapi,
    /// Print a script by which a shell completes commands and flags.
    ///
    /// For bash, in ~/.bashrc: source <(keystile completions bash)
    #[command(verbatim_doc_comment)]
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    /// They serve, or what they print has a form of its own.
    const WITHOUT_JSON: &[&str] = &[
        "serve",
        "dev",
        "migrate",
        "clickhouse-schema",
        "mock-llm",
        "openapi",
        "completions",
        "help",
        "scan-rules",
    ];

    /// The names of all commands that do something and lack `--json`.
    fn lacking(command: &clap::Command, path: &str, into: &mut Vec<String>) {
        for below in command.get_subcommands().filter(|below| !WITHOUT_JSON.contains(&below.get_name())) {
            lacking(below, &format!("{path} {}", below.get_name()), into);
        }
        let has_json = command.get_arguments().any(|argument| argument.get_long() == Some("json"));
        if !command.has_subcommands() && !has_json {
            into.push(path.to_owned());
        }
    }

    #[test]
    fn every_command_prints_json_when_asked() {
        let (mut command, mut without) = (Cli::command(), Vec::new());
        command.build();
        lacking(&command, "keystile", &mut without);
        assert_eq!(without, [""; 0]);
    }
}
