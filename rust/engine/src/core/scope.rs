//! Scope: the positions that a protection or a question is about: a location, a group, everywhere.

use tallystick_tables::intern::NONE;

use crate::core::Core;
use crate::read::directive::Scope;
use crate::stock::Spot;

impl Core {
    /// Whether a scope has a position among its own: one without lot and owner, within it.
    pub(crate) fn is_in_scope(&self, scope: &Scope, spot: Spot) -> bool {
        let (part, position) = self.stock.at(spot);
        position.names[2..] == [NONE; 2] && self.is_within(scope, part.names.name(position.names[1]))
    }

    /// The positions of a scope.
    pub(crate) fn spots_in(&self, sku: &str, scope: &Scope) -> Vec<Spot> {
        let find = |location: &str| self.stock.find([sku, location, "", ""]);
        match scope {
            Scope::Location(location) => find(location).into_iter().collect(),
            Scope::Group(group) => {
                let members = self.groups.members(group, self.now_ns());
                members.into_iter().flatten().filter_map(find).collect()
            }
            Scope::Everywhere => {
                let is_whole = |spot: &Spot| self.stock.at(*spot).1.names[2..] == [NONE; 2];
                self.stock.spots_of(sku).into_iter().filter(is_whole).collect()
            }
        }
    }

    /// Whether a location lies in a scope.
    pub(crate) fn is_within(&self, scope: &Scope, location: &str) -> bool {
        match scope {
            Scope::Location(name) => **name == *location,
            Scope::Group(group) => self.groups.contains(group, location, self.now_ns()),
            Scope::Everywhere => true,
        }
    }
}
