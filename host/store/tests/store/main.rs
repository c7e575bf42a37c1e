//! The store through its public API.

mod crash;
mod damage;
mod file;
mod samples;
mod scale;
mod tables;
mod writer;
