//! Timeline: what comes and goes at a position, summed by bucket and kept where there is something, with the look-ahead
//! minimum of it. Most positions have none, and most of the others a few points.

use tallystick_contract::heap_size::{flat, heap_size};

/// The sums of a bucket, in thousandths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Point {
    /// Its number.
    pub bucket: i32,
    /// What comes.
    pub supply: i64,
    /// What goes.
    pub demand: i64,
}

flat!(Point);

/// The part of the horizon that is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Bucket 0.
    pub today: i32,
    /// The bucket behind the last one that counts: the end of the horizon, or the fence.
    pub end: i32,
}

flat!(Span);

/// Projections over a span: by point from bucket 0 on, what has come less what has gone, and the least of that from
/// there on.
#[derive(Debug, Clone, Default)]
struct Outlook {
    span: Option<Span>,
    /// Points before bucket 0 or in it.
    past: usize,
    totals: Vec<i64>,
    least: Vec<i64>,
}

heap_size!(Outlook { span, past, totals, least });

/// Sums by bucket, in order.
#[derive(Debug, Clone, Default)]
pub struct Timeline {
    points: Vec<Point>,
    outlook: Outlook,
}

heap_size!(Timeline { points, outlook });

impl Timeline {
    /// Whether nothing comes and nothing goes.
    pub const fn is_empty(&self) -> bool {
        self.points.is_empty()
    }

    /// Adds to the sums of a bucket.
    pub fn add(&mut self, bucket: i32, supply: i64, demand: i64) {
        self.outlook.span = None;
        match self.points.binary_search_by_key(&bucket, |point| point.bucket) {
            Ok(place) => {
                let point = &mut self.points[place];
                point.supply += supply;
                point.demand += demand;
                if (point.supply, point.demand) == (0, 0) {
                    self.points.remove(place);
                }
            }
            Err(place) => self.points.insert(place, Point { bucket, supply, demand }),
        }
    }

    /// Projects the points over a span, if that was not done since they changed: once, however many changes came
    /// before.
    pub fn look(&mut self, span: Span) {
        if self.outlook.span != Some(span) {
            self.outlook.look(&self.points, span);
        }
    }

    /// The least projection from a bucket on, before what is on hand: `min over k ≥ bucket of Σ (supply −
    /// demand)[..k]`.
    pub fn least_from(&self, span: Span, bucket: i32) -> i64 {
        if self.points.is_empty() {
            return 0;
        }
        let mut fresh = Outlook::default();
        let outlook = if self.outlook.span == Some(span) {
            &self.outlook
        } else {
            fresh.look(&self.points, span);
            &fresh
        };
        let bucket = bucket.clamp(span.today, span.end - 1);
        // What came by the bucket itself, and every change behind it.
        let ahead = &self.points[outlook.past..outlook.past + outlook.totals.len() - 1];
        let behind = ahead.partition_point(|point| point.bucket <= bucket);
        let here = outlook.totals[behind];
        outlook.least.get(behind + 1).map_or(here, |least| here.min(*least))
    }

    /// The buckets at which a projection changes, bucket 0 among them.
    pub fn changes(&self, span: Span) -> impl Iterator<Item = i32> + '_ {
        let ahead = self.points.iter().map(|point| point.bucket);
        std::iter::once(span.today).chain(ahead.filter(move |bucket| (span.today + 1..span.end).contains(bucket)))
    }

    /// Sums by bucket over a horizon: what comes and what goes. What is past stands in bucket 0.
    pub fn dense(&self, span: Span) -> (Vec<i64>, Vec<i64>) {
        let count = usize::try_from(span.end - span.today).unwrap_or(0);
        let (mut supply, mut demand) = (vec![0; count], vec![0; count]);
        for point in self.points.iter().take_while(|point| point.bucket < span.end) {
            let place = usize::try_from(point.bucket.saturating_sub(span.today)).unwrap_or(0);
            supply[place] += point.supply;
            demand[place] += point.demand;
        }
        (supply, demand)
    }
}

impl Outlook {
    fn look(&mut self, points: &[Point], span: Span) {
        self.span = Some(span);
        self.past = points.partition_point(|point| point.bucket <= span.today);
        let end = points.partition_point(|point| point.bucket < span.end).max(self.past);
        let net = |point: &Point| point.supply - point.demand;
        let mut total: i64 = points[..self.past].iter().map(net).sum();
        self.totals.clear();
        self.totals.push(total);
        for point in &points[self.past..end] {
            total += net(point);
            self.totals.push(total);
        }
        self.least.clear();
        self.least.extend_from_slice(&self.totals);
        let mut least = i64::MAX;
        for place in self.least.iter_mut().rev() {
            least = least.min(*place);
            *place = least;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_is_that_of_the_dense_form() {
        let mut timeline = Timeline::default();
        let mut random = crate::random::Random::new(12_345);
        let mut next = |count: u64| i64::try_from(random.below(count)).unwrap();
        for step in 0..2_000 {
            let amount = next(9) - 4;
            let (supply, demand) = if next(2) == 0 { (amount, 0) } else { (0, amount) };
            timeline.add(i32::try_from(next(60)).unwrap() - 10, supply, demand);
            let today = i32::try_from(next(20)).unwrap() - 5;
            let span = Span { today, end: today + 1 + i32::try_from(next(40)).unwrap() };
            if next(2) == 0 {
                timeline.look(span);
            }
            let (supply, demand) = timeline.dense(span);
            let mut totals = Vec::new();
            for (supply, demand) in supply.iter().zip(&demand) {
                totals.push(totals.last().unwrap_or(&0) + supply - demand);
            }
            for bucket in span.today..span.end {
                let place = usize::try_from(bucket - span.today).unwrap();
                let least = totals[place..].iter().min().copied();
                assert_eq!(Some(timeline.least_from(span, bucket)), least, "step {step}, bucket {bucket}");
            }
        }
    }
}
