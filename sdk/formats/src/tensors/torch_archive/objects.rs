//! From what a pickle holds to the tensors' names and places.

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use convert_sdk::{Error, Result};

use super::pickle::too_many;
use super::pickled::{Node, Object, Pickled};
use super::storage::{Storage, TensorPlace};
use crate::tensors::entry::Entry;

/// Containers within containers.
const MAX_DEPTH: usize = 32;
/// Most objects looked at, and at most one for each byte of the pickle: one object may stand in many places, and a small pickle could thus unfold to any size.
const MAX_OBJECTS: usize = 1 << 20;
/// Most bytes of all names together, for each byte of the pickle: a long key may stand in many places.
const NAMES_A_BYTE: usize = 8;

/// The storages that a pickle names.
pub fn storages_of(pickled: &Pickled) -> Vec<&Storage> {
    let storages = pickled.nodes.iter().filter_map(|node| match node {
        Node::Storage(storage) => Some(&**storage),
        _ => None,
    });
    storages.collect()
}

/// All tensors by name, checked to lie within their storages, whose places and sizes in bytes are given by key.
pub fn tensors_of(pickled: &Pickled, storages: &HashMap<Rc<str>, (u64, u64)>) -> Result<BTreeMap<String, Entry>> {
    let mut entries = BTreeMap::new();
    let (mut objects, mut names) = (pickled.length.min(MAX_OBJECTS), pickled.length.saturating_mul(NAMES_A_BYTE).saturating_add(1 << 16));
    let mut waiting = Vec::new();
    if let Object::Node(root) = pickled.root {
        waiting.push((String::new(), root, 0));
    }
    while let Some((name, index, depth)) = waiting.pop() {
        if depth > MAX_DEPTH {
            return Err(too_many());
        }
        let mut wait = |part: &str, object: &Object| -> Result<()> {
            let Object::Node(index) = object else { return Ok(()) };
            let inner = if name.is_empty() { part.to_owned() } else { format!("{name}.{part}") };
            (objects, names) = objects.checked_sub(1).zip(names.checked_sub(inner.len())).ok_or_else(too_many)?;
            waiting.push((inner, *index, depth + 1));
            Ok(())
        };
        match &pickled.nodes[index] {
            Node::Tensor(tensor) => drop(entries.insert(name.clone(), entry(&name, tensor, storages)?)),
            Node::Tuple(items) | Node::List(items) => {
                items.iter().enumerate().try_for_each(|(at, item)| wait(&at.to_string(), item))?;
            }
            Node::Dict(pairs) => pairs.iter().try_for_each(|(key, value)| match key {
                Object::Text(text) => wait(text, value),
                Object::Int(number) => wait(&number.to_string(), value),
                _ => Ok(()),
            })?,
            Node::Storage(_) => {}
        }
    }
    Ok(entries)
}

fn entry(name: &str, tensor: &TensorPlace, storages: &HashMap<Rc<str>, (u64, u64)>) -> Result<Entry> {
    let TensorPlace { storage, first, shape, strides } = tensor;
    let (start, size) =
        *storages.get(&storage.key).ok_or_else(|| Error::invalid(format!("storage {} of tensor `{name}` is missing", storage.key)))?;
    let outside = || Error::invalid(format!("tensor `{name}` of shape {shape:?} does not fit into its storage of {size} bytes"));
    if shape.len() != strides.len() || shape.iter().try_fold(1usize, |count, side| count.checked_mul(*side)).is_none() {
        return Err(outside());
    }
    let element = storage.element_size();
    let entry = Entry {
        dtype: storage.dtype,
        shape: shape.clone(),
        strides: strides.clone(),
        offset: start + (*first as u64).saturating_mul(element as u64),
    };
    let end = entry.extent().and_then(|extent| extent.checked_add(*first)).ok_or_else(outside)?;
    let fits = end <= storage.elements && (end as u64).checked_mul(element as u64).is_some_and(|end| end <= size);
    // A stride of 0 could make a tensor of any size from one number.
    let expands = entry.elements() > storage.elements;
    if fits && !expands { Ok(entry) } else { Err(outside()) }
}
