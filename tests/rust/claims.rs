//! Claims (`docs/claims.md`): whatever an order lives through and in whatever order it is told, it is counted once, and
//! nothing is promised that is not on
//! the shelf. The engine and its twin are held to a slow model.
//!
//! `TALLYSTICK_TEST_SEED` runs the same lives again, `TALLYSTICK_TEST_LIVES` says how many there are.

mod common;

#[path = "claims/facts.rs"]
mod facts;
#[path = "claims/lives.rs"]
mod lives;
#[path = "claims/long.rs"]
mod long;
#[path = "claims/model.rs"]
mod model;
#[path = "../../rust/tables/src/random.rs"]
mod random;
#[path = "claims/sharing.rs"]
mod sharing;
#[path = "claims/shelf.rs"]
mod shelf;
#[path = "claims/stories.rs"]
mod stories;
#[path = "claims/telling.rs"]
mod telling;
#[path = "claims/told.rs"]
mod told;

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

use lives::Life;
use shelf::World;
use telling::{Telling, scatter, was_granted_or_closed};
use told::Says;

/// So many orders of a life are tried where there are more.
const ORDERS: u64 = 24;
/// All orders are tried of lives with at most so many messages behind the receipts.
const ALL_ORDERS_UP_TO: usize = 5;

#[test]
fn every_order_of_the_messages_ends_in_the_same() {
    let skipped = check_lives(false, 120, |life| {
        let (first, refused) = Telling::new(life, true).tell_all(&in_order(life), 0)?;
        if !was_granted_or_closed(life, &refused)? {
            return Ok(1);
        }
        let mut skipped = 0;
        for (turn, order) in (1..).zip(orders(life)) {
            // The twin is slow, and all orders look alike to it: it is asked about a few.
            let (end, refused_here) = Telling::new(life, turn % 8 == 1).tell_all(&order, turn)?;
            let told = || {
                let ids: Vec<_> = order.iter().map(|place| format!("m{}", life.told[*place].id)).collect();
                ids.join(" ")
            };
            // What was posted where a line ended counts towards what all its positions may claim; of a request that was
            // refused there nothing was.
            let is_same = if refused == refused_here {
                end == first
            } else {
                is_at_several(life, &(&refused ^ &refused_here)) || end.but_for_refusals() == first.but_for_refusals()
            };
            if !was_granted_or_closed(life, &refused_here).map_err(|why| format!("told {}: {why}", told()))? {
                skipped += 1;
            } else if !is_same {
                return Err(format!("told {}:\n{end:?}\nand not\n{first:?}", told()));
            }
        }
        Ok(skipped)
    });
    println!("{skipped} orders were left aside: what closed an order was taken back, and a request had been refused");
}

#[test]
fn nothing_is_promised_that_is_not_there() {
    check_lives(true, 300, |life| {
        Telling::new(life, true).tell_all(&in_order(life), 0)?;
        let order = shuffled(life, 1);
        Telling::new(life, true).tell_all(&order, 1)?;
        Ok(0)
    });
}

#[test]
fn a_life_is_the_same_for_the_same_seed() {
    let mut kinds = BTreeSet::new();
    for seed in 0..500 {
        let life = Life::random(seed, seed % 2 == 0);
        assert_eq!(life.json(), Life::random(seed, seed % 2 == 0).json());
        let types = life.told.iter().map(|told| told.json(life.ships_from_shelf)["type"].to_string());
        kinds.extend(types);
        assert!(life.told.iter().all(|told| told.says != Says::Void(told.id)));
    }
    // All that an order can be told: statements 3, reserved and back 2, allocated and back 3, picked and back 2,
    // shipped 2, returned, holds 4, closed 2, void,
    // and of the shelf received and counted.
    assert_eq!(kinds.len(), 22, "{kinds:?}");
}

#[test]
fn the_model_asks_for_no_order() {
    for seed in 0..500 {
        let mut life = Life::random(seed, false);
        let first = World::new(&life.told, 10_000);
        let order = shuffled(&life, 1);
        life.told = order.iter().map(|place| life.told[*place].clone()).collect();
        assert_eq!(World::new(&life.told, 10_000).shelves, first.shelves, "{}", life.json());
        for (at, shelf) in &first.shelves {
            assert!(shelf.left.iter().all(|left| *left <= shelf.on_hand), "{at:?}: {shelf:?}");
        }
    }
}

/// Runs a property over so many lives; what fails is made smaller and shown as lines of JSON. The sum of what the
/// property counts.
fn check_lives(is_scarce: bool, lives: u64, property: impl Fn(&Life) -> Result<usize, String>) -> usize {
    let seed = common::seed();
    let given = std::env::var("TALLYSTICK_TEST_LIVES").ok();
    let lives = given.map_or(lives, |text| text.parse().expect("TALLYSTICK_TEST_LIVES is a number"));
    let holds = |life: &Life| {
        let result = catch_unwind(AssertUnwindSafe(|| property(life)));
        result.unwrap_or_else(|_| Err("it panicked".to_owned()))
    };
    let mut counted = 0;
    for number in 0..lives {
        let life = Life::random(scatter([seed, number, u64::from(is_scarce)]), is_scarce);
        match holds(&life) {
            Ok(count) => counted += count,
            Err(why) => {
                let (life, why) = shrink(life, why, holds);
                panic!("TALLYSTICK_TEST_SEED={seed}, life {number}: {why}\n{}", life.json());
            }
        }
    }
    counted
}

/// Leaves messages away for as long as it fails without them.
fn shrink(mut life: Life, mut why: String, holds: impl Fn(&Life) -> Result<usize, String>) -> (Life, String) {
    let mut place = life.told.len();
    while place > life.receipts {
        place -= 1;
        let mut smaller = life.clone();
        smaller.told.remove(place);
        if let Err(again) = holds(&smaller) {
            (life, why) = (smaller, again);
            place = life.told.len();
        }
    }
    (life, why)
}

/// Whether the document of a request, or of what settles one, is told of at several positions.
fn is_at_several(life: &Life, requests: &BTreeSet<usize>) -> bool {
    let spots = |document: &str| {
        let its = life.told.iter().filter(|told| told.document == Some(document));
        its.map(|told| told.at).collect::<BTreeSet<_>>().len()
    };
    let meant = life.told.iter().filter(|told| requests.contains(&told.id));
    meant.filter_map(|told| told.document).any(|document| spots(document) > 1)
}

fn in_order(life: &Life) -> Vec<usize> {
    (0..life.told.len()).collect()
}

/// An order that stays the same where messages are left away.
fn shuffled(life: &Life, turn: u64) -> Vec<usize> {
    let mut order = in_order(life);
    order[life.receipts..].sort_by_key(|place| scatter([life.seed, !turn, life.told[*place].id as u64]));
    order
}

/// All orders of a short life, and some of a long one.
fn orders(life: &Life) -> Vec<Vec<usize>> {
    let first = in_order(life);
    let length = first.len() - life.receipts;
    if length > ALL_ORDERS_UP_TO {
        return (0..ORDERS).map(|turn| shuffled(life, turn)).collect();
    }
    let mut orders = vec![first];
    for place in life.receipts..orders[0].len() {
        let swapped = |order: &Vec<usize>, other: usize| {
            let mut order = order.clone();
            order.swap(place, other);
            order
        };
        orders = orders.iter().flat_map(|order| (place..order.len()).map(move |other| swapped(order, other))).collect();
    }
    orders
}
