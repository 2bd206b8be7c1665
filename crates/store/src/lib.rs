//! Rows, in SQLite or PostgreSQL, from one description.
