//! Random tables of events as Arrow columns of all forms, with the JSON that each row means. Drawn from bytes, so that
//! properties and the fuzzer share it. Holds no test.
#![allow(clippy::cast_possible_truncation, reason = "one drawn number is as good as another")]

use std::sync::Arc;

use arrow_array::types::{
    ArrowDictionaryKeyType, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{
    Array, ArrayRef, Date32Array, Decimal32Array, Decimal64Array, Decimal128Array, DictionaryArray, Int8Array,
    Int32Array, Int64Array, LargeStringArray, NullArray, PrimitiveArray, RecordBatch, RecordBatchOptions, StringArray,
    StringViewArray, TimestampMicrosecondArray, TimestampMillisecondArray, TimestampNanosecondArray,
    TimestampSecondArray, UInt64Array,
};
use arrow_ipc::writer::{FileWriter, StreamWriter};
use arrow_schema::{Field, Schema};
use tallystick_contract::instant;

/// 2026-03-01T12:00:00Z, where the times of the tables lie.
pub(crate) const BASE_NS: i64 = 1_772_366_400 * SECOND_NS;
const SECOND_NS: i64 = 1_000_000_000;

const TYPES: [&str; 10] = [
    "stock.received",
    "stock.adjusted",
    "stock.counted",
    "stock.reserved",
    "stock.picked",
    "stock.short_picked",
    "stock.sold",
    "stock.moved",
    "transfer.dispatched",
    "unknown.type",
];

/// A source of choices: the bytes in order, then zeros.
pub(crate) struct Dice<'a>(pub(crate) &'a [u8]);

impl Dice<'_> {
    /// One of `sides` numbers from zero.
    pub(crate) fn pick(&mut self, sides: usize) -> usize {
        let (first, rest) = self.0.split_first().unwrap_or((&0, &[]));
        self.0 = rest;
        usize::from(*first) % sides
    }

    fn number(&mut self) -> i64 {
        let mut bytes = [0; 8];
        bytes.fill_with(|| self.pick(256) as u8);
        i64::from_le_bytes(bytes)
    }
}

/// A column: its values, and each of them as JSON.
struct Column {
    name: &'static str,
    array: ArrayRef,
    json: Vec<Option<String>>,
}

/// A table of events.
pub(crate) struct Table {
    rows: usize,
    columns: Vec<Column>,
    /// Rows of the first record batch.
    cut: usize,
    is_file: bool,
}

impl Table {
    /// Draws a table.
    pub(crate) fn draw(dice: &mut Dice<'_>) -> Self {
        let rows = dice.pick(24);
        let sources: Vec<_> = (0..rows).map(|row| if dice.pick(5) == 0 { dice.pick(row + 1) } else { row }).collect();
        let mut columns = Vec::new();
        for name in [
            "id",
            "source",
            "type",
            "time",
            "sequence",
            "correlationid",
            "causationid",
            "sku",
            "location",
            "quantity",
            "lot",
            "owner",
            "to_location",
            "from_status",
            "to_status",
            "document",
            "line",
            "due",
            "reason",
            "note",
        ] {
            let often =
                matches!(name, "id" | "source" | "type" | "time" | "sku" | "location" | "quantity" | "to_location");
            let left_away = dice.pick(64);
            if left_away == 63 || (!often && left_away.is_multiple_of(2)) {
                continue;
            }
            columns.push(column(name, &sources, dice));
        }
        if dice.pick(4) == 0 {
            columns.reverse();
        }
        Self { rows, columns, cut: dice.pick(rows + 1), is_file: dice.pick(4) == 0 }
    }

    /// The events as JSON texts, their members in the contract's order.
    pub(crate) fn events(&self) -> Vec<String> {
        let order = |column: &&Column| ORDER.iter().position(|name| *name == column.name);
        let mut known: Vec<_> = self.columns.iter().filter(|column| order(column).is_some()).collect();
        known.sort_by_key(order);
        let event = |row: usize| {
            let member = |column: &&Column| column.json[row].as_ref().map(|json| format!("\"{}\":{json}", column.name));
            format!("{{{}}}", known.iter().filter_map(member).collect::<Vec<_>>().join(","))
        };
        (0..self.rows).map(event).collect()
    }

