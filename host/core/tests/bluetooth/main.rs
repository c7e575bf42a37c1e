//! Bluetooth without a radio: a scripted one tells the neighbourhood what it hears.

mod chaos;
mod dialling;
mod duty;
mod flood;
mod handover;
mod hostile;
mod scene;
mod sight;
mod spare;
mod trace;
