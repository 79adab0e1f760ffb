//! Reading structs of our own from small documents.

use serde::Deserialize;

use super::{Decoder, Field, fields_of};
use crate::diagnostic::Diagnostics;
use crate::model::units::{Rate, Timespan};
use crate::spec::parser::parse;

#[derive(Debug, Deserialize)]
struct Settings {
    delay: Timespan,
    rate: Rate,
    #[serde(default)]
    words: Vec<String>,
    #[serde(default)]
    cores: Option<u32>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Whole {
    name: Field<String>,
    settings: Field<Settings>,
}

fn read<T: serde::de::DeserializeOwned>(text: &str) -> (Option<T>, Vec<String>) {
    let tree = parse(text).expect("YAML");
    let decoder = Decoder::new(&tree, Diagnostics::new("file", text), []);
    let value = decoder.read(tree.root);
    let mut told = decoder.into_reported();
    told.sort();
    (value, told.iter().map(|error| error.message.clone()).collect())
}

fn messages(text: &str) -> Vec<String> {
    let (value, messages) = read::<Settings>(text);
    assert!(value.is_none() || messages.iter().all(|message| message.starts_with("unknown key")), "{text}");
    messages
}

#[test]
fn what_is_right_is_read() {
    let (value, told) = read::<Settings>("delay: 1s\nrate: 5/s\nwords: [a, 5, true]\ncores: 2\n");
    let value = value.expect("right");
    assert_eq!((value.delay, value.rate, value.cores), (Timespan::seconds(1), Rate(5.0), Some(2)));
    assert_eq!((value.words, told), (vec!["a".to_owned(), "5".to_owned(), "true".to_owned()], vec![]));
}

#[test]
fn all_errors_of_a_plain_struct_are_found_at_once() {
    let told = messages("delay: 30\nwords: [[1], {}, fine]\ncores: many\n");
    assert_eq!(
        told,
        [
            "`rate` is missing",
            "`30` has no unit",
            "this must be a text, not a list",
            "this must be a text, not a mapping",
            "`cores` must be a whole number from 0, not the text `many`",
        ]
    );
}

#[test]
fn all_missing_fields_are_found_at_once() {
    assert_eq!(messages("cores: 1"), ["`delay` is missing", "`rate` is missing"]);
}

#[test]
fn a_misspelt_key_is_read_as_what_was_meant() {
    let told = messages("dealy: 30\nrate: 1/s\ncolour: red\n");
    assert_eq!(told, ["unknown key `dealy`", "`30` has no unit", "unknown key `colour`"]);
}

#[test]
fn a_field_catches_its_errors_so_that_its_neighbours_are_read() {
    let (whole, told) = read::<Whole>("settings: 5\nname: x\n");
    let whole = whole.expect("a mapping");
    assert_eq!((whole.name.get().map(String::as_str), whole.settings.is_broken()), (Some("x"), true));
    assert_eq!(told, ["`settings` must be a mapping (lines of `key: value`), not `5`"]);
}

#[test]
fn an_empty_value_is_neither_absent_nor_wrong() {
    let (whole, told) = read::<Whole>("name:\n");
    assert!(matches!(whole.expect("a mapping").name, Field::Empty(span) if span == (0..4)));
    assert_eq!(told, [""; 0]);
}

#[test]
fn an_alias_bomb_is_given_up() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    (1..12).for_each(|n| {
        text.push_str(&format!("a{n}: &a{n} [*a{0}, *a{0}, *a{0}, *a{0}, *a{0}, *a{0}, *a{0}, *a{0}]\n", n - 1))
    });
    let (value, told) = read::<serde_json::Value>(&text);
    assert!(value.is_none());
    assert_eq!(told.last().map(String::as_str), Some("this file stands for far too many values"));
}

#[test]
fn the_names_of_fields_come_from_serde() {
    assert_eq!(fields_of::<Settings>(), ["delay", "rate", "words", "cores"]);
    assert_eq!(fields_of::<String>(), [""; 0]);
}
