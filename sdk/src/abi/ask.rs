//! The side that asks: the host, or a plugin where it asks back.

use abi_stable::std_types::ROption;
use convert_abi::{abi_stable, Answer, Arguments, ImageObject, Object, Pixels};
use serde::de::DeserializeOwned;
use serde::Serialize;

use super::image::pixels;
use super::message::{self, received};
use crate::{Error, ErrorKind, Image, Result};

/// A call that is about to cross.
pub struct Request<'a> {
    method: &'static str,
    message: Vec<u8>,
    images: Vec<Pixels<'a>>,
    image: ROption<ImageObject<'a>>,
    object: ROption<Object<'a>>,
}

impl<'a> Request<'a> {
    /// A call of a method with a value.
    pub fn new<T: Serialize + ?Sized>(method: &'static str, value: &T) -> Result<Self> {
        Ok(Self { method, message: message::write(value)?, images: Vec::new(), image: ROption::RNone, object: ROption::RNone })
    }

    /// The same with decoded images.
    pub fn images<'i: 'a>(mut self, images: impl IntoIterator<Item = &'a Image<'i>>) -> Self {
        self.images = images.into_iter().map(pixels).collect();
        self
    }

    /// The same with an image that is decoded when asked for.
    pub fn image(mut self, image: ImageObject<'a>) -> Self {
        self.image = ROption::RSome(image);
        self
    }

    /// The same with something to be asked in turn.
    pub fn object(mut self, object: Object<'a>) -> Self {
        self.object = ROption::RSome(object);
        self
    }
}

/// Something of the other side.
pub struct Remote<'a>(pub Object<'a>);

impl Remote<'_> {
    /// What a method answers; nothing where the other side, built for an earlier version of the role, has none of that name.
    pub fn find(&self, request: Request<'_>) -> Result<Option<Answer<'_>>> {
        let Request { method, message, images, image, object } = request;
        let arguments = Arguments { message: message.as_slice().into(), images: images.as_slice().into(), image, object };
        Ok(received(self.0.call(method.into(), arguments))?.into_option())
    }

    /// The whole answer of a method that every version of the role has.
    pub fn call(&self, request: Request<'_>) -> Result<Answer<'_>> {
        let method = request.method;
        self.find(request)?.ok_or_else(|| Error::new(ErrorKind::Unsupported, format!("there is no method `{method}`")))
    }

    /// The value that a method answers.
    pub fn ask<T: DeserializeOwned>(&self, request: Request<'_>) -> Result<T> {
        message::read(&self.call(request)?.message)
    }

    /// The value that a method answers, or `default` where the other side is older than the method.
    pub fn ask_or<T: DeserializeOwned>(&self, request: Request<'_>, default: T) -> Result<T> {
        self.find(request)?.map_or(Ok(default), |answer| message::read(&answer.message))
    }

    /// The object that a method answers.
    pub fn ask_object(&self, request: Request<'_>) -> Result<Remote<'static>> {
        let method = request.method;
        let object = self.call(request)?.object.into_option();
        object.map(Remote).ok_or_else(|| Error::invalid(format!("the method `{method}` gave nothing")))
    }
}

/// Refuses an answer with another number of items than were asked about.
pub fn same_count(role: &str, what: &str, got: usize, expected: usize) -> Result<()> {
    if got == expected {
        return Ok(());
    }
    Err(Error::invalid(format!("the {role} gave {got} {what} for {expected}")))
}