    /// The table as an Arrow IPC stream or file of two record batches.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let field = |column: &Column| Field::new(column.name, column.array.data_type().clone(), true);
        let schema = Arc::new(Schema::new(self.columns.iter().map(field).collect::<Vec<_>>()));
        let arrays = self.columns.iter().map(|column| Arc::clone(&column.array)).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(self.rows));
        let whole = RecordBatch::try_new_with_options(Arc::clone(&schema), arrays, &options).unwrap();
        let batches = [whole.slice(0, self.cut), whole.slice(self.cut, self.rows - self.cut)];
        let mut bytes = Vec::new();
        if self.is_file {
            let mut writer = FileWriter::try_new(&mut bytes, &schema).unwrap();
            for batch in &batches {
                writer.write(batch).unwrap();
            }
            writer.finish().unwrap();
        } else {
            let mut writer = StreamWriter::try_new(&mut bytes, &schema).unwrap();
            for batch in &batches {
                writer.write(batch).unwrap();
            }
            writer.finish().unwrap();
        }
        bytes
    }
}

/// The members of an event in the order in which a row is rendered.
const ORDER: [&str; 19] = [
    "id",
    "source",
    "type",
    "time",
    "sequence",
    "correlationid",
    "causationid",
    "sku",
    "location",
    "quantity",
    "lot",
    "owner",
    "to_location",
    "from_status",
    "to_status",
    "document",
    "line",
    "due",
    "reason",
];

fn column(name: &'static str, rows: &[usize], dice: &mut Dice<'_>) -> Column {
    let form = dice.pick(8);
    let (array, json) = match (name, form) {
        (_, 7) if dice.pick(8) == 0 => (Arc::new(NullArray::new(rows.len())) as ArrayRef, vec![None; rows.len()]),
        ("quantity", 0..=1) | ("sequence" | "line", 0..=5) => integers(rows, dice),
        ("quantity", 2..=5) => decimals(rows, dice),
        ("time" | "due", 0..=4) => instants(rows, dice),
        ("due", 5..=6) => days(rows, dice),
        _ => texts(name, rows, dice),
    };
    Column { name, array, json }
}

/// The values of a column. A row says which row it repeats; its own number where it is new.
fn values<T: Clone>(rows: &[usize], dice: &mut Dice<'_>, mut value: impl FnMut(&mut Dice<'_>) -> T) -> Vec<Option<T>> {
    let nulls = dice.pick(4) == 0;
    let mut values: Vec<Option<T>> = Vec::new();
    for source in rows {
        let drawn = if nulls && dice.pick(6) == 0 { None } else { Some(value(dice)) };
        values.push(values.get(*source).cloned().unwrap_or(drawn));
    }
    values
}

fn json<T>(values: &[Option<T>], spell: impl Fn(&T) -> String) -> Vec<Option<String>> {
    values.iter().map(|value| value.as_ref().map(&spell)).collect()
}

fn integers(rows: &[usize], dice: &mut Dice<'_>) -> (ArrayRef, Vec<Option<String>>) {
    let wide =
        |dice: &mut Dice<'_>| if dice.pick(16) == 0 { dice.number() } else { dice.pick(20).cast_signed() as i64 };
    match dice.pick(4) {
        0 => {
            let values = values(rows, dice, wide);
            (Arc::new(Int64Array::from(values.clone())), json(&values, ToString::to_string))
        }
        1 => {
            let values = values(rows, dice, |dice| wide(dice).cast_unsigned());
            (Arc::new(UInt64Array::from(values.clone())), json(&values, ToString::to_string))
        }
        2 => {
            let values = values(rows, dice, |dice| wide(dice) as i32);
            (Arc::new(Int32Array::from(values.clone())), json(&values, ToString::to_string))
        }
        _ => {
            let values = values(rows, dice, |dice| wide(dice) as i8);
            (Arc::new(Int8Array::from(values.clone())), json(&values, ToString::to_string))
        }
    }
}

