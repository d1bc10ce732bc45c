//! The figures of a position, or of a group of them, as anybody may ask for them.

use tallystick_contract::balance::PositionKey;
use tallystick_contract::config::Mode;

use crate::ask::Place;
use crate::twin::Reference;

use super::kernel::Figure;
use super::wanting::Asks;

/// The figures of a group, bucket by bucket; nothing where one is unlimited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupFigures {
    /// What a request for everything would be granted.
    pub available: Vec<Option<i64>>,
    /// The sum of all figures, shortages too.
    pub signed: Vec<Option<i64>>,
}

impl Reference {
    /// The figures of a position from bucket 0 on; nothing where one is unlimited. All are zero where the position does
    /// not exist.
    ///
    /// ```
    /// use tallystick_contract::{balance::PositionKey, config::Config, config::Mode};
    /// use tallystick_reference::Reference;
    ///
    /// let mut twin = Reference::new(Config::default());
    /// let message = br#"[{"id":"1","source":"wms","type":"stock.received","sku":"LAMP","location":"DC1","quantity":5},
    ///     {"id":"2","source":"erp","type":"demand.scheduled","document":"SO-1","due":"1970-01-03",
    ///      "sku":"LAMP","location":"DC1","quantity":2}]"#;
    /// twin.apply_message(message, 1, 0);
    /// let [sku, location, lot, owner] = ["LAMP", "DC1", "", ""].map(String::from);
    /// let figures = twin.figures(&PositionKey { sku, location, lot, owner }, Mode::LookAhead, None);
    /// assert_eq!(figures[..3], [Some(3_000); 3]); // 2 of the 5 are wanted the day after tomorrow
    /// ```
    pub fn figures(&self, at: &PositionKey, mode: Mode, measure: Option<&str>) -> Vec<Option<i64>> {
        narrow(self.figures_beside(at, mode, measure, &[]))
    }

    /// The figures for a channel, or for those who have none.
    pub fn figures_for(&self, at: &PositionKey, channel: Option<&str>, mode: Mode) -> Vec<Option<i64>> {
        narrow(self.figures_under(at, channel, mode, None, &[]))
    }

    /// The figures of a group; nothing where it is not defined.
    ///
    /// ```
    /// use tallystick_contract::{config::Config, config::Mode};
    /// use tallystick_reference::Reference;
    ///
    /// let mut twin = Reference::new(Config::default());
    /// let lines = br#"{"id":"1","source":"wms","type":"stock.received","sku":"LAMP","location":"DC1","quantity":5}
    /// {"id":"2","source":"wms","type":"stock.sold","sku":"LAMP","location":"DC2","quantity":2}
    /// {"id":"3","source":"erp","type":"group.defined","data":{"group":"north","locations":["DC1","DC2"]}}"#;
    /// twin.apply_message(lines, 1, 0);
    /// let figures = twin.group_figures("LAMP", "north", None, Mode::LookAhead).unwrap();
    /// assert_eq!(figures.available[0], Some(5_000)); // what DC2 is short of hides nothing at DC1
    /// assert_eq!(figures.signed[0], Some(3_000));
    /// ```
    pub fn group_figures(&self, sku: &str, group: &str, channel: Option<&str>, mode: Mode) -> Option<GroupFigures> {
        let (lot, owner) = (String::new(), String::new());
        let place = Place::Group { sku: sku.to_owned(), group: group.to_owned(), lot, owner };
        let places = self.places_of(&place)?;
        let all: Vec<_> = places.iter().map(|at| self.figures_beside(at, mode, None, &[])).collect();
        let available = |bucket: usize| {
            if channel.is_none() {
                return all.iter().map(|figures| figures[bucket].map(|figure| figure.max(0))).sum::<Figure>();
            }
            let parts = self.draw(&places, None, &|_| bucket, Asks { channel, mode, purpose: None }, &[])?;
            Some(parts.iter().map(|part| i128::from(part.granted)).sum())
        };
        let signed = |bucket: usize| all.iter().map(|figures| figures[bucket]).sum::<Figure>();
        let buckets = || 0..self.horizon();
        Some(GroupFigures {
            available: narrow(buckets().map(available).collect()),
            signed: narrow(buckets().map(signed).collect()),
        })
    }
}

fn narrow(figures: Vec<Figure>) -> Vec<Option<i64>> {
    let one = |figure: i128| i64::try_from(figure).expect("figures are sums of few accounts and bounded sides");
    figures.into_iter().map(|figure| figure.map(one)).collect()
}
