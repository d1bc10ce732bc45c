//! Every code that the engine raises has a cure of its own, and stands in `docs/truth.md`.

use std::collections::BTreeSet;
use std::path::Path;

use super::*;
use crate::claiming::CODES;
use crate::exception::Severity;
use tallystick_contract::{outcome, rules};

/// How a code is written where it is raised.
const RAISED: [&str; 5] = ["Raised::of(\"", "raised_about(\"", "about_source(\"", "code: \"", "settled.push((\""];

fn read(folder: &Path, codes: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            // The twin tells of codes, too, but raises what the engine does.
            if !path.ends_with("reference") {
                read(&path, codes);
            }
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
    codes.extend(CODES.map(str::to_owned));
    let types = rules::DEFAULT_RULES.lines().filter_map(|line| line.strip_prefix("exception = \""));
    codes.extend(types.map(|code| code.trim_end_matches('"').to_owned()));
    codes.retain(|code| !code.is_empty() && code.bytes().all(|byte| byte == b'_' || byte.is_ascii_lowercase()));
    codes
}

#[test]
fn every_code_has_a_cure_of_its_own() {
    let codes = codes();
    assert!(codes.len() > 30 && codes.contains("short_pick") && codes.contains("closed_line"), "{codes:?}");
    let mut cures = BTreeSet::new();
    for code in codes {
        assert_ne!(cure(&code), OF_ITS_OWN, "{code} has no cure; give it one above");
        assert!(cures.insert(cure(&code)), "{code} has the cure of another code");
    }
}

#[test]
fn the_table_of_codes_is_true() {
    let page = include_str!("../../../docs/truth.md");
    let table = page.split("| code | severity | owner |").nth(1).unwrap().split("\n\n").next().unwrap();
    let config = Config::default();
    let mut told = BTreeSet::new();
    for row in table.lines().skip(2) {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        for code in cells[0].split(", ").map(|code| code.trim_matches('`')) {
            assert_eq!(Severity::of(code).name(), cells[1], "{code}");
            assert_eq!(config.team(code).name(), cells[2].to_lowercase(), "{code}");
            assert_ne!(cure(code), OF_ITS_OWN, "{code}");
            assert!(told.insert(code.to_owned()), "{code} stands there twice");
        }
    }
    let forgotten: Vec<_> = codes().into_iter().filter(|code| !told.contains(code)).collect();
    assert!(forgotten.is_empty(), "docs/truth.md §7 does not tell of {forgotten:?}");
}