/// A decimal as its definition says: digits, then a point or an exponent.
fn spell_decimal(unscaled: i128, scale: i8) -> String {
    let sign = if unscaled < 0 { "-" } else { "" };
    let digits = unscaled.unsigned_abs().to_string();
    match usize::try_from(scale) {
        Ok(0) => format!("{sign}{digits}"),
        Ok(scale) => {
            let digits = format!("{}{digits}", "0".repeat((scale + 1).saturating_sub(digits.len())));
            let (whole, fraction) = digits.split_at(digits.len() - scale);
            format!("{sign}{whole}.{fraction}")
        }
        Err(_) if unscaled == 0 => digits,
        Err(_) => format!("{sign}{digits}{}", "0".repeat(usize::from(scale.unsigned_abs()))),
    }
}

fn decimals(rows: &[usize], dice: &mut Dice<'_>) -> (ArrayRef, Vec<Option<String>>) {
    let scale = [3, 3, 2, 0, 6, 1, 9, -2][dice.pick(8)];
    let unit = 10_i64.pow(u32::try_from(scale.max(0)).unwrap()) / 2;
    let near = |dice: &mut Dice<'_>| {
        if dice.pick(8) == 0 { dice.number() } else { dice.pick(20).cast_signed() as i64 * unit.max(1) }
    };
    match dice.pick(3) {
        0 => {
            let values = values(rows, dice, |dice| near(dice) as i32);
            let array = Decimal32Array::from(values.clone()).with_precision_and_scale(9, scale).unwrap();
            (Arc::new(array), json(&values, |value| spell_decimal((*value).into(), scale)))
        }
        1 => {
            let values = values(rows, dice, near);
            let array = Decimal64Array::from(values.clone()).with_precision_and_scale(18, scale).unwrap();
            (Arc::new(array), json(&values, |value| spell_decimal((*value).into(), scale)))
        }
        _ => {
            let values =
                values(rows, dice, |dice| i128::from(near(dice)) * if dice.pick(16) == 0 { 1_000_000_007 } else { 1 });
            let array = Decimal128Array::from(values.clone()).with_precision_and_scale(38, scale).unwrap();
            (Arc::new(array), json(&values, |value| spell_decimal(*value, scale)))
        }
    }
}

fn instants(rows: &[usize], dice: &mut Dice<'_>) -> (ArrayRef, Vec<Option<String>>) {
    let unit_ns = [1, 1_000, 1_000_000, SECOND_NS][dice.pick(4)];
    let values = values(rows, dice, |dice| {
        if dice.pick(12) == 0 { dice.number() } else { BASE_NS / unit_ns - dice.pick(200).cast_signed() as i64 }
    });
    let json = json(&values, |value| format!("\"{}\"", instant::format_any(i128::from(*value) * i128::from(unit_ns))));
    let zone = ["UTC", "+00:00", "Europe/Berlin"][dice.pick(3)];
    let array: ArrayRef = match unit_ns {
        1 => Arc::new(TimestampNanosecondArray::from(values).with_timezone(zone)),
        1_000 => Arc::new(TimestampMicrosecondArray::from(values).with_timezone(zone)),
        1_000_000 => Arc::new(TimestampMillisecondArray::from(values).with_timezone(zone)),
        _ => Arc::new(TimestampSecondArray::from(values).with_timezone(zone)),
    };
    (array, json)
}

fn days(rows: &[usize], dice: &mut Dice<'_>) -> (ArrayRef, Vec<Option<String>>) {
    let values = values(rows, dice, |dice| {
        if dice.pick(24) == 0 { dice.number() as i32 } else { i32::try_from(20_000 + dice.pick(3)).unwrap() }
    });
    let json = json(&values, |value| format!("\"{}\"", instant::format_date((*value).into())));
    (Arc::new(Date32Array::from(values)), json)
}

