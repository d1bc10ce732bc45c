//! The kernel: what can be promised of one position, from what is there, what comes and what goes (`docs/promise.md`
//! §3). Pure arithmetic over buckets; every published variant is a view of it. Amounts are thousandths.

pub(crate) mod timeline;

pub use tallystick_contract::config::Mode;
pub use timeline::{Span, Timeline};

/// Stands for supply without a limit, beyond the fence.
pub const UNLIMITED: i64 = i64::MAX;

/// One position over a horizon of buckets.
#[derive(Debug, Clone, Copy)]
pub struct Problem<'a> {
    /// What is there in bucket 0, less all claims.
    pub on_hand: i64,
    /// What comes, by bucket; as many as the horizon has.
    pub supply: &'a [i64],
    /// What goes, by bucket; as many.
    pub demand: &'a [i64],
    /// What must be left, by bucket; as many.
    pub safety: &'a [i64],
    /// For so many buckets supply can serve demand.
    pub window: Option<usize>,
    /// From this bucket on supply is unlimited.
    pub fence: Option<usize>,
    /// Whether `backward_accumulated` carries a shortage on, instead of forgetting it as Oracle's published rule does.
    pub carry_shortage: bool,
}

/// The figure of every bucket in a mode; [`UNLIMITED`] beyond the fence.
///
/// ```
/// use tallystick_engine::atp::{Mode, Problem, figures};
///
/// // 10 are there, 5 come tomorrow, 12 go the day after.
/// let (on_hand, supply, demand, safety) = (10_000, &[0, 5_000, 0], &[0, 0, 12_000], &[0, 0, 0]);
/// let problem = Problem { on_hand, supply, demand, safety, window: None, fence: None, carry_shortage: true };
/// assert_eq!(figures(&problem, Mode::LookAhead), [3_000, 3_000, 3_000]); // what is left of 15 for anybody else
/// assert_eq!(figures(&problem, Mode::PeriodNet), [10_000, 5_000, -12_000]);
/// ```
pub fn figures(problem: &Problem<'_>, mode: Mode) -> Vec<i64> {
    match mode {
        Mode::OnHand => {
            let kept = problem.safety.first().copied().unwrap_or_default();
            vec![problem.on_hand - kept; problem.supply.len()]
        }
        Mode::PeriodNet => period_net(problem),
        Mode::Discrete => discrete(problem),
        Mode::DiscreteRunningTotal => running_total(discrete(problem)),
        Mode::Cumulative => running_total(period_net(problem)),
        Mode::LookAhead => look_ahead(problem),
        Mode::Backward => backward(problem),
        Mode::BackwardAccumulated if problem.carry_shortage => running_total(backward(problem)),
        Mode::BackwardAccumulated => forgetful_total(backward(problem)),
    }
}

/// What comes less what goes; what is there comes in bucket 0.
fn period_net(problem: &Problem<'_>) -> Vec<i64> {
    let mut net: Vec<i64> = problem.supply.iter().zip(problem.demand).map(|(supply, demand)| supply - demand).collect();
    if let Some(first) = net.first_mut() {
        *first += problem.on_hand;
    }
    net
}

fn running_total(mut figures: Vec<i64>) -> Vec<i64> {
    let mut total = 0;
    for figure in &mut figures {
        total += *figure;
        *figure = total;
    }
    figures
}

/// The total that carries on what is left and forgets what was short.
fn forgetful_total(mut figures: Vec<i64>) -> Vec<i64> {
    let mut before = 0;
    for figure in &mut figures {
        *figure += before;
        before = (*figure).max(0);
    }
    figures
}

/// What each block, from one supply to the next, has at its begin.
fn discrete(problem: &Problem<'_>) -> Vec<i64> {
    let mut figures = vec![0; problem.supply.len()];
    let mut begin = 0;
    for (bucket, (supply, demand)) in problem.supply.iter().zip(problem.demand).enumerate() {
        if bucket == 0 {
            figures[0] = problem.on_hand;
        }
        if *supply > 0 {
            begin = bucket;
        }
        figures[begin] += supply - demand;
    }
    figures
}

