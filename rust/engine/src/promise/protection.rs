//! Protection: what is kept of a SKU for a channel, at a location, in a group of them or everywhere, and how much of it
//! the channel has taken.

use std::collections::BTreeMap;

use tallystick_contract::heap_size::heap_size;
use tallystick_tables::image::{Image, OrNegative};
use tallystick_tables::wire::{Reader, SnapshotError, Writer};

use crate::read::directive::Scope;
/// What is kept for one channel, in thousandths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Protection {
    pub(crate) channel: Box<str>,
    pub(crate) protected: i64,
    pub(crate) capped: Option<i64>,
    /// What the channel has taken since it was set.
    pub(crate) consumed: i64,
    /// Tells it from what was set before it.
    pub(crate) serial: u64,
}

heap_size!(Protection { channel, protected, capped, consumed, serial });

impl Protection {
    /// What the channel has not taken yet of what is kept for it, after taking so much more.
    pub(crate) fn rest(&self, more: i64) -> i64 {
        (self.protected - self.consumed - more).max(0)
    }

    fn cap(&self, more: i64) -> Option<i64> {
        self.capped.map(|capped| (capped - self.consumed - more).max(0))
    }
}

/// The protections of one scope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Scoped {
    pub(crate) scope: Scope,
    pub(crate) channels: Vec<Protection>,
}

heap_size!(Scoped { scope, channels });

impl Scoped {
    /// What a channel sees of a total from which it has taken so much already.
    pub(crate) fn view(&self, total: i64, channel: Option<&str>, taken: i64) -> i64 {
        let own = self.channels.iter().find(|known| Some(&*known.channel) == channel);
        let unlimited = total == crate::atp::UNLIMITED;
        let total = if unlimited { total } else { total - taken };
        let is_own = |known: &Protection| Some(&*known.channel) == channel;
        let kept: i64 = self.channels.iter().map(|known| known.rest(if is_own(known) { taken } else { 0 })).sum();
        let pool = if unlimited { total } else { (total - kept).max(0) };
        let seen = total.min(own.map_or(0, |own| own.rest(taken)).saturating_add(pool));
        own.and_then(|own| own.cap(taken)).map_or(seen, |cap| seen.min(cap))
    }

    /// All that is kept and was not taken.
    pub(crate) fn kept(&self) -> i64 {
        self.channels.iter().map(|known| known.rest(0)).sum()
    }
}

tallystick_tables::image::image!(Protection { channel, protected, capped as OrNegative, consumed, serial });
tallystick_tables::image::image!(Scoped { scope, channels });

impl Image for Scope {
    const LEAST: usize = <(u8, Box<str>)>::LEAST;

    fn save(&self, writer: &mut Writer) {
        let (kind, name): (u8, &str) = match self {
            Self::Location(name) => (0, name),
            Self::Group(name) => (1, name),
            Self::Everywhere => (2, ""),
        };
        writer.u8(kind);
        writer.bytes(name.as_bytes());
    }

    fn load(reader: &mut Reader<'_>) -> Result<Self, SnapshotError> {
        match Image::load(reader)? {
            (0_u8, name) => Ok(Self::Location(name)),
            (1, name) => Ok(Self::Group(name)),
            (2, _) => Ok(Self::Everywhere),
            _ => Err(SnapshotError::Damaged("a protection holds nowhere")),
        }
    }
}

/// All protections, by SKU.
#[derive(Debug, Default)]
pub(crate) struct Protections {
    skus: BTreeMap<Box<str>, Vec<Scoped>>,
}

heap_size!(Protections { skus });

impl Protections {
    /// The scopes of a SKU that have protections.
    pub(crate) fn of(&self, sku: &str) -> &[Scoped] {
        if self.skus.is_empty() { &[] } else { self.skus.get(sku).map_or(&[], Vec::as_slice) }
    }

