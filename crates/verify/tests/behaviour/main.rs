//! What the verifier promises.
