//! The side that answers: a plugin, or the host where a plugin asks back.

use abi_stable::sabi_trait::TD_Opaque;
use abi_stable::std_types::{ROption, RStr};
use convert_abi::{abi_stable, Answer, Arguments, Callable, Callable_TO, Fallible, Object};
use serde::{Deserialize, Serialize};

use super::ask::Remote;
use super::guard::guard;
use super::image::{foreign_image, images};
use super::message;
use crate::{Error, Image, LazyImage, Result};

/// A call from the other side.
pub struct Call<'a>(pub Arguments<'a>);

impl<'a> Call<'a> {
    /// What was sent besides images and objects.
    pub fn read<'s, T: Deserialize<'s>>(&'s self) -> Result<T> {
        message::read(self.0.message.as_slice())
    }

    /// The decoded images.
    pub fn images(&self) -> Result<Vec<Image<'a>>> {
        images(self.0.images.as_slice())
    }

    /// The image that is decoded when asked for.
    pub fn image(&mut self) -> Result<LazyImage<'a>> {
        self.0.image.take().into_option().map(foreign_image).ok_or_else(|| Error::invalid("a call came without its image"))
    }

    /// The object to ask.
    pub fn object(&mut self) -> Result<Remote<'a>> {
        self.0.object.take().into_option().map(Remote).ok_or_else(|| Error::invalid("a call came without its object"))
    }
}

/// What a method answers; `None` where there is no such method.
pub type Reply = Result<Option<Answer<'static>>>;

/// An answer that is a value.
pub fn reply<T: Serialize + ?Sized>(value: &T) -> Reply {
    Ok(Some(Answer { message: message::write(value)?.into(), image: ROption::RNone, object: ROption::RNone }))
}

/// An answer that can be asked in turn.
pub fn reply_object(object: Object<'static>) -> Reply {
    Ok(Some(Answer { message: message::write(&())?.into(), image: ROption::RNone, object: ROption::RSome(object) }))
}

struct Served<F>(F);

impl<F: Fn(&str, Call<'_>) -> Reply + Send + Sync> Callable for Served<F> {
    fn call<'a>(&'a self, method: RStr<'_>, arguments: Arguments<'_>) -> Fallible<ROption<Answer<'a>>> {
        guard(|| (self.0)(method.as_str(), Call(arguments)), ROption::from)
    }
}

/// What answers calls by `methods`.
pub fn object(methods: impl Fn(&str, Call<'_>) -> Reply + Send + Sync + 'static) -> Object<'static> {
    Callable_TO::from_value(Served(methods), TD_Opaque)
}
