//! `[exceptions]`: which teams there are, who works on which code, and for how long exceptions are kept.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::codes;
use crate::heap_size::heap_size;
use crate::limits::{TEAM_BYTES_MAX, TEAMS_MAX};
use crate::team::{self, Team};

/// Who works on what.
#[derive(Debug, Clone)]
pub(super) struct Teams {
    /// By code, where the configuration says it.
    owners: BTreeMap<String, Box<str>>,
    /// Those beside the teams that are built in.
    named: Vec<Box<str>>,
}

heap_size!(Teams { owners, named });

impl Teams {
    /// Who works on an exception with this code.
    pub(super) fn of(&self, code: &str) -> &str {
        self.owners.get(code).map_or_else(|| codes::find(code).owner.name(), |team| &**team)
    }

    /// All of them, those that are built in first.
    pub(super) fn names<'t>(&'t self) -> impl Iterator<Item = &'t str> {
        let built_in = team::ALL.into_iter().map(|team| -> &'t str { Team::name(team) });
        built_in.chain(self.named.iter().map(|name| &**name))
    }
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawExceptions {
    owners: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    teams: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) escalate_after: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) kept_max: Option<usize>,
}

impl RawExceptions {
    pub(super) fn teams(&self) -> Result<Teams, String> {
        let is_name = |name: &String| (1..=TEAM_BYTES_MAX).contains(&name.len()) && !name.contains(char::is_control);
        if let Some(bad) = self.teams.iter().find(|name| !is_name(name)) {
            return Err(format!("exceptions.teams: {bad:?} is no name of a team; give 1 to {TEAM_BYTES_MAX} bytes"));
        }
        if self.teams.len() > TEAMS_MAX {
            return Err(format!("exceptions.teams: give at most {TEAMS_MAX}"));
        }
        let named = self.teams.iter().map(|name| name.as_str().into()).collect();
        let owners = self.owners.iter().map(|(code, owner)| (code.clone(), owner.as_str().into())).collect();
        let teams = Teams { owners, named };
        let strange = teams.owners.iter().find(|(_, owner)| !teams.names().any(|team| team == &***owner));
        if let Some((code, owner)) = strange {
            let known = teams.names().collect::<Vec<_>>().join(", ");
            return Err(format!(
                "exceptions.owners.{code}: there is no team {owner:?}; name it in exceptions.teams, or give one of {known}"
            ));
        }
        Ok(teams)
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    #[test]
    fn teams_are_named_before_they_own_codes() {
        let text = "[exceptions]\nteams = [\"carriers\"]\nowners = { short_pick = \"carriers\", late = \"finance\" }\n";
        let config = Config::parse(text).unwrap();
        assert_eq!(["short_pick", "late", "loop"].map(|code| config.team(code)), ["carriers", "finance", "it"]);
        assert_eq!(config.teams().collect::<Vec<_>>(), ["operations", "finance", "it", "carriers"]);
        let why = Config::parse("[exceptions]\nowners = { late = \"carriers\" }\n").unwrap_err();
        assert!(why.contains("there is no team \"carriers\"; name it in exceptions.teams"), "{why}");
        assert!(Config::parse("[exceptions]\nteams = [\"\"]\n").is_err());
        assert!(!Config::default().canonical().contains("teams"), "older snapshots keep their fingerprint");
    }
}
