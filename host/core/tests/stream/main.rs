//! The stream over a Bluetooth connection: weather, carriers that come and go, and hostile bytes.

mod air;
mod carriers;
mod hostile;
mod opening;
mod transfers;
