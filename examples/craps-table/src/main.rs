//! A dice table over three pointsman nodes, with a selector of its own.
//!
//! Three players, each a node with two uplinks, roll dice that none of them can load. Halfway
//! one node's uplink goes silent, and another node's policy is exchanged; the table plays on.
//! At the end all three must have seen the same rolls and keep the same books.

#![expect(clippy::print_stdout, reason = "what happens at the table is its output")]

mod dice;
mod house;
mod rules;
mod seat;

use std::path::PathBuf;

use anyhow::{Context, ensure};
use clap::Parser;
use pointsman::{Pointsman, SwapOrder};
use pointsman_core::config::Module;
use pointsman_core::policy::Role;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use rules::{Bet, Outcome, SEATS, Table};
use seat::{Played, Seat};

/// Three nodes play craps over their own policy.
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "Examples:
  cargo run -p craps-table                  a short game
  cargo run -p craps-table -- --rolls 200   a long one"
)]
struct Arguments {
    /// How many rolls
    #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u32).range(4..=100_000))]
    rolls: u32,
    /// The selector of all three nodes, as `./x examples` builds it
    #[arg(long, default_value = "target/examples/craps-table.wasm")]
    policy: PathBuf,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let policy = std::path::absolute(&arguments.policy)?;
    ensure!(policy.is_file(), "{}: not there; build it with ./x examples", policy.display());
    let folder = tempfile::tempdir()?;
    let nodes = nodes(folder.path(), &policy).await?;
    let peers = nodes.each_ref().map(|node| node.about().peer);
    let (told, mut played) = mpsc::channel(64);
    let mut game = JoinSet::new();
    for (node, bet) in nodes.iter().zip([Bet::Pass, Bet::DontPass, Bet::Pass]) {
        let seat = Seat::new(node.clone(), peers, bet)?;
        game.spawn(seat.play(arguments.rolls, told.clone()));
    }
    drop(told);
    while let Some(roll) = played.recv().await {
        if roll.seat == 0 {
            println!("{}", line(&roll));
            meanwhile(&nodes, roll.roll, arguments.rolls).await?;
        }
    }
    let mut books = Vec::new();
    while let Some(seat) = game.join_next().await {
        books.push(seat??);
    }
    close(&nodes, &books).await
}

async fn nodes(
    folder: &std::path::Path,
    policy: &std::path::Path,
) -> anyhow::Result<[Pointsman; SEATS]> {
    let mut there = Vec::new();
    for number in 0..SEATS {
        let node = house::start(folder, number, policy, &there).await?;
        let addresses = house::listening(&node).await?;
        there.push((node, addresses));
    }
    for (node, _) in &there {
        house::linked(node, SEATS - 1).await?;
    }
    let nodes: Vec<_> = there.into_iter().map(|(node, _)| node).collect();
    nodes.try_into().ok().context("as many nodes as seats")
}

/// What goes wrong, and what is exchanged, while the game goes on.
async fn meanwhile(nodes: &[Pointsman; SEATS], roll: u32, rolls: u32) -> anyhow::Result<()> {
    let [first, second, _] = nodes;
    let wifi = house::UPLINKS[0];
    if roll == rolls / 3 {
        let swapped = second.swap_policy(fastest_first()).await?;
        println!("        the selector of seat 1 is exchanged: {}", swapped.live.seated.title());
    } else if roll == 2 * rolls / 3 {
        let back = second.roll_back_policy(Role::Selector, "the table".to_owned()).await?;
        println!("        and is {} again", back.live.seated.title());
    }
    if roll == rolls / 4 {
        first.set_cut(wifi, true, true).await??;
        println!("        the wifi of seat 0 goes silent");
    } else if roll == rolls / 2 {
        first.set_cut(wifi, false, false).await??;
        println!("        the wifi of seat 0 is back");
    }
    Ok(())
}

/// The order for the shipped selector.
fn fastest_first() -> SwapOrder {
    SwapOrder {
        role: Role::Selector,
        module: Module::Embedded("fastest-first".to_owned()),
        settings: Some(Vec::new()),
        force: false,
        allow_downgrade: false,
        who: "the table".to_owned(),
    }
}

fn line(played: &Played) -> String {
    let Played { roll, shooter, dice, outcome, point, stacks, took, .. } = played;
    let what = match (outcome, point) {
        (Outcome::Pass, _) => "pass".to_owned(),
        (Outcome::Miss { barred: true }, _) => "twelve, barred".to_owned(),
        (Outcome::Miss { barred: false }, _) => "miss".to_owned(),
        (Outcome::Open, Some(point)) => format!("point {point}"),
        (Outcome::Open, None) => "open".to_owned(),
    };
    format!(
        "roll {roll:>4}  seat {shooter}  {} + {} = {:>2}  {what:<15} {stacks:?}  {:.1} ms",
        dice.0,
        dice.1,
        dice.sum(),
        took.as_secs_f64() * 1e3
    )
}

/// The books must agree; then everybody goes home.
async fn close(nodes: &[Pointsman; SEATS], books: &[Table]) -> anyhow::Result<()> {
    for node in nodes {
        for policy in node.policies().await? {
            if policy.role == "selector" {
                println!("        {} answered {} questions", policy.name, policy.asked);
            }
        }
        node.shutdown().await;
    }
    let agreed = books.windows(2).all(|pair| pair[0] == pair[1]);
    ensure!(agreed && books.len() == SEATS, "the books differ: {books:?}");
    println!("the books of all {SEATS} seats agree: {:?}", books[0].stacks());
    Ok(())
}