    /// The protections of a scope, if it has any.
    pub(crate) fn scope(&self, sku: &str, scope: &Scope) -> Option<&Scoped> {
        self.of(sku).iter().find(|scoped| scoped.scope == *scope)
    }

    /// The protection of a channel.
    pub(crate) fn find_mut(&mut self, sku: &str, scope: &Scope, channel: &str) -> Option<&mut Protection> {
        let scoped = self.skus.get_mut(sku)?.iter_mut().find(|scoped| scoped.scope == *scope)?;
        scoped.channels.iter_mut().find(|known| *known.channel == *channel)
    }

    /// Sets a protection anew; one that keeps and caps nothing is taken away.
    pub(crate) fn set(&mut self, sku: &str, scope: &Scope, protection: Protection) {
        let is_empty = protection.protected == 0 && protection.capped.is_none();
        let channel = protection.channel.clone();
        self.put(sku, scope, protection);
        if is_empty {
            self.take_away(sku, scope, &channel);
        }
    }

    fn take_away(&mut self, sku: &str, scope: &Scope, channel: &str) {
        let Some(scopes) = self.skus.get_mut(sku) else { return };
        for scoped in scopes.iter_mut().filter(|scoped| scoped.scope == *scope) {
            scoped.channels.retain(|known| *known.channel != *channel);
        }
        scopes.retain(|scoped| !scoped.channels.is_empty());
        if scopes.is_empty() {
            self.skus.remove(sku);
        }
    }

    /// Puts a protection in the place of the one before it, if there is one.
    pub(crate) fn put(&mut self, sku: &str, scope: &Scope, protection: Protection) {
        let scopes = self.skus.entry(sku.into()).or_default();
        let place = scopes.iter().position(|scoped| scoped.scope == *scope).unwrap_or_else(|| {
            scopes.push(Scoped { scope: scope.clone(), channels: Vec::new() });
            scopes.len() - 1
        });
        let channels = &mut scopes[place].channels;
        channels.retain(|known| known.channel != protection.channel);
        channels.push(protection);
    }

    /// Notes what a channel takes in scopes. Returns the protections that it came from.
    pub(crate) fn consume(
        &mut self,
        sku: &str,
        channel: &str,
        quantity: i64,
        is_in: impl Fn(&Scope) -> bool,
    ) -> Box<[u64]> {
        let Some(scopes) = self.skus.get_mut(sku) else { return Box::default() };
        let mut serials = Vec::new();
        for scoped in scopes.iter_mut().filter(|scoped| is_in(&scoped.scope)) {
            if let Some(own) = scoped.channels.iter_mut().find(|known| *known.channel == *channel) {
                own.consumed += quantity;
                serials.push(own.serial);
            }
        }
        serials.into()
    }

    /// Gives back what was taken, to what is still set as it was then.
    pub(crate) fn give_back(&mut self, sku: &str, serials: &[u64], quantity: i64) {
        let Some(scopes) = self.skus.get_mut(sku) else { return };
        for protection in scopes.iter_mut().flat_map(|scoped| &mut scoped.channels) {
            if serials.contains(&protection.serial) {
                protection.consumed -= quantity;
            }
        }
    }

    pub(crate) fn write(&self, writer: &mut Writer) {
        self.skus.save(writer);
    }

    /// Puts back what [`Self::write`] wrote.
    ///
    /// # Errors
    /// When it could not have been written.
    pub(crate) fn read(&mut self, reader: &mut Reader<'_>) -> Result<(), SnapshotError> {
        for scopes in reader.each::<(Box<str>, Vec<Scoped>)>()? {
            let (sku, scopes) = scopes?;
            for Scoped { scope, channels } in scopes {
                for protection in channels {
                    self.put(&sku, &scope, protection);
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tallystick_tables::image::is_least;

    use super::*;

    #[test]
    fn a_record_takes_as_much_as_it_says() {
        assert!(is_least::<Protection>());
        assert!(is_least::<Scoped>());
        assert!(is_least::<Scope>());
    }
}
