//! Codes of exceptions: how bad each is, who works on it, what settles it, and what to do about it
//! (`docs/truth.md` §7).

use crate::team::Team;

use Settled::{Accepted, ByHand, ByItself};
use Severity::{Critical, Error, Info, Warning};
use Team::{It, Operations};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Somebody should look at it.
    Warning,
    /// An event was not counted, or should not have been.
    Error,
    /// Much may be wrong.
    Critical,
}

impl Severity {
    /// The name in outputs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Critical => "critical",
        }
    }
}

/// What settles an exception.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// An event under its key that is accepted.
    Accepted,
    /// That what it tells of is so no more: when.
    ByItself(&'static str),
    /// A person who resolves it, or the void of its event.
    ByHand,
}

/// What is to be known of a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code {
    /// Its name.
    pub name: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// Who works on it, unless the configuration says otherwise.
    pub owner: Team,
    /// What settles it.
    pub settled: Settled,
    /// What to do about it, in words.
    pub cure: &'static str,
}

/// What is to be known of a code that a type of somebody's own raises.
pub const OF_ITS_OWN: Code = Code {
    name: "",
    severity: Error,
    owner: It,
    settled: ByHand,
    cure: "a type of your own raises it each time; do what it asks for, then: tallystick exceptions resolve NUMBER; or: tallystick exceptions discard NUMBER --note WHY",
};

