//! Every code that the engine raises has a cure of its own, and stands in `docs/truth.md`.

use std::collections::BTreeSet;
use std::path::Path;

use super::*;
use crate::claims;
use tallystick_contract::codes::{CODES, Settled, find};
use tallystick_contract::{outcome, rules};

/// How a code is written where it is raised, or settled.
const RAISED: [&str; 9] = [
    "Raised::of(\"",
    "Raised::about(\"",
    "about_source(\"",
    "code: \"",
    "let (code, missing) = (\"",
    "settled.push((\"",
    "work.resolve(\"",
    "core.resolve(\"",
    "Bar::Foreign { \"",
];

fn read(folder: &Path, codes: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read(&path, codes);
            continue;
        }
        let text: String = std::fs::read_to_string(&path).unwrap().replace(['\n', ' '], "");
        for begin in RAISED.map(|begin| begin.replace(' ', "")) {
            for found in text.split(&*begin).skip(1) {
                codes.extend(found.split_once('"').map(|(code, _)| code.to_owned()));
            }
        }
    }
}

/// Every code that the engine raises: by name, as an outcome, or by a type of the default table.
fn codes() -> BTreeSet<String> {
    let mut codes = BTreeSet::new();
    read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut codes);
    let loud = outcome::ALL.into_iter().filter(|outcome| !outcome.is_silent());
    codes.extend(loud.map(|outcome| outcome.name().to_owned()));
    codes.extend(claims::CODES.map(str::to_owned));
    let types = rules::DEFAULT_RULES.lines().filter_map(|line| line.strip_prefix("exception = \""));
    codes.extend(types.map(|code| code.trim_end_matches('"').to_owned()));
    codes.retain(|code| !code.is_empty() && code.bytes().all(|byte| byte == b'_' || byte.is_ascii_lowercase()));
    codes
}

#[test]
fn every_code_that_is_raised_stands_in_the_table() {
    let raised = codes();
    let known: BTreeSet<String> = CODES.iter().map(|code| code.name.to_owned()).collect();
    assert!(raised.len() > 30 && raised.contains("short_pick") && raised.contains("closed_line"), "{raised:?}");
    assert_eq!(raised, known);
}

#[test]
fn the_table_in_the_documents_is_true() {
    let page = include_str!("../../../docs/truth.md");
    let table = page.split("| code | severity | owner | settled by |").nth(1).unwrap().split("\n\n").next().unwrap();
    let rows: Vec<&str> = table.lines().skip(2).collect();
    assert_eq!(rows.len(), CODES.len());
    for (row, code) in rows.into_iter().zip(&CODES) {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let settled = match code.settled {
            Settled::Accepted => "an event under its key that is accepted",
            Settled::ByItself(when) => when,
            Settled::ByHand => "hand",
        };
        let owner = Config::default().team(code.name).to_owned();
        assert_eq!(find(cells[0].trim_matches('`')), code);
        assert_eq!(
            [cells[1], &cells[2].to_lowercase(), cells[3]],
            [code.severity.name(), &*owner, settled],
            "{}",
            code.name
        );
    }
}
