//! One seat: plays its part of every roll over its node, and checks everybody else's.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, ensure};
use bytes::Bytes;
use pointsman::{Filter, Message, Pointsman, Receiver, Ticket};
use pointsman_core::id::PeerId;
use pointsman_core::output::Fate;
use pointsman_sdk::selector::Class;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use crate::dice::{Dice, Secret, digest, secret};
use crate::rules::{Bet, Outcome, SEATS, Table};

/// Nothing at this table takes so long, not even an uplink that fails.
const PATIENCE: Duration = Duration::from_secs(20);

/// What seats say to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Move {
    /// The digest of a secret, and what is bet if this is a come-out.
    Commit { roll: u32, digest: [u8; 32], bet: Bet },
    /// The secret.
    Reveal { roll: u32, secret: Secret },
}

impl Move {
    fn roll(&self) -> u32 {
        match self {
            Self::Commit { roll, .. } | Self::Reveal { roll, .. } => *roll,
        }
    }
}

/// A roll as a seat saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Played {
    pub(crate) seat: usize,
    pub(crate) roll: u32,
    pub(crate) shooter: usize,
    pub(crate) dice: Dice,
    pub(crate) outcome: Outcome,
    pub(crate) point: Option<u8>,
    pub(crate) stacks: [i64; SEATS],
    /// From the first move of the roll to its end.
    pub(crate) took: Duration,
}

/// What each seat has said of one roll.
#[derive(Debug, Default)]
struct Round {
    commits: BTreeMap<usize, ([u8; 32], Bet)>,
    secrets: BTreeMap<usize, Secret>,
}

/// A seat at the table.
#[derive(Debug)]
pub(crate) struct Seat {
    number: usize,
    bet: Bet,
    node: Pointsman,
    inbox: Receiver,
    /// Who sits where.
    seats: [PeerId; SEATS],
    table: Table,
    bets: [Bet; SEATS],
    rounds: BTreeMap<u32, Round>,
    /// Moves under way.
    tickets: Vec<Ticket>,
}

impl Seat {
    /// Takes a seat; the node's identity tells which.
    pub(crate) fn new(node: Pointsman, seats: [PeerId; SEATS], bet: Bet) -> anyhow::Result<Self> {
        let me = node.about().peer;
        let number = seats.iter().position(|seat| *seat == me).context("a seat of ours")?;
        let inbox = node.listen(Filter { peer: None, class: Some(Class::Realtime) });
        Ok(Self {
            number,
            bet,
            node,
            inbox,
            seats,
            table: Table::default(),
            bets: [Bet::Pass; SEATS],
            rounds: BTreeMap::new(),
            tickets: Vec::new(),
        })
    }

    /// Plays so many rolls, and tells each. Fails where somebody cheats or a move is lost.
    pub(crate) async fn play(
        mut self,
        rolls: u32,
        told: mpsc::Sender<Played>,
    ) -> anyhow::Result<Table> {
        for roll in 1..=rolls {
            let begun = std::time::Instant::now();
            let shooter = self.table.shooter;
            let dice = self.dice(roll).await?;
            let outcome = self.table.roll(dice, &self.bets);
            let (point, stacks) = (self.table.point, self.table.stacks());
            let took = begun.elapsed();
            let seat = self.number;
            let played = Played { seat, roll, shooter, dice, outcome, point, stacks, took };
            told.send(played).await.context("somebody listens to the table")?;
        }
        for ticket in self.tickets {
            let fate = tokio::time::timeout(PATIENCE, ticket.last()).await??;
            ensure!(matches!(fate, Fate::Delivered { .. }), "a move was not delivered: {fate:?}");
        }
        Ok(self.table)
    }

    async fn dice(&mut self, roll: u32) -> anyhow::Result<Dice> {
        let mine = secret()?;
        self.say(Move::Commit { roll, digest: digest(&mine), bet: self.bet }).await?;
        self.until(roll, |round| round.commits.len() == SEATS).await?;
        self.say(Move::Reveal { roll, secret: mine }).await?;
        self.until(roll, |round| round.secrets.len() == SEATS).await?;
        let round = self.rounds.remove(&roll).unwrap_or_default();
        if self.table.point.is_none() {
            for (seat, (_, bet)) in &round.commits {
                self.bets[*seat] = *bet;
            }
        }
        let secrets: Vec<Secret> = round.secrets.into_values().collect();
        Ok(Dice::of(&secrets))
    }

    /// Tells everybody, this seat included.
    async fn say(&mut self, said: Move) -> anyhow::Result<()> {
        let payload = Bytes::from(serde_json::to_vec(&said)?);
        for (seat, peer) in self.seats.into_iter().enumerate() {
            if seat != self.number {
                let message = Message::new(peer, Class::Realtime, payload.clone());
                let message = Message { ttl: Some(PATIENCE), ..message };
                self.tickets.push(self.node.send(message).await?);
            }
        }
        self.heard(self.number, said)
    }

    /// Listens until the roll is so far.
    async fn until(&mut self, roll: u32, enough: impl Fn(&Round) -> bool) -> anyhow::Result<()> {
        while !enough(self.rounds.entry(roll).or_default()) {
            let arrived = tokio::time::timeout(PATIENCE, self.inbox.recv()).await;
            let delivery = arrived
                .with_context(|| format!("seat {} waits for roll {roll}", self.number))?
                .context("the node stopped")?;
            let seat = self.seats.iter().position(|peer| *peer == delivery.peer);
            let seat = seat.context("somebody who does not sit here")?;
            let said: Move = serde_json::from_slice(&delivery.payload)
                .with_context(|| format!("seat {seat} says what is no move"))?;
            ensure!(said.roll() >= roll && said.roll() <= roll + 1, "seat {seat} is out of turn");
            self.heard(seat, said)?;
        }
        Ok(())
    }

    fn heard(&mut self, seat: usize, said: Move) -> anyhow::Result<()> {
        let round = self.rounds.entry(said.roll()).or_default();
        match said {
            Move::Commit { digest, bet, .. } => {
                let before = round.commits.insert(seat, (digest, bet));
                ensure!(before.is_none(), "seat {seat} promises twice");
            }
            Move::Reveal { secret, .. } => {
                let before = round.secrets.insert(seat, secret);
                ensure!(before.is_none(), "seat {seat} reveals twice");
            }
        }
        round.verify(seat)
    }
}

impl Round {
    /// Whether the secret is the promised one; messages travel on their own, so either may
    /// come first.
    fn verify(&self, seat: usize) -> anyhow::Result<()> {
        if let (Some((promised, _)), Some(secret)) =
            (self.commits.get(&seat), self.secrets.get(&seat))
        {
            ensure!(*promised == digest(secret), "seat {seat} loads the dice");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seat_that_shows_another_secret_than_it_promised_is_caught_in_any_order() {
        let (promised, shown) = ([1; 32], [2; 32]);
        let mut round = Round::default();
        round.commits.insert(1, (digest(&promised), Bet::Pass));
        assert!(round.verify(1).is_ok());
        round.secrets.insert(1, shown);
        assert!(round.verify(1).is_err());
        round.secrets.insert(1, promised);
        assert!(round.verify(1).is_ok());
    }
}
