//! One harness for every test that needs a real server.

pub mod postgres;
