//! Every change of state, with its authorization and its audit entry.
