//! Policies in every language: what they are linked with, and the same cases for all.

#[rustfmt::skip]
#[expect(clippy::wildcard_enum_match_arm, unreachable_pub, reason = "as its author may write it")]
mod documented;
mod metadata;
mod modules;
