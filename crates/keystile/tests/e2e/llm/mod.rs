//! Keys for language models: what passes through the gateway, and that nobody overspends.
//!
//! What others got wrong is a test here that carries its name. Everything that knows the shapes of providers, models, holds and the
//! ledger is in [`world`].

mod budgets;
mod crashes;
mod database;
mod errors;
mod long_answers;
mod operations;
mod overspend;
mod patience;
mod random;
mod refusals;
mod sdks;
mod streams;
mod tokens;
mod upstreams;
mod usage;
mod world;
