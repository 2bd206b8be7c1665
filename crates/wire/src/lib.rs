//! The public JSON types and error codes.
