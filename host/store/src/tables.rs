//! The tables of the file, and what bounds each of them.

use pointsman_core::limits::{
    STORE_PEERS_MAX, STORE_RECORDS_MAX, STORE_STANDINGS_MAX, STORE_SUBNETS_MAX, STORE_VALUES_MAX,
};
use redb::TableDefinition;

/// A table of rows: bytes by bytes, so that a row may change its form without the file doing so.
pub(crate) type Definition = TableDefinition<'static, &'static [u8], &'static [u8]>;

/// What the file says of itself.
pub(crate) const META: TableDefinition<'static, &'static str, u64> = TableDefinition::new("meta");

/// The version of the whole, in [`META`].
pub(crate) const SCHEMA_KEY: &str = "schema";

/// The version that this program writes. Only a change that older programs would misread needs
/// another one; neither a longer row nor a new table does.
pub(crate) const SCHEMA_VERSION: u64 = 1;

/// A table of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Table {
    Peers,
    Standings,
    Subnets,
    Records,
    Values,
}

impl Table {
    pub(crate) const ALL: [Self; 5] =
        [Self::Peers, Self::Standings, Self::Subnets, Self::Records, Self::Values];

    pub(crate) const fn definition(self) -> Definition {
        TableDefinition::new(match self {
            Self::Peers => "peers",
            Self::Standings => "standings",
            Self::Subnets => "subnets",
            Self::Records => "records",
            Self::Values => "values",
        })
    }

    pub(crate) const fn rows_max(self) -> usize {
        match self {
            Self::Peers => STORE_PEERS_MAX,
            Self::Standings => STORE_STANDINGS_MAX,
            Self::Subnets => STORE_SUBNETS_MAX,
            Self::Records => STORE_RECORDS_MAX,
            Self::Values => STORE_VALUES_MAX,
        }
    }
}
