//! The binary: configuration, composition, command line.

mod admin;
mod backup;
mod cli;
mod clickhouse;
mod commands;
mod compose;
mod config;
mod dev;
mod failure;
mod first_start;
mod health;
mod logging;
mod migrate;
mod nodes;
mod open_files;
mod operations;
mod process_metrics;
mod progress;
mod restore;
mod serve;
mod stop;
mod traces;

use std::pin::Pin;
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches};
use keystile_engine::SystemClock;

use cli::{Cli, Command};
use failure::Failure;

fn main() -> ExitCode {
    let matches = Cli::command().mut_subcommand("dev", dev::help).get_matches();
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    if let Some(("dev", matches)) = matches.subcommand()
        && let Err(failure) = dev::refuse_environment(matches)
    {
        return failure.report();
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return Failure::new(format!("the runtime did not start: {error}")).report(),
    };
    // Boxed as any future, or the code of every command would be there once for each way to run one.
    let run: Pin<Box<dyn Future<Output = Result<ExitCode, Failure>>>> = Box::pin(run(cli.command));
    runtime.block_on(run).unwrap_or_else(|failure| failure.report())
}

async fn run(command: Command) -> Result<ExitCode, Failure> {
    match command {
        Command::Serve(options) => Box::pin(serve::run(options)).await,
        Command::Dev(options) => Box::pin(dev::run(options)).await,
        Command::Migrate(options) => migrate::run(options).await,
        Command::Health(command) => health::run(command).await,
        Command::ClickhouseSchema(options) => clickhouse::schema::run(options),
        Command::Setup(command) => command.run().await,
        Command::Login(command) => command.run(&SystemClock).await,
        Command::Logout(command) => command.run(&SystemClock).await,
        Command::Whoami(command) => command.run(&SystemClock).await,
        Command::Password(command) => command.run(&SystemClock).await,
        Command::Totp(command) => commands::totp::run(command, &SystemClock).await,
        Command::Sessions(command) => commands::sessions::run(command, &SystemClock).await,
        Command::Backup(options) => backup::run(*options).await,
        Command::Restore(options) => restore::run(*options).await,
        Command::Admin(command) => admin::run(*command).await,
        Command::Nodes(command) => nodes::run(*command).await,
        Command::Keys(command) => commands::keys::run(command, &SystemClock).await,
        Command::Tenants(command) => commands::tenants::run(command, &SystemClock).await,
        Command::Apps(command) => commands::apps::run(command, &SystemClock).await,
        Command::Permissions(command) => commands::permissions::run(command, &SystemClock).await,
        Command::Customers(command) => commands::customers::run(command, &SystemClock).await,
        Command::Members(command) => commands::members::run(command, &SystemClock).await,
        Command::Invitations(command) => commands::invitations::run(command, &SystemClock).await,
        Command::Events(command) => commands::events::run(command, &SystemClock).await,
        Command::Entities(command) => commands::entities::run(command, &SystemClock).await,
        Command::Sources(command) => commands::sources::run(command, &SystemClock).await,
        Command::Overview(command) => commands::overview::run(command, &SystemClock).await,
        Command::Usage(command) => commands::usage::run(command, &SystemClock).await,
        Command::Spend(command) => commands::spend::run(command, &SystemClock).await,
        Command::Ledger(command) => commands::ledger::run(command, &SystemClock).await,
        Command::Holds(command) => commands::holds::run(command, &SystemClock).await,
        Command::Scan(command) => commands::scan::run(command, &SystemClock).await,
        Command::ScanRules(command) => commands::scan_rules::run(command, &SystemClock).await,
        Command::Leaks(command) => commands::leaks::run(command, &SystemClock).await,
        Command::Jobs(command) => commands::jobs::run(*command, &SystemClock).await,
        Command::Logs(command) => commands::logs::run(command, &SystemClock).await,
        Command::Webhooks(command) => commands::webhooks::run(command, &SystemClock).await,
        Command::Providers(command) => commands::providers::run(command, &SystemClock).await,
        Command::Models(command) => commands::models::run(command, &SystemClock).await,
        Command::Key(command) => commands::key::run(&command),
        Command::MockLlm(command) => commands::mock_llm::run(command).await,
        Command::Audit(command) => commands::audit::run(command, &SystemClock).await,
        Command::Openapi => commands::print::openapi(),
        Command::Completions { shell } => Ok(commands::print::completions(shell)),
    }
}
