//! One thing that somebody said of an image.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use convert_sdk::{Mask, Probability};

/// The version of the lines.
const VERSION: u32 = 1;
/// A reviewer's name has at most so many characters.
const LONGEST_NAME: usize = 100;

/// A line of `reviews.jsonl`, valid by construction where it was read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Line", into = "Line")]
pub struct Event {
    /// 16 hexadecimal digits, of each event others.
    pub id: String,
    /// When, as in RFC 3339, in UTC. For people alone: what counts is the order of the lines.
    pub time: String,
    /// Who: any name of at most 100 characters.
    pub who: String,
    /// The sample's id.
    pub sample: String,
    /// What was said.
    pub action: Action,
    /// How the image came up, such as `random`: only these images give honest figures.
    pub queue: Option<String>,
    /// Whether the probabilities were hidden.
    pub blind: bool,
    /// The probability of the class that was shown, or would have been.
    pub p: Option<Probability>,
}

/// What was said of an image. Classes go by name, regions by their place among the image's, from 0.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// The image shows the class.
    Accept {
        /// Which.
        class: String,
    },
    /// It does not.
    Reject {
        /// Which.
        class: String,
    },
    /// It shows the class, which was not among its labels.
    Add {
        /// Which.
        class: String,
        /// Where, in the image's size.
        mask: Option<Mask>,
    },
    /// The region's mask is of no use.
    BadMask {
        /// Which.
        region: u32,
        /// The mask itself, by which the region is found again where a later run has others.
        mask: Option<Mask>,
    },
    /// It is, after all.
    GoodMask {
        /// Which.
        region: u32,
    },
    /// The image shows these classes and no others.
    Complete {
        /// Which.
        labels: Vec<String>,
    },
    /// An earlier event of the same person on the same image does not count.
    Undo {
        /// That event's id.
        of: String,
    },
}

impl Action {
    const NAMES: &'static str = "accept, reject, add, bad-mask, good-mask, complete, undo";

    /// Its name in files.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Accept { .. } => "accept",
            Self::Reject { .. } => "reject",
            Self::Add { .. } => "add",
            Self::BadMask { .. } => "bad-mask",
            Self::GoodMask { .. } => "good-mask",
            Self::Complete { .. } => "complete",
            Self::Undo { .. } => "undo",
        }
    }

    /// The classes that it names.
    pub fn classes(&self) -> impl Iterator<Item = &str> {
        let (one, many) = match self {
            Self::Accept { class } | Self::Reject { class } | Self::Add { class, .. } => (Some(class), &[][..]),
            Self::Complete { labels } => (None, &labels[..]),
            _ => (None, &[][..]),
        };
        one.into_iter().chain(many).map(String::as_str)
    }

    /// Whether it is about one class.
    pub fn is_verdict(&self) -> bool {
        matches!(self, Self::Accept { .. } | Self::Reject { .. } | Self::Add { .. })
    }
}

impl Event {
    /// An event of now, with an id of its own.
    pub fn new(who: impl Into<String>, sample: impl Into<String>, action: Action) -> Self {
        Self {
            // Keys that the system drew.
            id: format!("{:016x}", RandomState::new().build_hasher().finish()),
            time: humantime::format_rfc3339_millis(SystemTime::now()).to_string(),
            who: who.into(),
            sample: sample.into(),
            action,
            queue: None,
            blind: false,
            p: None,
        }
    }

    /// Checks what the types leave open, as reading a line does.
    ///
    /// # Errors
    /// One line that names the key and its value.
    pub fn check(&self) -> Result<(), String> {
        let id = |name: &str, id: &str| match id.len() == 16 && id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            true => Ok(()),
            false => Err(format!("`{name}` is `{id}`, not 16 hexadecimal digits")),
        };
        id("id", &self.id)?;
        if let Action::Undo { of } = &self.action {
            id("of", of)?;
        }
        if humantime::parse_rfc3339(&self.time).is_err() {
            return Err(format!("`time` is `{}`, not a time such as 2026-11-29T10:15:03.123Z", self.time));
        }
        if self.who.trim().is_empty() || self.who.chars().count() > LONGEST_NAME || self.who.contains(char::is_control) {
            return Err(format!("`who` is {:?}: a name has 1 to {LONGEST_NAME} characters, none of them a control character", self.who));
        }
        if self.sample.is_empty() {
            return Err("`sample` is empty".into());
        }
        if self.action.classes().any(str::is_empty) {
            return Err("the name of a class is empty".into());
        }
        Ok(())
    }

    /// The line that a file holds, without its end.
    ///
    /// # Errors
    /// As [`Event::check`].
    pub fn to_line(&self) -> Result<String, String> {
        self.check()?;
        serde_json::to_string(self).map_err(|error| error.to_string())
    }
}

/// An event as a line has it. Keys that are not known are of newer versions, and left out.
#[derive(Serialize, Deserialize)]
struct Line {
    version: u32,
    id: String,
    time: String,
    who: String,
    sample: String,
    action: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    class: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    region: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mask: Option<LineMask>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    labels: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    of: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    queue: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    blind: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    p: Option<Probability>,
}

/// A mask as COCO writes it.
#[derive(Serialize, Deserialize)]
struct LineMask {
    /// Rows, columns.
    size: [u32; 2],
    counts: String,
}

impl TryFrom<Line> for Event {
    type Error = String;

