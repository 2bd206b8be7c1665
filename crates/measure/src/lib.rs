//! Counting and measuring what operators look at, and the text in which Prometheus reads it.
//!
//! [`Striped`] and [`Histogram`] are written from the hot path: relaxed atomics, no lock, no allocation. Nothing here
//! is ever a reason to decide one way or the other. This crate must never know what is counted, who reads it, nor a
//! clock: durations are given to it, and only [`Sparing`] counts seconds, of its own.

mod exposition;
mod histogram;
mod sample;
mod spans;
mod sparing;
mod striped;

pub use exposition::{CONTENT_TYPE, Exposition, Family};
pub use histogram::Histogram;
pub use sample::Turns;
pub use spans::SPANS;
pub use sparing::Sparing;
pub use striped::Striped;
