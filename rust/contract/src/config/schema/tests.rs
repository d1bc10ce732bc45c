//! Wrong values for every key of every table, and that schema and configuration know the same keys.

use std::rc::Rc;

use super::*;
use crate::config::Config;

/// A value that has the form, so that nothing but its meaning can be wrong.
fn good(form: Form) -> Value {
    match form {
        Flag => json!(true),
        Whole(least, _) => json!(least.max(1)),
        Text => json!("a"),
        Duration => json!("1d"),
        Quantity | Level => json!("1"),
        OneOf(words) => json!(words[0]),
        Texts => json!(["a"]),
        Words(words) => json!([words[0]]),
        Pairs => json!([["on_hand", "customer"]]),
        Table(keys) => Value::Object(keys.iter().map(|key| (key.name.to_owned(), good(key.form))).collect()),
        Tables(keys) => json!([good(Table(keys))]),
        Named(form) => json!({ "a": good(*form) }),
    }
}

/// Values that do not have the form.
fn wrong(form: Form) -> Vec<Value> {
    let all = [
        json!(true),
        json!(0.5),
        json!(-9),
        json!(i64::MAX),
        json!(u64::MAX),
        json!("?"),
        json!([1]),
        json!({}),
        json!([]),
        json!([["a"]]),
    ];
    all.into_iter().filter(|value| form.check("x", value).is_err()).collect()
}

/// A configuration with a value at one place.
type Put = Rc<dyn Fn(Value) -> Value>;

/// Every place of a value: its path, its form, and a configuration with a value there.
fn places() -> Vec<(String, Form, Put)> {
    let mut found = Vec::new();
    for table in TABLES {
        add_places(&mut found, table.name, table.form, &(Rc::new(move |value| json!({ table.name: value })) as Put));
    }
    found
}

fn add_places(found: &mut Vec<(String, Form, Put)>, path: &str, form: Form, put: &Put) {
    found.push((path.to_owned(), form, Rc::clone(put)));
    match form {
        Table(keys) | Tables(keys) => {
            let is_list = matches!(form, Tables(_));
            for key in keys {
                let outer = Rc::clone(put);
                let inner: Put = Rc::new(move |value| {
                    let table = json!({ key.name: value });
                    outer(if is_list { json!([table]) } else { table })
                });
                let path = if is_list { format!("{path}[0].{}", key.name) } else { format!("{path}.{}", key.name) };
                add_places(found, &path, key.form, &inner);
            }
        }
        Named(form) => {
            let outer = Rc::clone(put);
            let inner: Put = Rc::new(move |value| outer(json!({ "n": value })));
            add_places(found, &format!("{path}.\"n\""), *form, &inner);
        }
        _ => {}
    }
}

#[test]
fn what_is_needed_is_said_to_be_missing() {
    for (text, expected) in [
        ("[[replenish]]\npoint = 1", "replenish[0].target: is missing; give a number such as 12.5, or days"),
        ("[transfers]", "transfers.age: is missing; give a duration in quotes"),
        ("[promise.suppliers.a]\nslide = 1", "promise.suppliers.\"a\".past_due: is missing; give one of \"exception\""),
        (
            "[types.a]\nquantity = \"positive\"\nto_status = {}",
            "types.\"a\".to_status.allowed: is missing; give a list",
        ),
    ] {
        let error = Config::parse(text).unwrap_err();
        assert!(error.starts_with(expected), "{error}");
    }
    assert_eq!(Config::parse(r#"{"engine":{"history_max":null}}"#).unwrap().history_max, 64);
}

#[test]
fn every_wrong_value_names_its_key_and_the_cure() {
    let mut tried = 0;
    for (path, form, put) in places() {
        for value in wrong(form) {
            let error = Config::parse(&put(value.clone()).to_string()).expect_err(&path);
            assert!(error.starts_with(&path), "{path} = {value}: {error}");
            let is_taught = error.contains(" does not do; give ") || error.contains(" is missing; give ");
            assert!(is_taught, "{path} = {value}: {error}");
            for word in ["expected", "invalid type", "variant", "untagged", "Raw", "u32", "i64", "struct", "line 1"] {
                assert!(!error.contains(word), "{path} = {value}: {error}");
            }
            tried += 1;
        }
    }
    assert!(tried > 500, "{tried}");
}

#[test]
fn an_unknown_key_names_those_that_are_known() {
    for (path, form, put) in places() {
        if let Table(keys) | Tables(keys) = form {
            let unknown = json!({ "nonsense": 1 });
            let value = if matches!(form, Tables(_)) { json!([unknown]) } else { unknown };
            let error = Config::parse(&put(value).to_string()).expect_err(&path);
            assert!(
                error.contains(".nonsense: there is no such key; known are ") && error.contains(keys[0].name),
                "{error}"
            );
        }
    }
    assert!(Config::parse("[engin]\na = 1").unwrap_err().starts_with("there is no table [engin]; known are engine, "));
}

#[test]
fn what_has_the_form_is_never_refused_for_its_form() {
    for (path, form, put) in places() {
        if let Err(error) = Config::parse(&put(good(form)).to_string()) {
            for word in ["expected", "invalid type", "variant", "untagged", "unknown field", "does not do", "line 1"] {
                assert!(!error.contains(word), "{path}: {error}");
            }
        }
    }
}

#[test]
fn defaults_are_what_holds_without_them() {
    let whole = Config::default();
    for table in TABLES {
        let Table(keys) = table.form else { continue };
        // These hold once they are there at all.
        if ["receipts", "approvals", "ownership"].contains(&table.name) {
            continue;
        }
        for key in keys.iter().filter(|key| !key.default.is_empty()) {
            let given = Config::parse(&format!("[{}]\n{} = {}\n", table.name, key.name, key.default)).unwrap();
            let (mut given, mut usual) = (format!("{given:?}"), format!("{whole:?}"));
            for text in [&mut given, &mut usual] {
                // The text as it was written, and its fingerprint, differ.
                text.truncate(text.find("canonical: ").unwrap());
            }
            assert_eq!(given, usual, "{}.{}", table.name, key.name);
        }
    }
}
