//! Checks of the repository itself: what the documents promise of the tree, and what no
//! compiler looks at.

mod arrows;
mod contract;
mod core_purity;
mod documents;
mod rooms;
mod shipped;
mod sources;
mod tree;
