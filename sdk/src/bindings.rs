//! The WIT bindings.
