//! Phone books that talk to each other, and to those who mean them ill.

mod asking;
mod crawling;
mod finding;
mod hostility;
mod joining;
mod net;
mod records;
mod serving;
