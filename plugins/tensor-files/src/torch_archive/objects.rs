//! From what a pickle holds to the tensors' names and places.

use std::collections::{BTreeMap, HashMap};

use convert_sdk::{Error, Result};

use super::pickle::{Node, Object, Pickled};
use super::storage::{Storage, TensorPlace};
use crate::entry::Entry;

/// Containers within containers.
const MAX_DEPTH: usize = 32;
/// Objects looked at. One object may stand in many places, and a small pickle can thus unfold to any size.
const MAX_OBJECTS: usize = 1 << 20;

/// The storages that a pickle names.
pub fn storages_of(pickled: &Pickled) -> Vec<&Storage> {
    let storages = pickled.nodes.iter().filter_map(|node| match node {
        Node::Storage(storage) => Some(storage),
        _ => None,
    });
    storages.collect()
}

/// All tensors by name, checked to lie within their storages, whose places and sizes in bytes are given by key.
pub fn tensors_of(pickled: &Pickled, storages: &HashMap<String, (u64, u64)>) -> Result<BTreeMap<String, Entry>> {
    let mut entries = BTreeMap::new();
    let mut seen = 0;
    let mut waiting = vec![(String::new(), &pickled.root, 0)];
    while let Some((name, object, depth)) = waiting.pop() {
        seen += 1;
        if depth > MAX_DEPTH || seen > MAX_OBJECTS {
            return Err(Error::invalid("the pickle's containers are too deep or too many for a file of tensors"));
        }
        let Object::Node(index) = object else { continue };
        let inner = |part: &str| if name.is_empty() { part.to_owned() } else { format!("{name}.{part}") };
        match &pickled.nodes[*index] {
            Node::Tensor(tensor) => drop(entries.insert(name.clone(), entry(&name, tensor, storages)?)),
            Node::Tuple(items) | Node::List(items) => {
                waiting.extend(items.iter().enumerate().map(|(at, item)| (inner(&at.to_string()), item, depth + 1)));
            }
            Node::Dict(pairs) => waiting.extend(pairs.iter().filter_map(|(key, value)| {
                let key = match key {
                    Object::Text(text) => text.to_string(),
                    Object::Int(number) => number.to_string(),
                    _ => return None,
                };
                Some((inner(&key), value, depth + 1))
            })),
            Node::Storage(_) => {}
        }
    }
    Ok(entries)
}

fn entry(name: &str, tensor: &TensorPlace, storages: &HashMap<String, (u64, u64)>) -> Result<Entry> {
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
