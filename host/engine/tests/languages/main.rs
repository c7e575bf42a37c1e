//! Policies in every language: what they are linked with, and the same cases for all.

mod metadata;