/// A text of a field: mostly of its form, now and then wrong in one of the ways that the contract names.
fn text(name: &str, dice: &mut Dice<'_>) -> String {
    const WRONG: [&str; 12] = [
        "",
        "a\u{7}b",
        "\u{85}",
        "ä\u{9f}",
        "x\"y\\z",
        "é",
        "-0",
        "0012",
        "99999999999999999999",
        "+1",
        "1.5",
        "never",
    ];
    if dice.pick(100) == 0 {
        return match dice.pick(16) {
            0 => "l".repeat(65),
            1 => "l".repeat(129),
            2 => "\u{1}".repeat(600 + 50 * dice.pick(256)),
            3 => "l".repeat(65_000 + 100 * dice.pick(8)),
            other => WRONG[other - 4].to_owned(),
        };
    }
    match name {
        "id" => dice.pick(40).to_string(),
        "source" => ["wms", "erp"][dice.pick(2)].to_owned(),
        "type" => TYPES[dice.pick(TYPES.len())].to_owned(),
        "sku" => ["A", "B", "Ü"][dice.pick(3)].to_owned(),
        "location" | "to_location" => ["DC1", "DC2"][dice.pick(2)].to_owned(),
        "quantity" => ["1", "2.5", "-1", "0", "1e1", "0.0001", "1e12", "1e13", "7.250"][dice.pick(9)].to_owned(),
        "from_status" | "to_status" => {
            ["on_hand", "quarantine", "damaged", "picked", "reserved"][dice.pick(5)].to_owned()
        }
        "time" | "due" => instant::format(BASE_NS - dice.pick(200).cast_signed() as i64 * SECOND_NS),
        "sequence" | "line" => dice.pick(9).to_string(),
        _ => ["", "x", "longer than twelve bytes"][dice.pick(3)].to_owned(),
    }
}

fn texts(name: &str, rows: &[usize], dice: &mut Dice<'_>) -> (ArrayRef, Vec<Option<String>>) {
    // Statuses are mostly left away, or nearly every event would have one that its type does not use.
    let is_rare = name.ends_with("_status");
    let values: Vec<_> = values(rows, dice, |dice| (!is_rare || dice.pick(12) == 0).then(|| text(name, dice)))
        .into_iter()
        .map(Option::flatten)
        .collect();
    let spell = |value: &String| {
        let is_whole = value.parse::<i64>().is_ok() && serde_json::from_str::<serde_json::Value>(value).is_ok();
        if name == "line" && is_whole { value.clone() } else { serde_json::to_string(value).unwrap() }
    };
    let json = json(&values, spell);
    let form = dice.pick(3);
    let array = match dice.pick(10) {
        0 => encoded::<Int8Type>(&values, form, dice),
        1 => encoded::<Int16Type>(&values, form, dice),
        2 => encoded::<Int32Type>(&values, form, dice),
        3 => encoded::<Int64Type>(&values, form, dice),
        4 => encoded::<UInt8Type>(&values, form, dice),
        5 => encoded::<UInt16Type>(&values, form, dice),
        6 => encoded::<UInt32Type>(&values, form, dice),
        7 => encoded::<UInt64Type>(&values, form, dice),
        _ => plain(&values, form),
    };
    (array, json)
}

fn plain(values: &[Option<String>], form: usize) -> ArrayRef {
    let values = values.iter().cloned();
    match form {
        0 => Arc::new(values.collect::<StringArray>()),
        1 => Arc::new(values.collect::<LargeStringArray>()),
        _ => Arc::new(values.collect::<StringViewArray>()),
    }
}

/// The values with a dictionary that has entries which no row names, and may have a null of its own.
fn encoded<K: ArrowDictionaryKeyType>(values: &[Option<String>], form: usize, dice: &mut Dice<'_>) -> ArrayRef
where
    K::Native: TryFrom<usize, Error: std::fmt::Debug>,
{
    let null_entry = dice.pick(4) == 0;
    let mut entries: Vec<Option<String>> = vec![Some("unused\u{1}".to_owned()), None];
    let mut keys = Vec::new();
    for value in values {
        let known = entries.iter().skip(1).position(|entry| entry == value).map(|place| place + 1);
        let place = known.unwrap_or_else(|| {
            entries.push(value.clone());
            entries.len() - 1
        });
        keys.push((value.is_some() || null_entry).then(|| K::Native::try_from(place).unwrap()));
    }
    let keys = keys.into_iter().collect::<PrimitiveArray<K>>();
    Arc::new(DictionaryArray::try_new(keys, plain(&entries, form)).unwrap())
}
