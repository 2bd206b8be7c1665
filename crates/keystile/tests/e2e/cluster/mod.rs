//! Three nodes on one PostgreSQL: whatever happens to nodes, to the database and to the ways between them, no request that was
//! sent after the answer to a revocation is accepted, and the answer comes within a lease and half a second.

mod balanced;
mod budgets;
mod connections;
mod cut;
mod dollar;
mod drain;
mod engines;
mod failover;
mod fills;
mod healthy;
mod holds;
mod mishaps;
mod notices;
mod rates;
mod restarts;
mod rolling;
mod stopped;
mod world;
