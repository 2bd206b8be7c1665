//! The hot path: is this key good for this, now.
