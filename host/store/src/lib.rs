//! What a node remembers over a restart.