/// Shortages are taken from the nearest earlier bucket that has something.
fn backward(problem: &Problem<'_>) -> Vec<i64> {
    let mut figures = period_net(problem);
    // Buckets that have something, the nearest last.
    let mut givers: Vec<usize> = Vec::new();
    for bucket in 0..figures.len() {
        while figures[bucket] < 0 {
            let Some(giver) = givers.last().copied() else { break };
            let taken = figures[giver].min(-figures[bucket]);
            figures[giver] -= taken;
            figures[bucket] += taken;
            if figures[giver] == 0 {
                givers.pop();
            }
        }
        if figures[bucket] > 0 {
            givers.push(bucket);
        }
    }
    figures
}

/// What can be taken in a bucket so that neither it nor any later one is short. With a window, what can be taken so
/// that every span of buckets around it can be served by the supply that is good for it (Hall's condition, for supply
/// and demand whose spans begin and end in the same order).
fn look_ahead(problem: &Problem<'_>) -> Vec<i64> {
    let horizon = problem.supply.len();
    let end = problem.fence.unwrap_or(horizon).min(horizon);
    let mut figures = vec![UNLIMITED; horizon];
    let mut projected = problem.on_hand;
    let flows = problem.supply.iter().zip(problem.demand).zip(problem.safety);
    for (figure, ((supply, demand), safety)) in figures[..end].iter_mut().zip(flows) {
        projected += supply - demand;
        *figure = projected - safety;
    }
    let mut least = i64::MAX;
    for figure in figures[..end].iter_mut().rev() {
        least = least.min(*figure);
        *figure = least;
    }
    if let Some(window) = problem.window {
        spoil(problem, window, &mut figures[..end]);
    }
    figures
}

/// Takes off what is of no use any more: what came too long ago, beyond what was asked for before.
fn spoil(problem: &Problem<'_>, window: usize, figures: &mut [i64]) {
    let (mut spoiled, mut asked, mut most) = (0, 0, 0);
    for (bucket, figure) in figures.iter_mut().enumerate() {
        if let Some(expired) = bucket.checked_sub(window) {
            spoiled += problem.supply[expired] + if expired == 0 { problem.on_hand } else { 0 };
        }
        if bucket > 0 {
            asked += problem.demand[bucket - 1];
        }
        // Before that nothing has spoiled, even where what was asked for is given back.
        if bucket >= window {
            most = most.max(spoiled - asked);
        }
        *figure -= most;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem<'a>(on_hand: i64, supply: &'a [i64], demand: &'a [i64], safety: &'a [i64]) -> Problem<'a> {
        Problem { on_hand, supply, demand, safety, window: None, fence: None, carry_shortage: true }
    }

    #[test]
    fn nothing_is_promised_that_a_later_bucket_needs() {
        let zero = [0; 4];
        let plain = problem(10, &[0, 5, 0, 0], &[0, 0, 12, 0], &zero);
        assert_eq!(figures(&plain, Mode::LookAhead), [3, 3, 3, 3]);
        assert_eq!(figures(&Problem { safety: &[1, 1, 1, 2], ..plain }, Mode::LookAhead), [1, 1, 1, 1]);
        assert_eq!(figures(&Problem { fence: Some(2), ..plain }, Mode::LookAhead), [10, 15, UNLIMITED, UNLIMITED]);
        assert_eq!(figures(&problem(0, &[], &[], &[]), Mode::LookAhead), [0; 0]);
    }

    #[test]
    fn supply_that_spoils_serves_only_its_window() {
        let zero = [0; 4];
        let spoils = Problem { window: Some(2), ..problem(10, &[0, 0, 5, 0], &[0, 4, 0, 0], &zero) };
        // What is there is good for buckets 0 and 1; of it 4 are asked for. What comes in bucket 2 is good for 2 and 3.
        assert_eq!(figures(&spoils, Mode::LookAhead), [6, 6, 5, 5]);
    }

    #[test]
    fn what_is_given_back_has_not_spoiled() {
        // One is missing, until the claim goes elsewhere in bucket 1; within the window nothing is lost by that.
        let given_back = Problem { window: Some(3), ..problem(-1, &[0; 5], &[0, -1, 0, 0, 0], &[0; 5]) };
        assert_eq!(figures(&given_back, Mode::LookAhead), [-1, 0, 0, 0, 0]);
    }
}
