//! What may be broken at all: rules that an experiment can only stay within.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserializer};
use serde::{Deserialize, Serialize};

use super::units::{ByteRate, Bytes, Rate, Share, Timespan, UnitError};

/// One policy file. What is absent limits nothing; an empty list allows nothing.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Policy {
    /// The file, as messages name it.
    pub file: String,
    /// It is root's own: only such a policy can allow what is forbidden without any.
    pub of_system: bool,
    /// Patterns of the faults that may be used.
    pub allow_faults: Option<Rule<Vec<String>>>,
    /// Patterns of the faults that may not, even if allowed.
    pub deny_faults: Option<Rule<Vec<String>>>,
    /// What settings of faults may be at most.
    pub at_most: Vec<DoseLimit>,
    /// What settings of faults may be at least.
    pub at_least: Vec<DoseLimit>,
    /// The longest duration of one fault.
    pub max_fault_duration: Option<Rule<Timespan>>,
    /// The longest `blast_radius.duration`.
    pub max_duration: Option<Rule<Timespan>>,
    /// The largest `blast_radius.traffic` of faults on proxies.
    pub max_traffic: Option<Rule<Share>>,
    /// The largest `blast_radius.max_affected_users` of faults on proxies.
    pub max_affected_users: Option<Rule<u64>>,
    /// The shortest baseline.
    pub min_baseline: Option<Rule<Timespan>>,
    /// Faults need a stop condition.
    pub require_stop_conditions: Option<Rule<bool>>,
    /// The digest of the plan must be given.
    pub require_approval: Option<Rule<bool>>,
    /// The digests of the only plans that may be run.
    pub approved_plans: Option<Rule<Vec<String>>>,
    /// No fault without a way back, whatever the experiment consents to.
    pub forbid_irreversible: Option<Rule<bool>>,
    /// Patterns of the paths of programs that services and probes may run; `chaos` is this binary.
    pub allow_programs: Option<Rule<Vec<String>>>,
    /// The users that services, and processes that faults hit, may run as.
    pub allow_uids: Option<Rule<Vec<u32>>>,
    /// Patterns of the control groups that these may run in.
    pub allow_cgroups: Option<Rule<Vec<String>>>,
    /// The networks that proxies may listen on.
    pub allow_listen: Option<Rule<Vec<Network>>>,
    /// Where proxies may forward to.
    pub allow_upstreams: Option<Rule<Vec<Upstream>>>,
    /// Folders at or below which disk faults may write.
    pub allow_paths: Option<Rule<Vec<PathBuf>>>,
    /// When faults may be active.
    pub windows: Option<Rule<Vec<Window>>>,
}

/// A rule and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule<T> {
    /// What it says.
    pub value: T,
    /// Its line in the file, from 1.
    pub line: usize,
}

/// What a setting of a fault may be.
#[derive(Debug, Clone, PartialEq)]
pub struct DoseLimit {
    /// The name of the setting, as in an experiment.
    pub setting: String,
    /// The limit.
    pub limit: Quantity,
    /// Its line in the file, from 1.
    pub line: usize,
}

/// Any quantity that a setting can be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Quantity {
    /// `200ms`
    Time(Timespan),
    /// `64MiB`
    Size(Bytes),
    /// `50%`
    Share(Share),
    /// `500/s`
    Rate(Rate),
    /// `1MiB/s`
    ByteRate(ByteRate),
    /// `8`
    Number(f64),
}

impl Quantity {
    /// Which is more; none for quantities of different kinds.
    pub fn compare(self, other: Self) -> Option<std::cmp::Ordering> {
        match (self, other) {
            (Self::Time(one), Self::Time(other)) => one.partial_cmp(&other),
            (Self::Size(one), Self::Size(other)) => one.partial_cmp(&other),
            (Self::Share(one), Self::Share(other)) => one.partial_cmp(&other),
            (Self::Rate(one), Self::Rate(other)) => one.partial_cmp(&other),
            (Self::ByteRate(one), Self::ByteRate(other)) => one.partial_cmp(&other),
            (Self::Number(one), Self::Number(other)) => one.partial_cmp(&other),
            _ => None,
        }
    }
}

