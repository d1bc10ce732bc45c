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
        ("[safety_stock]\ndefault = 0.0001", "safety_stock.default"),
        ("[[replenish]]\npoint = 1", "target"),
        ("[[replenish]]\npoint = -1\ntarget = 2", "replenish[0].point"),
        ("[[replenish]]\npoint = 2\ntarget = 2", "replenish[0].target"),
        ("[[replenish]]\npoint = \"0d\"\ntarget = \"2d\"", "replenish[0].point"),
        ("[[replenish]]\npoint = \"7d\"\ntarget = \"7d\"", "replenish[0].target"),
        ("[[replenish]]\npoint = 1\ntarget = 2\nlead_time = \"12h\"", "replenish[0].lead_time"),
        ("[[replenish]]\npoint = 1\ntarget = 2\nwindow = \"0d\"", "replenish[0].window"),
        ("[[replenish]]\npoint = 1\ntarget = 2\nsku = \"A\"", "skus"),
        ("[replenish]\npoint = 1\ntarget = 2", "replenish"),
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

#[test]
fn a_quantity_may_be_a_number_or_a_text_wherever_a_configuration_comes_from() {
    let level = |config: &Config| config.replenish[0].point;
    let config = Config::parse("[[replenish]]\npoint = 2.5\ntarget = \"3.25\"\n").unwrap();
    assert_eq!(level(&config), Level::Absolute(2_500));
    assert_eq!(level(&config.with_canonical(config.canonical()).unwrap()), Level::Absolute(2_500));
    for (text, expected) in [("0.1", Level::Absolute(100)), ("7", Level::Absolute(7_000)), ("\"7d\"", Level::Days(7))] {
        let tables = format!("{{\"replenish\": [{{\"point\": {text}, \"target\": \"9d\"}}]}}");
        assert_eq!(level(&config.changed(&tables).unwrap()), expected, "{text}");
        assert_eq!(level(&Config::parse(&tables).unwrap()), expected, "{text}");
    }
}

#[test]
fn days_of_demand_are_rounded_up() {
    assert_eq!([Level::Days(7).of(28_000, 28), Level::Days(1).of(1, 28), Level::Days(2).of(-5, 7)], [7_000, 1, 0]);
    assert_eq!([Level::Absolute(5).of(9, 1), Level::Days(365).of(i64::MAX, 1)], [5, i64::MAX]);
}
