//! Runs Nodes on a virtual clock and a virtual network.
