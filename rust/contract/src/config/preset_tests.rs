//! The presets of ownership, held to the table in `docs/truth.md` §4.

use std::collections::BTreeSet;

use super::Config;
use crate::directive_kind::DirectiveKind;
use crate::ownership::{Policy, Statement};
use crate::rules::DEFAULT_RULES;

/// Names of sources for each column of the table in `docs/truth.md` §4.
const COLUMNS: [(&str, &[&str]); 6] = [
    ("WMS, 3PL", &["wms", "wms-east", "3pl", "3pl-1"]),
    ("OMS", &["oms", "oms-2"]),
    ("shop, marketplace", &["shop", "shop2", "marketplace-de"]),
    ("POS, till", &["pos-7", "till"]),
    ("ERP", &["erp", "erp-2"]),
    ("others", &["robot", "epcis-dc1", "warehouse"]),
];

fn policy(more: &str) -> Policy {
    let config = Config::parse(&format!("[ownership]\npreset = \"wms_erp_oms\"\n{more}")).unwrap();
    config.ownership.unwrap()
}

fn said<'a>(source: &'a str, kind: &'a str) -> Statement<'a> {
    Statement { source, kind, accounts: &[], location: "DC1", time_ns: 0 }
}

/// The rows of the table: types, and a cell for each column.
fn rows() -> Vec<(Vec<&'static str>, Vec<&'static str>)> {
    let page = include_str!("../../../../docs/truth.md");
    let head = format!("| type | {} |", COLUMNS.map(|(name, _)| name).join(" | "));
    let table = page.split(&*head).nth(1).expect("the table stands there").split("\n\n").next().unwrap();
    let cells = |row: &'static str| row.trim_matches('|').split('|').map(str::trim).collect::<Vec<_>>();
    let row = |row| {
        let cells = cells(row);
        let types = cells[0].split(", ").map(|name| name.trim_matches('`')).collect();
        (types, cells[1..].to_vec())
    };
    table.lines().skip(2).map(row).collect()
}

#[test]
fn the_preset_does_what_the_table_says() {
    let policy = policy("");
    for (types, cells) in rows() {
        for kind in types {
            for ((column, sources), cell) in COLUMNS.into_iter().zip(&cells) {
                for source in sources {
                    let verdict = policy.judge(said(source, kind));
                    let is_so = match (*cell, DirectiveKind::of(kind)) {
                        ("operators", Some(kind)) => kind.is_for_operators(),
                        ("counted", Some(kind)) => kind == DirectiveKind::Tick,
                        // No rule speaks, so everybody may correct what is its own, and nothing else.
                        ("its own", Some(kind)) => kind.is_correction() && !verdict.by_rule,
                        (role, _) => verdict.role.name() == role,
                    };
                    assert!(is_so, "{kind} of {source} ({column}): {cell} in the table, {verdict:?}");
                }
            }
        }
    }
}

#[test]
fn the_table_of_the_preset_has_every_type_once() {
    let table: toml::Table = toml::from_str(DEFAULT_RULES).unwrap();
    let mut known: BTreeSet<String> = table["types"].as_table().unwrap().keys().cloned().collect();
    known.extend(DirectiveKind::names().map(str::to_owned));
    let listed: Vec<String> = rows().into_iter().flat_map(|(types, _)| types).map(str::to_owned).collect();
    let told: BTreeSet<String> = listed.iter().cloned().collect();
    assert_eq!(told.len(), listed.len(), "a type stands there twice");
    let forgotten: Vec<_> = known.difference(&told).collect();
    assert!(forgotten.is_empty(), "docs/truth.md §4 does not say who may say {forgotten:?}");
    let unknown: Vec<_> = told.difference(&known).collect();
    assert!(unknown.is_empty(), "docs/truth.md §4 speaks of types that are none: {unknown:?}");
}

#[test]
fn a_preset_does_not_know_strangers() {
    let strange = |policy: &Policy, source| {
        let verdict = policy.judge(said(source, "stock.received"));
        (verdict.role.name(), verdict.is_stranger)
    };
    let alone = policy("");
    assert_eq!(strange(&alone, "robot"), ("observer", true));
    assert_eq!(strange(&alone, "planning"), ("observer", false));
    assert_eq!(strange(&alone, "operator"), ("owner", false));
    assert_eq!(strange(&policy("default = \"owner\"\n"), "robot"), ("owner", true));
    let refusing = policy("default = \"refused\"\n");
    assert_eq!(strange(&refusing, "operator"), ("refused", false));
    // A rule that speaks of everybody names nobody.
    let rules = "[[ownership.rules]]\ntypes = [\"stock.*\"]\nrole = \"owner\"\n";
    assert_eq!(strange(&policy(rules), "robot"), ("owner", true));
    let config = Config::parse("[[ownership.rules]]\nsources = [\"wms\"]\nrole = \"owner\"\n").unwrap();
    assert_eq!(strange(&config.ownership.unwrap(), "robot"), ("owner", false));
}
