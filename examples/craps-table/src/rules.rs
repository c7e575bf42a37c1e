//! Craps, as far as this table plays it: the pass line and its opposite.
//!
//! On the come-out roll 7 and 11 win the pass line, 2, 3 and 12 lose it, anything else becomes
//! the point; then the point wins, and 7 loses and passes the dice on. "Don't pass" is the other
//! way round, with 12 on the come-out a draw. The bank pays even money.

use crate::dice::Dice;

/// How many sit at the table.
pub(crate) const SEATS: usize = 3;
/// What each seat begins with.
const STACK: i64 = 1_000;
/// What each seat bets on every come-out.
const STAKE: i64 = 10;

/// What a seat bets on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Bet {
    Pass,
    DontPass,
}

/// How a roll ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The pass line wins.
    Pass,
    /// It loses; on a 12 at the come-out nobody wins on the other side.
    Miss { barred: bool },
    /// A point was set, or nothing was decided.
    Open,
}

/// The state that all seats must agree on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Table {
    /// The point; `None` at the come-out.
    pub(crate) point: Option<u8>,
    /// Who rolls.
    pub(crate) shooter: usize,
    /// Wins and losses so far.
    won: [i64; SEATS],
}

impl Table {
    /// What a seat has.
    pub(crate) fn stacks(&self) -> [i64; SEATS] {
        self.won.map(|won| STACK + won)
    }

    /// Plays a roll. The bets are those of the last come-out.
    pub(crate) fn roll(&mut self, dice: Dice, bets: &[Bet; SEATS]) -> Outcome {
        let outcome = match (self.point, dice.sum()) {
            (None, 7 | 11) => Outcome::Pass,
            (None, sum @ (2 | 3 | 12)) => Outcome::Miss { barred: sum == 12 },
            (Some(point), sum) if sum == point => Outcome::Pass,
            (Some(_), 7) => Outcome::Miss { barred: false },
            (None | Some(_), _) => Outcome::Open,
        };
        let seven_out = self.point.is_some() && matches!(outcome, Outcome::Miss { .. });
        match outcome {
            Outcome::Open => self.point = self.point.or(Some(dice.sum())),
            Outcome::Pass | Outcome::Miss { .. } => {
                self.point = None;
                self.pay(outcome, bets);
            }
        }
        if seven_out {
            self.shooter = (self.shooter + 1) % SEATS;
        }
        outcome
    }

    fn pay(&mut self, outcome: Outcome, bets: &[Bet; SEATS]) {
        for (won, bet) in self.won.iter_mut().zip(bets) {
            *won += match (outcome, bet) {
                (Outcome::Pass, Bet::Pass) | (Outcome::Miss { barred: false }, Bet::DontPass) => {
                    STAKE
                }
                (Outcome::Pass, Bet::DontPass) | (Outcome::Miss { .. }, Bet::Pass) => -STAKE,
                (Outcome::Miss { barred: true }, Bet::DontPass) | (Outcome::Open, _) => 0,
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BETS: [Bet; SEATS] = [Bet::Pass, Bet::DontPass, Bet::Pass];

    #[test]
    fn a_natural_pays_the_pass_line_and_keeps_the_shooter() {
        let mut table = Table::default();
        assert_eq!(table.roll(Dice(3, 4), &BETS), Outcome::Pass);
        assert_eq!((table.stacks(), table.shooter), ([1_010, 990, 1_010], 0));
    }

    #[test]
    fn twelve_on_the_come_out_is_barred() {
        let mut table = Table::default();
        assert_eq!(table.roll(Dice(6, 6), &BETS), Outcome::Miss { barred: true });
        assert_eq!(table.stacks(), [990, 1_000, 990]);
    }

    #[test]
    fn a_seven_before_the_point_passes_the_dice_on() {
        let mut table = Table::default();
        assert_eq!(table.roll(Dice(2, 2), &BETS), Outcome::Open);
        assert_eq!(table.roll(Dice(6, 5), &BETS), Outcome::Open);
        assert_eq!(table.roll(Dice(5, 2), &BETS), Outcome::Miss { barred: false });
        assert_eq!((table.stacks(), table.shooter, table.point), ([990, 1_010, 990], 1, None));
    }

    #[test]
    fn the_point_made_pays_and_the_shooter_goes_on() {
        let mut table = Table::default();
        table.roll(Dice(4, 4), &BETS);
        assert_eq!(table.roll(Dice(6, 2), &BETS), Outcome::Pass);
        assert_eq!((table.shooter, table.point), (0, None));
    }
}