impl FromStr for Quantity {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let text = text.trim();
        match text.parse::<f64>() {
            Ok(number) if number.is_finite() => return Ok(Self::Number(number)),
            _ if text.ends_with('%') => return text.parse().map(Self::Share),
            _ if text.contains('/') => {
                return text
                    .parse()
                    .map(Self::Rate)
                    .or_else(|error| text.parse().map(Self::ByteRate).map_err(|_| error));
            }
            _ => {}
        }
        if let Ok(size) = text.parse() {
            return Ok(Self::Size(size));
        }
        text.parse().map(Self::Time).map_err(|_| UnitError {
            problem: format!("`{text}` is no quantity"),
            hint: "write it with its unit, such as `80%`, `2GiB`, `500/s`, `2s` or `8`".to_owned(),
        })
    }
}

impl JsonSchema for Quantity {
    fn schema_name() -> Cow<'static, str> {
        "Quantity".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "title": "a quantity with its unit, such as `80%`", "type": ["string", "number"] })
    }
}

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(FromText::<Self>::expecting("a quantity with its unit, such as `80%`"))
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Time(time) => time.fmt(f),
            Self::Size(size) => size.fmt(f),
            Self::Share(share) => share.fmt(f),
            Self::Rate(rate) => rate.fmt(f),
            Self::ByteRate(rate) => rate.fmt(f),
            Self::Number(number) => number.fmt(f),
        }
    }
}

/// Addresses whose first bits are the same: `10.0.0.0/8`, `::1/128`, or one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

impl Network {
    /// Whether the address is one of it.
    pub fn contains(&self, address: IpAddr) -> bool {
        let bits = |address: IpAddr| match address {
            IpAddr::V4(address) => (u128::from(address.to_bits()) << 96, 32),
            IpAddr::V6(address) => (address.to_bits(), 128),
        };
        let ((ours, width), (other, other_width)) = (bits(self.address), bits(address.to_canonical()));
        let differ = (ours ^ other).checked_shr(128 - u32::from(self.bits)).unwrap_or(0);
        width == other_width && differ == 0
    }
}

impl FromStr for Network {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let network = address.parse::<IpAddr>().ok().and_then(|address| {
            let width = if address.is_ipv4() { 32 } else { 128 };
            let bits = bits.map_or(Some(width), |bits| bits.parse().ok().filter(|bits| *bits <= width))?;
            Some(Self { address, bits })
        });
        network.ok_or_else(|| UnitError {
            problem: format!("`{text}` is no network"),
            hint: "write an address, or one with its bits, such as `127.0.0.0/8`".to_owned(),
        })
    }
}

impl JsonSchema for Network {
    fn schema_name() -> Cow<'static, str> {
        "Network".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "title": "a network such as `127.0.0.0/8`", "type": "string" })
    }
}

impl<'de> Deserialize<'de> for Network {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(FromText::<Self>::expecting("a network such as `127.0.0.0/8`"))
    }
}

/// Where a proxy may forward to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Upstream {
    /// Addresses, as they are written: names are never resolved to judge them.
    Network(Network),
    /// A pattern of names of hosts.
    Name(String),
}

impl FromStr for Upstream {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let name = |c: char| c.is_ascii_alphanumeric() || "-_.*".contains(c);
        match text.parse() {
            Ok(network) => Ok(Self::Network(network)),
            Err(_) if !text.is_empty() && text.chars().all(name) => Ok(Self::Name(text.to_ascii_lowercase())),
            Err(_) => Err(UnitError {
                problem: format!("`{text}` is neither a network nor the name of a host"),
                hint: "write it like `10.0.0.0/8` or `*.staging.example.com`, without a port".to_owned(),
            }),
        }
    }
}

impl JsonSchema for Upstream {
    fn schema_name() -> Cow<'static, str> {
        "Upstream".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "title": "a network or a name such as `db.internal`", "type": "string" })
    }
}

impl<'de> Deserialize<'de> for Upstream {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(FromText::<Self>::expecting("a network or a name such as `db.internal`"))
    }
}

