//! Laws of what the gateway parses, held against whatever input the generator finds, and against the seeds of the fuzz targets.
#![expect(clippy::unwrap_used, reason = "a test that cannot build its input has failed")]

mod call_laws;
mod calls;
mod event_laws;
mod seeds;
