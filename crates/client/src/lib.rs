//! Typed HTTP client of Keystile's API.