/// A stretch of each of some days, in UTC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// The days on which it begins; never empty.
    pub days: Vec<Day>,
    /// Minutes after midnight at which it begins.
    pub from: u32,
    /// Minutes after midnight at which it ends, 1440 at most; on the next day unless it is after `from`.
    pub to: u32,
}

/// A day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs, reason = "everybody knows them")]
pub enum Day {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

impl Day {
    /// All of them, from Monday.
    pub const ALL: [Self; 7] = [Self::Mon, Self::Tue, Self::Wed, Self::Thu, Self::Fri, Self::Sat, Self::Sun];
}

/// Whether a text is of a pattern, in which `*` stands for any characters, or none.
pub fn matches(pattern: &str, text: &str) -> bool {
    let Some((begin, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(text) = text.strip_prefix(begin) else { return false };
    let places = (0..=text.len()).filter(|place| text.is_char_boundary(*place));
    places.map(|place| &text[place..]).any(|text| matches(rest, text))
}

/// Reads by `FromStr`, and says what was expected.
struct FromText<T> {
    expecting: &'static str,
    of: std::marker::PhantomData<T>,
}

impl<T> FromText<T> {
    const fn expecting(expecting: &'static str) -> Self {
        Self { expecting, of: std::marker::PhantomData }
    }
}

impl<T: FromStr<Err = UnitError>> de::Visitor<'_> for FromText<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expecting)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::{Network, Quantity, Upstream, matches};
    use crate::model::units::{ByteRate, Bytes, Rate, Share, Timespan};

    #[test]
    fn a_star_stands_for_any_characters() {
        for (pattern, text) in
            [("network.*", "network.latency"), ("*", ""), ("/opt/*/bin/x", "/opt/a/b/bin/x"), ("a", "a")]
        {
            assert!(matches(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [("network.*", "networks"), ("a", "ab"), ("*.kill", "process.killer"), ("a*b", "ac")] {
            assert!(!matches(pattern, text), "{pattern} {text}");
        }
    }

    #[test]
    fn a_network_holds_the_addresses_that_begin_like_it() {
        let holds = |network: &str, address: &str| {
            network.parse::<Network>().expect(network).contains(address.parse().expect(address))
        };
        for (network, address) in [
            ("10.0.0.0/8", "10.9.8.7"),
            ("127.0.0.1", "127.0.0.1"),
            ("0.0.0.0/0", "8.8.8.8"),
            ("fd00::/8", "fd12::1"),
            ("10.0.0.0/8", "::ffff:10.1.1.1"),
        ] {
            assert!(holds(network, address), "{network} {address}");
        }
        for (network, address) in
            [("10.0.0.0/8", "11.0.0.1"), ("127.0.0.1", "127.0.0.2"), ("0.0.0.0/0", "::1"), ("::/0", "1.1.1.1")]
        {
            assert!(!holds(network, address), "{network} {address}");
        }
        for wrong in ["10.0.0.0/33", "10.0.0.0/", "localhost", "10.0.0", ""] {
            assert!(wrong.parse::<Network>().is_err(), "{wrong}");
        }
        assert_eq!("DB.internal".parse(), Ok(Upstream::Name("db.internal".into())));
        assert!("db.internal:5432".parse::<Upstream>().is_err());
    }

    #[test]
    fn quantities_are_told_apart_by_their_units() {
        let cases = [
            ("80%", Quantity::Share(Share(0.8))),
            ("2GiB", Quantity::Size(Bytes(2 << 30))),
            ("500/s", Quantity::Rate(Rate(500.0))),
            ("1MiB/s", Quantity::ByteRate(ByteRate(1048576.0))),
            ("1m30s", Quantity::Time(Timespan::seconds(90))),
            ("8", Quantity::Number(8.0)),
        ];
        for (text, quantity) in cases {
            assert_eq!(text.parse(), Ok(quantity), "{text}");
        }
        assert!("soon".parse::<Quantity>().is_err() && "inf".parse::<Quantity>().is_err());
        assert_eq!(cases[0].1.compare(cases[1].1), None);
    }
}
