use std::borrow::Cow;

use convert_abi::Object;
use serde::{Deserialize, Serialize};

use super::ask::{same_count, Remote, Request};
use super::image::image_object;
use super::serve::{object, reply};
use crate::{ClassScore, LabelMap, Region, Result, Selection, Selector, SelectorNeeds, Subject};

/// What of a subject is not an image.
#[derive(Serialize, Deserialize)]
struct Facts<'a> {
    id: Cow<'a, str>,
    label: u32,
    regions: Cow<'a, [Region]>,
    map: Option<Cow<'a, LabelMap>>,
    predictions: Option<Cow<'a, [Vec<ClassScore>]>>,
}

/// A selector as its methods.
pub fn serve(plugin: impl Selector + 'static) -> Object<'static> {
    object(move |method, mut call| match method {
        "needs" => reply(&plugin.needs()),
        "select" => {
            let image = call.image()?;
            let Facts { id, label, regions, map, predictions } = call.read()?;
            let subject = Subject { id: &id, label, image: &image, regions: &regions, map: map.as_deref(), predictions: predictions.as_deref() };
            reply(&plugin.select(&subject)?)
        }
        _ => Ok(None),
    })
}

/// A selector of a loaded library, with what it wants: asked once, when it is built.
pub struct ForeignSelector {
    remote: Remote<'static>,
    needs: SelectorNeeds,
}

impl ForeignSelector {
    pub fn new(remote: Remote<'static>) -> Result<Self> {
        let needs = remote.ask_or(Request::new("needs", &())?, SelectorNeeds::default())?;
        Ok(Self { remote, needs: SelectorNeeds { rounds: needs.rounds.max(1), ..needs } })
    }
}

impl Selector for ForeignSelector {
    fn needs(&self) -> SelectorNeeds {
        self.needs
    }
    fn select(&self, subject: &Subject<'_>) -> Result<Vec<Selection>> {
        let facts = Facts {
            id: subject.id.into(),
            label: subject.label,
            regions: subject.regions.into(),
            map: subject.map.map(Cow::Borrowed),
            predictions: subject.predictions.map(Cow::Borrowed),
        };
        let selections: Vec<Selection> = self.remote.ask(Request::new("select", &facts)?.image(image_object(subject.image)))?;
        same_count("selector", "answers", selections.len(), subject.regions.len())?;
        Ok(selections)
    }
}
