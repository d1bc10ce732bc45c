//! A stock event as it is posted: what it gives to which accounts, and takes from them.

use std::collections::BTreeMap;

use tallystick_contract::account::Account;
use tallystick_contract::balance::PositionKey;
use tallystick_contract::config::Leaving;
use tallystick_contract::outcome::Outcome;
use tallystick_contract::rules::{self, End, Flow, QuantityRule};

use super::body::{Body, Key};
use super::position::Position;

/// A stock event as it is posted.
#[derive(Debug, Clone)]
pub(super) struct Posting {
    /// No other has it.
    pub(super) number: u64,
    /// The event's key.
    pub(super) key: Key,
    /// In our names and units.
    pub(super) body: Body,
    pub(super) time_ns: i64,
    /// As a count.
    pub(super) rank: [i64; 3],
    /// Under which name its document's number is kept.
    pub(super) names: String,
    /// How goods leave there.
    pub(super) leaving: Leaving,
}

/// The positions that are touched, as they would be afterwards.
pub(super) struct Plan {
    /// In the order in which they are named, with whether anything can be seen to have happened.
    pub(super) after: Vec<(PositionKey, Position, bool)>,
    pub(super) outcome: Outcome,
}

impl Posting {
    pub(super) fn is_count(&self) -> bool {
        self.body.rule.quantity == QuantityRule::Count
    }

    /// The event's own position and, for a transfer, the other one.
    pub(super) fn touched(&self) -> Vec<PositionKey> {
        let mut keys = vec![self.body.key()];
        keys.extend(self.body.rule.needs_to_location.then(|| self.body.remote_key()));
        keys
    }

    /// What each account of each position gains. A sum of zero moves nothing and is no leg.
    pub(super) fn legs(&self) -> BTreeMap<(PositionKey, Account), i128> {
        let body = &self.body;
        let key = |is_remote: bool| if is_remote { body.remote_key() } else { body.key() };
        let mut legs = BTreeMap::new();
        for posting in &body.rule.postings {
            let [mut from, to] = ends(*posting, body);
            let ships = body.rule.step.is_some_and(|step| step.flow == Flow::Ship);
            if ships && from == Account::Picked && self.leaving.is_from_on_hand {
                from = Account::OnHand;
            }
            *legs.entry((key(posting.from_remote), from)).or_default() -= i128::from(body.quantity);
            *legs.entry((key(posting.to_remote), to)).or_default() += i128::from(body.quantity);
        }
        legs.retain(|(_, account), amount| *account != Account::Free && *amount != 0 && !self.is_left_out(*account));
        legs
    }

    /// What has a document claims through its line; and where nobody allocates, a pick takes nothing that was.
    pub(super) fn is_left_out(&self, account: Account) -> bool {
        let Some(step) = self.body.rule.step else { return false };
        if self.body.document.is_empty() {
            let picks = step.flow == Flow::Pick && !step.is_back;
            return picks && account == Account::Allocated && !self.leaving.allocates;
        }
        step.is_demand() && matches!(account, Account::Reserved | Account::Allocated)
    }

    /// Whether all that it moves on hand lies at or before the latest counts.
    pub(super) fn is_absorbed(&self, positions: &BTreeMap<PositionKey, Position>) -> bool {
        let legs = self.legs();
        let mut on_hand = legs.keys().filter(|(_, account)| *account == Account::OnHand).peekable();
        on_hand.peek().is_some() && on_hand.all(|(key, _)| positions[key].is_behind_count(self.time_ns))
    }
}

/// The accounts that a posting joins.
pub(super) fn ends(posting: rules::Posting, body: &Body) -> [Account; 2] {
    [posting.from, posting.to].map(|end| match end {
        End::Fixed(account) => account,
        End::FromStatus => body.from_status.expect("decoding resolved it"),
        End::ToStatus => body.to_status.expect("decoding resolved it"),
    })
}
