//! Prepares the toolchain, builds the policies, runs the tests.
