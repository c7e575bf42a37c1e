//! A pointsman policy.
