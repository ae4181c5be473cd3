//! The page: style, sections, the gallery's data and the script that shows it.

use std::io::Write;
use std::sync::Arc;

use convert_sdk::Result;

use crate::card::Card;
use crate::escape::{Html, json_for_script};
use crate::report::Page;
use crate::sections::{charts, classes, gallery, pairs, run, summary, threshold, trust};

const STYLE: &str = include_str!("../assets/report.css");
const SCRIPT: &str = include_str!("../assets/report.js");

/// Bytes that the gallery may take, so that the whole page stays below 20 MB.
const GALLERY_BYTES: usize = 17_000_000;

impl Page<'_> {
    /// As many cards as fit.
    fn shown(&self) -> &[Arc<Card>] {
        let sizes = self.cards.iter().scan(0, |bytes, card| {
            *bytes += card.json.len();
            Some(*bytes)
        });
        &self.cards[..sizes.take_while(|bytes| *bytes <= GALLERY_BYTES).count()]
    }

    /// The gallery's data as JSON for a script element.
    fn data(&self, cards: &[Arc<Card>]) -> String {
        let with_images = (0..).zip(self.tally.classes()).filter(|(_, count)| count.given + count.added > 0).map(|(class, _)| class);
        let mut used: Vec<u32> = cards.iter().flat_map(|card| card.classes.iter().copied()).chain(with_images).collect();
        used.sort_unstable();
        used.dedup();
        let names: serde_json::Map<_, _> = used.into_iter().map(|class| (class.to_string(), self.class_name(class).into())).collect();
        let names = json_for_script(&serde_json::Value::Object(names).to_string());
        let cards: Vec<&str> = cards.iter().map(|card| card.json.as_str()).collect();
        let curve: Vec<[f64; 3]> = self
            .run
            .evaluation
            .iter()
            .filter_map(|evaluation| evaluation.added.as_ref())
            .flat_map(|added| &added.curve)
            .map(|point| [f64::from(point.threshold), point.precision, point.recall])
            .collect();
        let numbers = serde_json::json!({
            "threshold": self.run.statistics.threshold,
            "count": self.run.statistics.images,
            "probabilities": self.tally.probabilities(),
            "curve": curve,
        });
        let numbers = numbers.to_string();
        format!("{{{},\"classes\":{names},\"images\":[\n{}\n]}}", &numbers[1..numbers.len() - 1], cards.join(",\n"))
    }

    /// Writes the page.
    pub fn write(&self, out: &mut impl Write) -> Result<()> {
        let cards = self.shown();
        let has_truth = cards.iter().any(|card| card.has_truth);
        write!(
            out,
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'\">\n\
             <title>{} · convert</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n",
            Html(&self.run.name)
        )?;
        for section in [
            summary::header(self),
            "<main>\n".to_owned(),
            summary::tiles(self),
            charts::label_counts_and_truth(self),
            trust::section(self),
            threshold::section(self),
            gallery::section(cards.len(), self.run.statistics.images, has_truth, self.run.statistics.threshold),
            classes::section(self),
            pairs::section(self),
            charts::learning_curve(self.run),
            run::section(self.run),
            "</main>\n".to_owned(),
            gallery::DIALOG.to_owned(),
        ] {
            out.write_all(section.as_bytes())?;
        }
        write!(out, "<script type=\"application/json\" id=\"data\">{}</script>\n<script>\n{SCRIPT}</script>\n</body>\n</html>\n", self.data(cards))?;
        Ok(())
    }
}
