//! The model by itself: stories with their sums worked out by hand.

use super::shelf::{Shelf, World};
use super::told::{Line, Says, Spot, Told};

const DC1: Spot = ("DC1", "");
const DC2: Spot = ("DC2", "");
const HOUR: i64 = 3_600;

/// A story: each message comes when it holds, minute by minute, about SO-1/1 at DC1 unless it is told otherwise.
struct Story(Vec<Told>);

impl Story {
    fn with(received: i64) -> Self {
        Self(Vec::new()).loose(Says::Received(received))
    }

    fn told(mut self, (document, line): (Option<&'static str>, Line), at: Spot, says: Says) -> Self {
        let id = self.0.len();
        let time = 60 * i64::try_from(id).unwrap();
        self.0.push(Told { id, source: "a", time, arrived: time, at, document, line, says });
        self
    }

    fn say(self, says: Says) -> Self {
        self.told((Some("SO-1"), Line::Number(1)), DC1, says)
    }

    fn at(self, at: Spot, says: Says) -> Self {
        self.told((Some("SO-1"), Line::Number(1)), at, says)
    }

    fn other(self, says: Says) -> Self {
        self.told((Some("SO-2"), Line::Number(1)), DC1, says)
    }

    fn loose(self, says: Says) -> Self {
        self.told((None, Line::Missing), DC1, says)
    }

    fn close(self) -> Self {
        self.told((Some("SO-1"), Line::Missing), ("", ""), Says::Closed)
    }

    fn world(&self) -> World {
        World::new(&self.0, HOUR)
    }

    fn shelf(&self, at: Spot) -> Shelf {
        self.world().shelves[&at].clone()
    }

    fn atp(&self) -> i64 {
        self.shelf(DC1).atp(0)
    }

    /// Checks the figure in each order in which the story can be told; what is told keeps its time.
    fn check_orders(&self, atp: i64) {
        let mut order: Vec<usize> = (0..self.0.len()).collect();
        for turn in 0..order.len() * 3 {
            let told: Vec<Told> = order.iter().map(|place| self.0[*place].clone()).collect();
            assert_eq!(World::new(&told, HOUR).shelves[&DC1].atp(0), atp, "turn {turn}");
            order.rotate_left(1);
            order.swap(0, turn % self.0.len());
        }
    }
}

const fn order(quantity: i64, day: i64) -> Says {
    Says::Order { quantity: Some(quantity), day: Some(day) }
}

const fn hold(quantity: i64, ttl: Option<i64>) -> Says {
    Says::Requested { quantity, day: None, ttl }
}

const fn post(hold: usize) -> Says {
    Says::Posted { hold, quantity: None, keep: false }
}

const fn ship(quantity: i64) -> Says {
    Says::Shipped { quantity, from_picked: true, is_final: false }
}

const fn allocate(quantity: i64, converted: bool) -> Says {
    Says::Allocated { quantity, converted }
}

#[test]
fn a_hold_that_was_shipped_and_never_posted_ends_with_its_order() {
    let open = Story::with(100).say(hold(5, None)).say(Says::Picked(5)).say(ship(5));
    assert_eq!(open.atp(), 95);
    open.close().check_orders(95);
}

#[test]
fn picks_that_nobody_allocated_leave_what_is_there() {
    let story = Story::with(10).loose(Says::Picked(8)).loose(ship(8));
    let shelf = story.shelf(DC1);
    assert_eq!((shelf.on_hand, shelf.allocated, shelf.atp(0)), (2, -8, 2));
    let story = story.other(hold(10, None));
    assert!(!story.world().fits(story.0.last().unwrap()), "10 are not there");
    // 10 − 8 = 2 on the shelf, 5 allocated for somebody else.
    assert_eq!(Story::with(10).other(allocate(5, false)).say(Says::Picked(8)).atp(), -3);
}

#[test]
fn what_was_never_allocated_gives_nothing_back() {
    assert_eq!(Story::with(100).say(Says::Deallocated(3)).atp(), 100);
    assert_eq!(Story::with(100).loose(Says::Deallocated(3)).atp(), 100);
}

#[test]
fn a_hold_that_lapses_under_an_allocation_stays_claimed_once() {
    let story = Story::with(100).say(hold(5, Some(600))).say(allocate(5, true));
    assert_eq!((story.atp(), World::new(&story.0, 300).shelves[&DC1].atp(0)), (95, 95));
    story.check_orders(95);
    let gone = Story::with(100).say(hold(5, Some(600)));
    assert_eq!((gone.atp(), World::new(&gone.0, 300).shelves[&DC1].atp(0)), (100, 95));
}

#[test]
fn an_order_does_not_compete_with_itself() {
    let story = Story::with(10).say(order(10, 0)).say(hold(10, None));
    assert!(story.world().fits(&story.0[2]));
    assert_eq!(story.atp(), 0);
    let story = Story::with(10).say(hold(6, None)).say(hold(6, None));
    assert!(!story.world().fits(&story.0[2]), "12 are held of 10");
    let story = Story::with(10).say(hold(6, None)).say(hold(4, None));
    assert!(story.world().fits(&story.0[2]));
}

#[test]
fn an_order_line_counts_once_beside_its_hold() {
    Story::with(100).say(hold(10, None)).say(post(1)).say(order(10, 3)).check_orders(90);
}

#[test]
fn a_closed_order_claims_nothing() {
    Story::with(100).say(hold(10, None)).say(post(1)).say(Says::Picked(7)).say(ship(7)).close().check_orders(93);
    let cut = Story::with(100).say(order(100, 0)).say(allocate(100, false)).say(order(75, 0));
    assert_eq!(cut.atp(), 0, "a cut of the order cuts no allocation");
    let cut = cut.say(Says::Picked(75)).say(ship(75));
    assert_eq!(cut.atp(), 25, "75 of 75 shipped: closed by quantity");
    cut.close().check_orders(25);
}

#[test]
fn the_later_statement_holds() {
    Story::with(100).say(order(10, 0)).say(order(4, 0)).say(order(7, 0)).check_orders(93);
}

#[test]
fn a_shipment_without_a_pick_is_not_on_the_shelf() {
    let story = Story::with(100).say(ship(5));
    let shelf = story.shelf(DC1);
    assert_eq!((shelf.on_hand, shelf.picked, shelf.unpicked, shelf.atp(0)), (100, -5, 5, 95));
    // A batch pick serves the lines that ship; the pick takes the shelf.
    assert_eq!(story.loose(Says::Picked(8)).shelf(DC1).unpicked, 0);
    // Other lines' picks that were not shipped are what a shipment without a document takes first.
    let story = Story::with(100).say(Says::Picked(5)).loose(ship(5));
    assert_eq!((story.shelf(DC1).unpicked, story.atp()), (0, 95));
    assert_eq!(story.loose(ship(2)).shelf(DC1).unpicked, 2);
}

#[test]
fn an_order_line_and_the_sale_of_it_are_one() {
    let sale = Says::Shipped { quantity: 4, from_picked: false, is_final: false };
    Story::with(100).say(order(6, 0)).say(sale).check_orders(94);
}

#[test]
fn what_is_picked_and_sold_leaves_once() {
    let sale = |quantity| Says::Shipped { quantity, from_picked: false, is_final: false };
    // 5 picked, 5 sold: 95, and nothing is left in `picked`. A count between them changes nothing.
    let story = Story::with(100).say(order(5, 0)).say(Says::Picked(5)).say(sale(5));
    assert_eq!((story.shelf(DC1).on_hand, story.shelf(DC1).picked), (95, 0));
    story.check_orders(95);
    Story::with(100).say(Says::Picked(5)).loose(Says::Counted(95)).say(sale(5)).check_orders(95);
    Story::with(100).say(sale(5)).loose(Says::Counted(95)).say(Says::Picked(5)).check_orders(95);
    // 5 picked, 2 shipped and 2 sold: 5 have left, one of them waits to be shipped.
    let story = Story::with(100).say(Says::Picked(5)).say(ship(2)).say(sale(2));
    assert_eq!((story.shelf(DC1).on_hand, story.shelf(DC1).picked, story.atp()), (95, 1, 95));
    // 3 shipped that nobody picked, 2 sold: the shelf moves by 5, and nothing is unpicked.
    let story = Story::with(100).say(ship(3)).say(sale(2));
    assert_eq!((story.shelf(DC1).on_hand, story.shelf(DC1).unpicked, story.atp()), (95, 0, 95));
    // Other lines are other units.
    Story::with(100).say(Says::Picked(5)).other(sale(5)).check_orders(90);
}

#[test]
fn what_is_unreserved_after_it_has_gone_is_the_same_unit() {
    let story = Story::with(100).say(Says::Reserved(10)).say(Says::Picked(6)).say(ship(6)).say(Says::Unreserved(6));
    // 94 on the shelf, 10 reserved less 6 gone.
    assert_eq!(story.atp(), 90);
    assert_eq!(story.say(Says::Unreserved(4)).atp(), 94);
}

#[test]
fn a_line_is_opened_by_what_comes_after_its_closing() {
    let story = Story::with(100).say(hold(10, None)).say(Says::Picked(4)).say(ship(4)).close();
    assert_eq!(story.atp(), 96);
    // base 4, allocated 3: A = 7, 4 of them gone.
    assert_eq!(story.say(allocate(3, false)).atp(), 93);
    // Closed by quantity, and asked for again: base 10, H 2, so HT = 12, 10 of them gone.
    let story = Story::with(100).say(order(10, 0)).say(Says::Picked(10)).say(ship(10)).say(hold(2, None));
    assert_eq!(story.atp(), 88);
}

#[test]
fn a_hold_goes_back_in_parts() {
    let part = Says::Posted { hold: 1, quantity: Some(4), keep: true };
    // 4 posted, 6 still held; then 2 of them given back, then what is left changes to 3.
    let story = Story::with(100).say(hold(10, None)).say(part);
    let shelf = story.shelf(DC1);
    assert_eq!((shelf.allocated, shelf.reserved, shelf.atp(0)), (4, 6, 90));
    let story = story.say(Says::Voided { hold: 1, quantity: Some(2) });
    assert_eq!(story.atp(), 92);
    let story = story.say(Says::Changed { hold: 1, quantity: Some(3), ttl: None });
    story.check_orders(93);
    assert_eq!(story.say(post(1)).shelf(DC1).allocated, 7);
}

#[test]
fn a_line_of_several_positions_is_one_line() {
    // The whole is stated at DC1, and held at DC2: 10 in all, claimed where it is held.
    let story = Story::with(100).at(DC2, Says::Received(100)).say(order(10, 0)).at(DC2, hold(10, None));
    assert_eq!((story.atp(), story.shelf(DC2).atp(0)), (100, 90));
    // Without a statement of the order the claims add up.
    let story = Story::with(100).at(DC2, Says::Received(100)).say(Says::Reserved(10)).at(DC2, hold(10, None));
    assert_eq!((story.atp(), story.shelf(DC2).atp(0)), (90, 90));
    // Closed at one location, by word: what is stated at the other stays.
    let end = Says::Shipped { quantity: 3, from_picked: true, is_final: true };
    let story = Story::with(100).at(DC2, Says::Received(100)).say(order(5, 0)).at(DC2, order(5, 0));
    let story = story.say(Says::Picked(3)).say(end);
    assert_eq!((story.atp(), story.shelf(DC2).atp(0)), (97, 95));
}

#[test]
fn what_has_no_line_goes_to_the_lines() {
    let second = (Some("SO-1"), Line::Number(2));
    let none = || (Some("SO-1"), Line::Missing);
    let story = Story::with(100).say(order(5, 0)).told(second, DC1, order(5, 0)).told(none(), DC1, Says::Picked(7));
    // 5 of the first line and 2 of the second have gone: 3 are claimed.
    assert_eq!((story.shelf(DC1).on_hand, story.shelf(DC1).ordered, story.atp()), (93, 3, 90));
    let story = story.told(none(), DC1, ship(7)).told(none(), DC1, Says::Picked(5));
    // What is beyond all lines belongs to none: 88 on the shelf, nothing claimed.
    assert_eq!(story.atp(), 88);
}

#[test]
fn days_count_as_they_come() {
    let story = Story::with(10).say(order(4, 2)).other(Says::Requested { quantity: 3, day: Some(1), ttl: None });
    let shelf = story.shelf(DC1);
    assert_eq!(shelf.left, [10, 7, 3, 3, 3, 3, 3, 3]);
    assert_eq!((shelf.atp(0), shelf.reserved, shelf.ordered), (3, 0, 0));
}