    fn try_from(line: Line) -> Result<Self, String> {
        if line.version != VERSION {
            return Err(format!("it has the version {}, and this program knows {VERSION} only", line.version));
        }
        let missing = |key: &str| format!("the action `{}` needs the key `{key}`", line.action);
        let class = || line.class.clone().ok_or_else(|| missing("class"));
        let region = || line.region.ok_or_else(|| missing("region"));
        let read = |LineMask { size: [height, width], counts }| Mask::from_counts(width, height, &counts).map_err(|error| error.to_string());
        let mask = line.mask.map(read).transpose()?;
        let action = match line.action.as_str() {
            "accept" => Action::Accept { class: class()? },
            "reject" => Action::Reject { class: class()? },
            "add" => Action::Add { class: class()?, mask },
            "bad-mask" => Action::BadMask { region: region()?, mask },
            "good-mask" => Action::GoodMask { region: region()? },
            "complete" => Action::Complete { labels: line.labels.ok_or_else(|| missing("labels"))? },
            "undo" => Action::Undo { of: line.of.ok_or_else(|| missing("of"))? },
            other => return Err(format!("the action `{other}` is none of {}", Action::NAMES)),
        };
        let Line { id, time, who, sample, queue, blind, p, .. } = line;
        let event = Self { id, time, who, sample, action, queue, blind, p };
        event.check().map(|()| event)
    }
}

impl From<Event> for Line {
    fn from(event: Event) -> Self {
        let action = event.action.name().to_owned();
        let (mut class, mut region, mut drawn, mut labels, mut of) = (None, None, None, None, None);
        match event.action {
            Action::Accept { class: name } | Action::Reject { class: name } => class = Some(name),
            Action::Add { class: name, mask } => (class, drawn) = (Some(name), mask),
            Action::BadMask { region: index, mask } => (region, drawn) = (Some(index), mask),
            Action::GoodMask { region: index } => region = Some(index),
            Action::Complete { labels: names } => labels = Some(names),
            Action::Undo { of: id } => of = Some(id),
        }
        let mask = drawn.map(|mask| LineMask { size: [mask.height(), mask.width()], counts: mask.counts() });
        let Event { id, time, who, sample, queue, blind, p, .. } = event;
        Self { version: VERSION, id, time, who, sample, action, class, region, mask, labels, of, queue, blind, p }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_what_was_agreed_and_reads_back() {
        // The mask is pycocotools' of a 5x4 image's block of 3x2 pixels at column 1, row 1.
        let text = r#"{"version":1,"id":"00ff00ff00ff00ff","time":"2026-11-29T10:15:03.123Z","who":"anna","sample":"n1/a.JPEG","action":"add","class":"cup","mask":{"size":[4,5],"counts":"5220003"},"queue":"random","blind":true,"p":0.4312}"#;
        let event: Event = serde_json::from_str(text).unwrap();
        let Action::Add { class, mask: Some(mask) } = &event.action else { panic!("{event:?}") };
        assert_eq!((class.as_str(), mask.width(), mask.height(), mask.area()), ("cup", 5, 4, 6));
        assert_eq!(event.to_line().unwrap(), text);
        let newer = text.replacen('{', r#"{"weather":{"rain":true},"#, 1);
        assert_eq!(serde_json::from_str::<Event>(&newer).unwrap(), event, "what a newer version adds is left out");
        for action in [
            Action::Accept { class: "a b".into() },
            Action::Reject { class: "ü".into() },
            Action::BadMask { region: 3, mask: None },
            Action::BadMask { region: 3, mask: Some(Mask::full(2, 1).unwrap()) },
            Action::GoodMask { region: 0 },
            Action::Complete { labels: vec![] },
            Action::Undo { of: "0123456789abcdef".into() },
        ] {
            let event = Event::new("bob", "x", action);
            assert_eq!(serde_json::from_str::<Event>(&event.to_line().unwrap()).unwrap(), event);
        }
    }

    #[test]
    fn what_makes_no_sense_is_said_in_a_line() {
        let line = |changes: &[(&str, &str)]| {
            let text = r#"{"version":1,"id":"00ff00ff00ff00ff","time":"2026-11-29T10:15:03.123Z","who":"anna","sample":"a","action":"accept","class":"cup"}"#;
            let changed = changes.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to));
            serde_json::from_str::<Event>(&changed).unwrap_err().to_string()
        };
        for (changes, expected) in [
            (&[("accept", "like")][..], "the action `like` is none of accept, reject"),
            (&[("\"class\":\"cup\"", "\"region\":1")], "the action `accept` needs the key `class`"),
            (&[("accept", "complete")], "the action `complete` needs the key `labels`"),
            (&[("accept", "bad-mask")], "the action `bad-mask` needs the key `region`"),
            (&[("accept", "undo")], "the action `undo` needs the key `of`"),
            (&[("00ff00ff00ff00ff", "7")], "`id` is `7`, not 16 hexadecimal digits"),
            (&[("anna", " ")], "`who` is \" \""),
            (&[("\"a\"", "\"\"")], "`sample` is empty"),
            (&[("cup", "")], "the name of a class is empty"),
            (&[("2026-11-29T", "yesterday ")], "`time` is `yesterday 10:15:03.123Z`"),
            (&[("\"version\":1", "\"version\":2")], "it has the version 2"),
            (&[("accept", "add"), ("\"cup\"", r#""cup","mask":{"size":[4,5],"counts":"52"}"#)], "sum to"),
            (&[("\"cup\"", "\"cup\",\"p\":1.5")], "1.5 is not a probability"),
        ] {
            let error = line(changes);
            assert!(error.contains(expected), "{error}");
        }
    }
}
