//! The scene that most tests begin with: two nodes, each with two interfaces on two segments.

use bytes::Bytes;
use pointsman_core::bluetooth::neighbours::BluetoothConfig;
use pointsman_core::config::{Allow, NodeConfig};
use pointsman_core::id::Token;
use pointsman_core::input::Protocol;
use pointsman_core::output::Fate;
use pointsman_sdk::selector::Class;
use pointsman_sim::{NodeIndex, SegmentIndex, Wire, World};

pub(crate) const SECOND_US: u64 = 1_000_000;

pub(crate) struct Scene {
    pub(crate) world: World,
    pub(crate) a: NodeIndex,
    pub(crate) b: NodeIndex,
    pub(crate) segments: [SegmentIndex; 2],
}

pub(crate) fn config() -> NodeConfig {
    NodeConfig {
        network: "test".into(),
        allow: Allow::All,
        links_per_peer: 8,
        bluetooth: BluetoothConfig::default(),
        heartbeat_us: SECOND_US,
        suspect_min_us: 50_000,
        dead_us: 15 * SECOND_US,
        retry_min_us: 500_000,
        retry_max_us: 60 * SECOND_US,
        relay_standby_us: Some(30 * SECOND_US),
        ttl_us: [Some(2 * SECOND_US), Some(60 * SECOND_US), None],
        duplicates_permille: 20,
    }
}

impl Scene {
    /// Linked over both segments by QUIC, and settled.
    pub(crate) fn linked(seed: u64, wire: Wire) -> Self {
        let scene = Self::dialling(seed, wire, &[Protocol::Quic]);
        scene.ready(2)
    }

    pub(crate) fn dialling(seed: u64, wire: Wire, protocols: &[Protocol]) -> Self {
        Self::dialling_over(seed, [wire, wire], protocols)
    }

    /// Linked by QUIC over two segments that differ, and settled.
    pub(crate) fn uneven(seed: u64, wires: [Wire; 2]) -> Self {
        Self::dialling_over(seed, wires, &[Protocol::Quic]).ready(2)
    }

    fn dialling_over(seed: u64, wires: [Wire; 2], protocols: &[Protocol]) -> Self {
        let mut world = World::new(seed, config());
        let segments = wires.map(|wire| world.segment(wire));
        let a = world.node(&segments);
        let b = world.node(&segments);
        world.introduce(a, b, protocols);
        Self { world, a, b, segments }
    }

    pub(crate) fn ready(mut self, links: usize) -> Self {
        let (a, b) = (self.a, self.b);
        let up = self.world.run_until(10 * SECOND_US, |world| {
            world.links_up(a) == links && world.links_up(b) == links
        });
        assert!(up, "{:?}", self.world.site(a).events);
        self.world.run_for(SECOND_US);
        self
    }

    pub(crate) fn send(&mut self, class: Class, bytes: usize) -> Token {
        self.world.send(self.a, self.b, class, Bytes::from(vec![7; bytes]))
    }

    /// Sends a message every `every_us` for `for_us`.
    pub(crate) fn stream(
        &mut self,
        class: Class,
        bytes: usize,
        every_us: u64,
        for_us: u64,
    ) -> Vec<Token> {
        let mut tokens = Vec::new();
        for _ in 0..for_us / every_us {
            tokens.push(self.send(class, bytes));
            self.world.run_for(every_us);
        }
        tokens
    }

    pub(crate) fn all_delivered(&self, tokens: &[Token]) -> bool {
        let sender = self.world.site(self.a);
        tokens.iter().all(|token| matches!(sender.fate(*token), Some(Fate::Delivered { .. })))
    }

    /// Whether all are delivered in the end: what a network that became worse has left behind
    /// is given 10 s.
    pub(crate) fn delivers_all(&mut self, tokens: &[Token]) -> bool {
        let delivered = |world: &World, token: &Token| {
            matches!(world.site(self.a).fate(*token), Some(Fate::Delivered { .. }))
        };
        self.world
            .run_until(10 * SECOND_US, |world| tokens.iter().all(|token| delivered(world, token)))
    }

    pub(crate) fn counter(&self, node: NodeIndex, name: &str) -> u64 {
        let snapshot = self.world.site(node).node.as_ref().expect("running").snapshot();
        snapshot.counters.iter().find(|(n, _)| *n == name).expect("a counter").1
    }
}
