//! What a line claims of a position, by bucket (`docs/claims.md` §2).

use std::collections::BTreeMap;

use tallystick_contract::balance::PositionKey;

use super::view::Figures;

/// A claim as it is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Claim {
    pub(crate) ordered: i128,
    pub(crate) reserved: i128,
    pub(crate) allocated: i128,
}

impl Claim {
    pub(crate) fn total(self) -> i128 {
        self.ordered + self.reserved + self.allocated
    }
}

/// What is claimed from each bucket on in which it is another than before; the first is bucket 0.
pub(crate) type Curve = Vec<(i64, Claim)>;

/// Before every day.
pub(crate) const AT_ONCE: i64 = i64::MIN;

/// The bucket of everything.
pub(crate) const ALL_DAYS: i64 = i64::MAX;

/// What is claimed up to a bucket.
pub(crate) fn at(curve: &Curve, bucket: i64) -> Claim {
    curve.iter().rev().find(|(from, _)| *from <= bucket).map_or_else(Claim::default, |(_, claim)| *claim)
}

/// The figures of a position up to a bucket.
pub(crate) struct UpTo {
    pub(crate) order: i128,
    pub(crate) held: i128,
    pub(crate) taken: i128,
}

pub(crate) fn claim(figures: &Figures, up_to: &UpTo) -> Claim {
    let sums = &figures.sums;
    let gone = sums.gone();
    let hard = (sums.hard().max(up_to.taken) - gone).max(0);
    let soft = (sums.soft().max(sums.hard()).max(up_to.held) - gone).max(0).max(hard);
    let all = (up_to.order - gone).max(soft);
    Claim { ordered: all - soft, reserved: soft - hard, allocated: hard }
}

/// Takes off what is beyond what all positions together may claim: first what only the order asks, then what is only
/// reserved, then the rest.
pub(crate) fn take_off(claims: &mut BTreeMap<PositionKey, Claim>, most: i128) {
    let mut beyond = claims.values().map(|claim| claim.total()).sum::<i128>() - most;
    let parts: [fn(&mut Claim) -> &mut i128; 3] =
        [|claim| &mut claim.ordered, |claim| &mut claim.reserved, |claim| &mut claim.allocated];
    for part in parts {
        for claim in claims.values_mut() {
            let part = part(claim);
            let here = beyond.min(*part).max(0);
            *part -= here;
            beyond -= here;
        }
    }
}
