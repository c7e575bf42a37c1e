//! Uplinks that are real interfaces, in network namespaces of their own.
