//! `./x lab`: scenarios with radios, in a guest of which all radios are virtual.

pub mod kernel;
