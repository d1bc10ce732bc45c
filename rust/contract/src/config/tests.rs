//! Configurations as people write them: what they mean, and what is wrong with them.

use super::*;
use crate::limits::SECOND_NS;

#[test]
fn toml_and_json_have_one_fingerprint() {
    let toml =
        Config::parse("[engine]\ndedup_window = \"1h\"\n[nats]\nurl = \"x\"\n[sources.erp]\nmax_age = \"none\"\n")
            .unwrap();
    let json = Config::parse(r#"{"sources":{"erp":{"max_age":"none"}},"engine":{"dedup_window":"1h"}}"#).unwrap();
    assert_eq!(toml.fingerprint(), json.fingerprint());
    assert_ne!(toml.fingerprint(), Config::default().fingerprint());
    assert_eq!(toml.bounds("erp").max_age_ns, None);
    assert_eq!(toml.bounds("wms").max_age_ns, Some(3_600 * SECOND_NS));
}

#[test]
fn every_mistake_names_its_place() {
    for (text, expected) in [
        ("[engine]\ndedup_windw = \"1h\"", "dedup_windw"),
        ("[engine]\ndedup_window = \"1 hour\"", "engine.dedup_window"),
        ("[engine]\nhistory_max = 0", "engine.history_max"),
        ("[sources.a]\norder = \"random\"", "random"),
        ("[sources.a]\norder = \"source\"\nheld_max = 0", "sources.\"a\".held_max"),
        ("[sources.a]\norder = \"source\"\ngap_wait = \"none\"", "gap_wait"),
        ("[sources.a]\norder = \"source\"\ngap_wait = \"25h\"", "counted twice"),
        ("[sources.a]\norder = \"increasing\"\ngap_wait = \"1s\"", "holds nothing"),
        ("[types.\"stock.sold\"]\nquantity = \"positive\"\npostings = [[\"on_hand\", \"customer\"]]", "built in"),
        ("[types.a]\nalias = \"b\"", "which is no type"),
        ("[types.a]\nquantity = \"positive\"\npostings = [[\"on_hand\", \"reserved\"]]", "book"),
        ("[types.a]\nquantity = \"positive\"\npostings = [[\"on_hnd\", \"customer\"]]", "on_hnd"),
        ("[safety_stock]\ndefault = \"1.0001\"", "safety_stock.default"),
        ("[[safety_stock.rules]]\nquantity = 1", "safety_stock.rules[0]"),
        ("[exceptions.owners]\nmalformed = \"nobody\"", "nobody"),
        ("[engin]\na = 1", "engin"),
        ("[sources.a]\ndedup_window = \"48h\"", "sources.\"a\".dedup_window"),
        ("[sources.a]\nalert_refusals_percent = 101", "alert_refusals_percent"),
        ("[ownership]\npreset = \"mine\"", "wms_erp_oms"),
        ("[[ownership.rules]]\nsources = [\"a\"]", "ownership.rules[0].role"),
        ("[[ownership.rules]]\nrole = \"owner\"\nlocations = [\"@east\"]", "location_sets"),
        ("[ownership]\nsurvivorship = [\"newest\", \"newest\"]", "ownership.survivorship"),
        ("[approvals]\nmass_change_window = \"1m\"", "mass_change_percent"),
        ("[approvals]\nabsolute = -1", "approvals.absolute"),
        ("[transfers]\nage = \"none\"", "transfers.age"),
        ("[exceptions]\nkept_max = 0", "exceptions.kept_max"),
    ] {
        let error = Config::parse(text).expect_err(text);
        assert!(error.contains(expected) && !error.contains('\n'), "{text}: {error}");
    }
}

#[test]
fn a_change_replaces_whole_tables_and_keeps_the_fingerprint() {
    let config = Config::parse("[sources.a]\norder = \"source\"\n[approvals]\nabsolute = 5\n").unwrap();
    let changed = config.changed("[sources.b]\norder = \"source\"\n[ownership]\npreset = \"wms_erp_oms\"\n").unwrap();
    assert_eq!((changed.source("a"), changed.source("b").is_some()), (None, true));
    assert_eq!((changed.approvals, changed.fingerprint), (config.approvals.clone(), config.fingerprint));
    assert!(changed.ownership.is_some_and(|policy| policy.rules.len() > 5));
    assert!(config.changed("[engine]\nhistory_max = 3").unwrap_err().contains("cannot be changed"));
    assert!(config.changed("{\"types\": {\"a\": {\"alias\": \"b\"}}}").unwrap_err().contains("no type"));
}

#[test]
fn the_most_specific_safety_stock_wins() {
    let config = Config::parse(
        "[safety_stock]\ndefault = 1\nrules = [{sku='A', quantity=2}, {location='L', quantity=3}, {sku='A', location='L', quantity='4.5'}]",
    )
    .unwrap();
    for (sku, location, expected) in [("A", "L", 4_500), ("A", "M", 2_000), ("B", "L", 3_000), ("B", "M", 1_000)] {
        assert_eq!(config.safety_stock(sku, location, 0, |_| false), Amount::Absolute(expected));
    }
}
