//! Stands in for providers of language models: it answers in the shapes of OpenAI and Anthropic, whole and streamed, tells what
//! it would have billed, and misbehaves when the name of the model asks for that. It knows nothing of keys, and uses nothing
//! of ours, so that it cannot share a mistake with what is tested against it.

mod anthropic;
mod ask;
mod behaviour;
mod body;
mod chat;
mod completions;
mod embeddings;
mod exchange;
mod fault;
mod form;
mod media;
mod models;
mod pen;
mod records;
mod responses;
mod responses_stream;
mod routes;
mod server;
mod service;
mod story;
mod weigh;

pub use behaviour::{BEHAVIOURS, UnknownBehaviour};
pub use records::{Asked, Billed, Usage};
pub use server::{MockLlm, MockSettings};