/// All codes that are built in, by name.
pub const CODES: [Code; 40] = [
    Code {
        name: "claim_below_zero",
        severity: Warning,
        owner: Operations,
        settled: ByItself("it is so no more"),
        cure: "nothing was freed that others hold; send the claim that is missing, or void the release that was sent twice: tallystick trail SKU LOCATION shows both. It settles itself",
    },
    Code {
        name: "closed_line",
        severity: Warning,
        owner: Operations,
        settled: ByItself("it is so no more"),
        cure: "find out which is right, the close or what came after it: tallystick claims --document DOCUMENT; void the wrong one, or state the line again if more is to go",
    },
    Code {
        name: "conflict",
        severity: Error,
        owner: It,
        settled: ByHand,
        cure: "the source must use a new id for a new event; if the second is right, send it as event.corrected, then: tallystick exceptions resolve NUMBER; if the first is: tallystick exceptions discard NUMBER --note WHY",
    },
    Code {
        name: "contributor",
        severity: Info,
        owner: It,
        settled: ByHand,
        cure: "nothing, if both systems should say this: tallystick exceptions discard NUMBER --note WHY; else give the source another role in [[ownership.rules]]: tallystick policy apply FILE",
    },
    Code {
        name: "count_beyond_history",
        severity: Error,
        owner: Operations,
        settled: ByHand,
        cure: "count again now and send it under a new id, or raise engine.history_max; then: tallystick exceptions resolve NUMBER",
    },
    Code {
        name: "document_clash",
        severity: Warning,
        owner: It,
        settled: ByItself("it is so no more"),
        cure: "if both mean one order, let one of them state it ([[ownership.rules]]); if not, keep their numbers apart with documents in [sources.NAME]: tallystick policy apply FILE",
    },
    Code {
        name: "duplicate_suspect",
        severity: Warning,
        owner: Operations,
        settled: ByHand,
        cure: "compare the two events; if they are one, send event.voided for the second, which settles it; if they are two: tallystick exceptions resolve NUMBER",
    },
    Code {
        name: "exception_flood",
        severity: Critical,
        owner: It,
        settled: ByHand,
        cure: "look at the source that sent the message; put right what its file or program says (tallystick check FILE), and send it again under the same ids; then: tallystick exceptions resolve NUMBER",
    },
    Code {
        name: "foreign_subject",
        severity: Error,
        owner: It,
        settled: ByHand,
        cure: "find out which system may use that subject: it sent this, whatever the event says. If it speaks for both sources, let it send each one's events on that one's own subject; if it lies, stop it. Then: tallystick exceptions discard NUMBER --note WHY",
    },
    Code {
        name: "insufficient",
        severity: Warning,
        owner: Operations,
        settled: ByHand,
        cure: "ask again for the quantity or the date that the cause names, under a new id: tallystick reserve SKU LOCATION QUANTITY; then: tallystick exceptions resolve NUMBER",
    },
    Code {
        name: "late",
        severity: Info,
        owner: It,
        settled: ByHand,
        cure: "nothing, if this was a delay: tallystick exceptions discard NUMBER --note WHY; if it happens often, raise gap_wait or look at the transport (tallystick sources)",
    },
    Code {
        name: "log_time_jump",
        severity: Critical,
        owner: It,
        settled: ByHand,
        cure: "set the clock of the bus's server right; look at what its message said without a time, and void what is wrong; then: tallystick exceptions resolve NUMBER. engine.log_time_jump_max decides what is too far",
    },
    Code {
        name: "loop",
        severity: Error,
        owner: It,
        settled: Accepted,
        cure: "find the two systems that send each other's changes back, and stop one; if the way is that long, raise echo.hops_max (tallystick policy apply FILE). Then: tallystick exceptions repair --code loop",
    },
    Code {
        name: "malformed",
        severity: Error,
        owner: It,
        settled: Accepted,
        cure: "correct the event here (tallystick exceptions repair NUMBER --set FIELD=VALUE), or at its source, and send it again under the same id",
    },
    Code {
        name: "mass_change",
        severity: Critical,
        owner: Operations,
        settled: ByItself("the decision"),
        cure: "find out whether the source meant it, then: tallystick exceptions approve NUMBER, or: tallystick exceptions deny NUMBER; mass_change_percent in [approvals] decides",
    },
    Code {
        name: "negative_stock",
        severity: Warning,
        owner: Operations,
        settled: ByItself("`on_hand` is zero or more again"),
        cure: "send the receipt that is missing, or count the position and send stock.counted; tallystick trail SKU LOCATION shows what moved it. It settles itself",
    },
    Code {
        name: "not_owner",
        severity: Error,
        owner: It,
        settled: Accepted,
        cure: "if the source is right, give it a role in [[ownership.rules]] or a table in [sources] (tallystick policy apply FILE; the file has all of that table). Then: tallystick exceptions repair --code not_owner",
    },
    Code {
        name: "over_protected",
        severity: Warning,
        owner: Operations,
        settled: ByItself("there is enough again"),
        cure: "lower a protection (protection.set), or accept that the first channel that comes is served first: tallystick exceptions discard NUMBER --note WHY",
    },
    Code {
        name: "over_release",
        severity: Warning,
        owner: Operations,
        settled: ByItself("the release is taken back"),
        cure: "nothing more was given back than was held; if a release was sent twice, void it; else: tallystick exceptions resolve NUMBER",
    },
    Code {
        name: "overflow",
        severity: Critical,
        owner: It,
        settled: ByHand,
        cure: "check the unit of measure and the history of this position (tallystick trail SKU LOCATION); then: tallystick exceptions resolve NUMBER",
    },
    Code {
        name: "pending_approval",
        severity: Warning,
        owner: Operations,
        settled: ByItself("the decision"),
        cure: "compare before and after, then: tallystick exceptions approve NUMBER, or: tallystick exceptions deny NUMBER; the limits stand in [approvals]",
    },
    Code {
        name: "quantity_invalid",
        severity: Error,
        owner: Operations,
        settled: Accepted,
        cure: "correct the quantity: tallystick exceptions repair NUMBER --set quantity=QUANTITY; or at its source, under the same id",
    },
    Code {
        name: "receipt_variance",
        severity: Warning,
        owner: Operations,
        settled: ByItself("the line fits"),
        cure: "compare what came with the purchase; correct the receipt, or accept it: tallystick exceptions resolve NUMBER; tolerance in [receipts] decides",
    },
    Code {
        name: "reservation_at_risk",
        severity: Error,
        owner: Operations,
        settled: ByItself("it is covered again"),
        cure: "bring supply forward, or void one of the reservations that are named: tallystick void SOURCE/ID; or ask for a later day",
    },
    Code {
        name: "sequence_gap",
        severity: Critical,
        owner: It,
        settled: ByItself("all its numbers came after all"),
        cure: "find out what became of these events and send them again under the same ids: they are applied, and each is told as late (all at once: tallystick exceptions discard --code late --source SOURCE --note WHY); if they never were: tallystick exceptions discard NUMBER --note WHY",
    },
    Code {
        name: "sequence_missing",
        severity: Error,
        owner: It,
        settled: Accepted,
        cure: "give it its number: tallystick exceptions repair NUMBER --set sequence=NEXT; or declare the source's order as \"arrival\" (tallystick policy apply FILE), then: tallystick exceptions repair NUMBER",
    },
    Code {
        name: "ship_without_pick",
        severity: Warning,
        owner: Operations,
        settled: ByItself("it is so no more"),
        cure: "if this source never tells of picks, set [[shipping]] from = \"on_hand\" for it: tallystick policy apply FILE; else find the pick that is missing",
    },
    Code {
        name: "short_pick",
        severity: Warning,
        owner: Operations,
        settled: ByHand,
        cure: "count the location, allocate the rest of the order elsewhere (tallystick atp SKU), then: tallystick exceptions resolve NUMBER",
    },
    Code {
        name: "source_lag",
        severity: Warning,
        owner: It,
        settled: ByItself("the source is on time again"),
        cure: "look at the source and its transport: tallystick sources SOURCE; alert_lag in [sources] decides what is too late",
    },
    Code {
        name: "source_refusals",
        severity: Critical,
        owner: It,
        settled: ByItself("a run with fewer refusals"),
        cure: "look at what was refused: tallystick exceptions list --source SOURCE; alert_refusals_percent in [sources] decides what is too much",
    },
    Code {
        name: "supply_overdue",
        severity: Warning,
        owner: Operations,
        settled: ByItself("the line is in order again"),
        cure: "ask the supplier, and reschedule, receive or cancel the line (supply.rescheduled, stock.received, supply.cancelled); tallystick atp SKU LOCATION --horizon shows it",
    },
    Code {
        name: "time_out_of_bounds",
        severity: Error,
        owner: It,
        settled: Accepted,
        cure: "correct the clock of the source: tallystick exceptions repair NUMBER --set time=TIME; or let it be late with max_age in [sources.SOURCE] (tallystick policy apply FILE; the file has all of [sources]), then: tallystick exceptions repair NUMBER",
    },
    Code {
        name: "too_large",
        severity: Error,
        owner: It,
        settled: ByHand,
        cure: "send a smaller event under the same id, unknown fields count too; then: tallystick exceptions resolve NUMBER",
    },
    Code {
        name: "transfer_overdue",
        severity: Warning,
        owner: Operations,
        settled: ByItself("the dispatch was taken"),
        cure: "ask where the goods are; send transfer.received, or event.voided for the dispatch that the cause names (tallystick trace DISPATCH shows it); age in [transfers] decides what is too long",
    },
    Code {
        name: "unallocated_pick",
        severity: Warning,
        owner: Operations,
        settled: ByItself("it is so no more"),
        cure: "allocate before picking; if this warehouse does not, set [claims] unallocated_pick = \"allow\": tallystick policy apply FILE",
    },
    Code {
        name: "unknown_item",
        severity: Info,
        owner: It,
        settled: ByItself("its definition"),
        cure: "send item.defined for it, or for the item that it is an alias of; [master] mode decides who asks (tallystick policy apply FILE)",
    },
    Code {
        name: "unknown_location",
        severity: Info,
        owner: It,
        settled: ByItself("its definition"),
        cure: "send location.defined for it, or for the location that it is an alias of; [master] mode decides who asks (tallystick policy apply FILE)",
    },
    Code {
        name: "unknown_reference",
        severity: Error,
        owner: It,
        settled: Accepted,
        cure: "send first what the cause names, or correct the name; then: tallystick exceptions repair NUMBER; an id that was answered already needs a new one",
    },
    Code {
        name: "unknown_type",
        severity: Error,
        owner: It,
        settled: Accepted,
        cure: "add the type to [types], or an alias for it (tallystick policy apply FILE), then: tallystick exceptions repair --code unknown_type; or correct it: tallystick exceptions repair NUMBER --set type=TYPE",
    },
    Code {
        name: "unregistered_source",
        severity: Warning,
        owner: It,
        settled: ByHand,
        cure: "name the source in [[ownership.rules]], or give it a table in [sources] (tallystick policy apply FILE), and send what was only observed again under new ids; then: tallystick exceptions resolve NUMBER",
    },
];

/// What is to be known of a code.
///
/// ```
/// use tallystick_contract::{codes::Severity, codes::find, team::Team};
///
/// let conflict = find("conflict");
/// assert_eq!((conflict.severity, conflict.owner), (Severity::Error, Team::It));
/// assert_eq!(find("one_of_mine"), find("another_of_mine")); // codes of one's own share what is to be known
/// ```
pub fn find(name: &str) -> &'static Code {
    CODES.binary_search_by_key(&name, |code| code.name).map_or(&OF_ITS_OWN, |place| &CODES[place])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_in_order_and_have_cures_of_their_own() {
        assert!(CODES.is_sorted_by(|one, other| one.name < other.name));
        for (place, code) in CODES.iter().enumerate() {
            assert_eq!(find(code.name), code);
            assert!(CODES[..place].iter().all(|other| other.cure != code.cure), "{}", code.name);
        }
        for code in CODES.iter().chain([&OF_ITS_OWN]) {
            assert!(code.cure.contains("tallystick "), "{}: no command mends it", code.name);
        }
        assert_eq!(*find("of_my_own"), OF_ITS_OWN);
    }
}
