//! The catalogue of faults and probes -> text, JSON.

use serde_json::{Map, Value, json};

use super::layout::{Page, Style};
use crate::model::about::Setting;

/// All there is to say of one fault or probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Card {
    /// Its word in the file.
    pub word: &'static str,
    /// What it does, in one line.
    pub summary: &'static str,
    /// What there is to know, each under a word of its own.
    pub facts: Vec<(&'static str, String)>,
    /// Its settings.
    pub settings: Vec<Setting>,
    /// The settings that all of its kind have.
    pub common: Vec<Setting>,
    /// A whole experiment with it.
    pub example: String,
}

/// Many of them, a line each; `more` says how to go on.
pub fn list(cards: &[Card], more: &str, style: Style) -> String {
    let mut page = Page::new(style);
    page.pairs(&cards.iter().map(|card| (card.word.to_owned(), card.summary.to_owned())).collect::<Vec<_>>());
    page.gap();
    page.paragraph(more, 0, None);
    page.finish()
}

/// One of them, with everything.
pub fn card(card: &Card, style: Style) -> String {
    let mut page = Page::new(style);
    page.heading(&format!("{}: {}", card.word, card.summary));
    page.pairs(&card.facts.iter().map(|(label, text)| (label.replace('_', " "), text.clone())).collect::<Vec<_>>());
    page.heading("SETTINGS");
    if card.settings.is_empty() {
        page.paragraph("none of its own", 2, None);
    }
    page.pairs(&card.settings.iter().map(told).collect::<Vec<_>>());
    page.heading("SETTINGS THAT ALL HAVE");
    page.pairs(&card.common.iter().map(told).collect::<Vec<_>>());
    page.heading("EXAMPLE (a whole file; `chaos init` writes one for your system)");
    card.example.lines().for_each(|line| page.command(line, 2));
    page.finish()
}

/// For machines: `what` is `faults` or `probes`.
pub fn json(what: &str, cards: &[Card]) -> serde_json::Result<String> {
    let all: Vec<Value> = cards.iter().map(of_card).collect();
    Ok(serde_json::to_string_pretty(&json!({ "format": 1, what: all }))? + "\n")
}

fn of_card(card: &Card) -> Value {
    let mut object = Map::new();
    object.insert("word".to_owned(), json!(card.word));
    object.insert("summary".to_owned(), json!(card.summary));
    object.extend(card.facts.iter().map(|(label, text)| ((*label).to_owned(), json!(text))));
    object.insert("settings".to_owned(), json!(card.settings));
    object.insert("common_settings".to_owned(), json!(card.common));
    object.insert("example".to_owned(), json!(card.example));
    Value::Object(object)
}

fn told(setting: &Setting) -> (String, String) {
    let Setting { name, kind, required, default, about } = setting;
    let given = match (required, default) {
        (true, _) => "; required".to_owned(),
        (false, Some(default)) => format!("; {default} when absent"),
        (false, None) => String::new(),
    };
    (name.clone(), format!("{about} ({kind}{given})"))
}

#[cfg(test)]
mod tests {
    use super::{Card, Style, card, json};
    use crate::model::about::Setting;

    fn latency() -> Card {
        let setting = |name: &str, required, default: Option<&str>| Setting {
            name: name.into(),
            kind: "a time".into(),
            required,
            default: default.map(str::to_owned),
            about: "How late.".into(),
        };
        Card {
            word: "network.latency",
            summary: "bytes arrive later",
            facts: vec![("no_data", "never".into())],
            settings: vec![setting("delay", true, None), setting("jitter", false, Some("0s"))],
            common: vec![setting("start", false, None)],
            example: "name: a\nfaults: []\n".into(),
        }
    }

    #[test]
    fn a_setting_says_whether_it_must_be_there_and_what_holds_otherwise() {
        let text = card(&latency(), Style { color: false, width: 80 });
        for line in [
            "network.latency: bytes arrive later",
            "  no data  never",
            "  delay   How late. (a time; required)",
            "  jitter  How late. (a time; 0s when absent)",
            "  start  How late. (a time)",
            "  faults: []",
        ] {
            assert!(text.lines().any(|found| found == line), "no `{line}` in\n{text}");
        }
    }

    #[test]
    fn machines_read_the_same() {
        let read: serde_json::Value =
            serde_json::from_str(&json("faults", &[latency()]).expect("writes")).expect("reads");
        let fault = &read["faults"][0];
        assert_eq!((&fault["word"], &fault["no_data"]), (&"network.latency".into(), &"never".into()));
        assert_eq!((&fault["settings"][1]["default"], &fault["settings"][1]["type"]), (&"0s".into(), &"a time".into()));
    }
}
