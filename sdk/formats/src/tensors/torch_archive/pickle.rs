//! Reads a pickle without executing it: a machine for the instructions that tensors and plain containers need. An instruction that would import or
//! call anything else is refused by its name.

use std::collections::HashMap;
use std::rc::Rc;

use convert_sdk::{Error, Result};

use super::pickled::{Global, Node, Object, Pickled};
use super::storage::{Storage, TensorPlace};

/// Most bytes in memory for each byte of a pickle, while containers double as they grow: with what is copied meanwhile it stays below 64.
const HELD_A_BYTE: usize = 40;
/// What a pickle may take however short it is, and at most, however long.
const LEAST_HELD: usize = 64 << 10;
const MOST_HELD: usize = 1 << 30;
/// Most sides of a tensor, as PyTorch has it.
pub const MAX_SIDES: usize = 64;

/// Reads the pickle at the beginning of `bytes`; also how many bytes it takes.
///
/// # Errors
/// A pickle that is truncated or broken, holds anything else than tensors and plain containers, or would take more than 64 times its bytes, or 1 GiB, of memory.
pub fn read(bytes: &[u8]) -> Result<(Pickled, usize)> {
    let most = bytes.len().saturating_mul(HELD_A_BYTE).saturating_add(LEAST_HELD).min(MOST_HELD);
    let mut machine = Machine { bytes, at: 0, stack: Vec::new(), marks: Vec::new(), memo: HashMap::new(), nodes: Vec::new(), inner: 0 };
    while !machine.step()? {
        if machine.held() > most {
            return Err(too_many());
        }
    }
    let root = machine.pop()?;
    Ok((Pickled { root, nodes: machine.nodes, length: bytes.len() }, machine.at))
}

struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    stack: Vec<Object>,
    /// Heights of the stack at the open marks.
    marks: Vec<usize>,
    memo: HashMap<u32, Object>,
    nodes: Vec<Node>,
    /// Bytes within the objects made so far.
    inner: usize,
}

fn broken() -> Error {
    Error::invalid("a broken pickle")
}

/// The pickle is no larger than a file of tensors may be, but what it makes is.
pub fn too_many() -> Error {
    Error::invalid("the pickle's containers are too deep or too many for a file of tensors")
}

impl Machine<'_> {
    /// Bytes in memory; what was given back since counts as well.
    fn held(&self) -> usize {
        // A table of hashes keeps an eighth of its places free, and a byte for each.
        let memo = self.memo.capacity() * (size_of::<(u32, Object)>() + 1) * 8 / 7;
        let lists = self.stack.capacity() * size_of::<Object>() + self.marks.capacity() * size_of::<usize>();
        self.inner + memo + lists + self.nodes.capacity() * size_of::<Node>()
    }

    /// One instruction; true after the last one. The letters are those of Python's `pickle.py`.
    fn step(&mut self) -> Result<bool> {
        let [code] = self.array()?;
        match code {
            0x80 => drop(self.array::<1>()?), // PROTO
            0x95 => drop(self.array::<8>()?), // FRAME
            b'.' => return Ok(true),
            b'(' => self.marks.push(self.stack.len()),
            b'0' => drop(self.pop()?),
            b'1' => drop(self.pop_mark()?),
            b'N' | 0x88 | 0x89 => self.stack.push(Object::Ignored),
            b'K' => {
                let [value] = self.array()?;
                self.stack.push(Object::Int(value.into()));
            }
            b'M' => {
                let value = u16::from_le_bytes(self.array()?);
                self.stack.push(Object::Int(value.into()));
            }
            b'J' => {
                let value = i32::from_le_bytes(self.array()?);
                self.stack.push(Object::Int(value.into()));
            }
            b'G' => {
                self.array::<8>()?;
                self.stack.push(Object::Ignored);
            }
            0x8a => self.long()?,
            b'X' => self.text::<4>()?,
            0x8c => self.text::<1>()?,
            0x8d => self.text::<8>()?,
            b'U' => self.ignored_bytes::<1>()?,
            b'T' | b'B' => self.ignored_bytes::<4>()?,
            b'C' => self.ignored_bytes::<1>()?,
            b'}' => self.push_node(Node::Dict(Vec::new())),
            b']' => self.push_node(Node::List(Vec::new())),
            b')' => self.push_node(Node::Tuple(Vec::new())),
            b't' => {
                let items = self.pop_mark()?;
                self.push_node(Node::Tuple(items));
            }
            0x85..=0x87 => {
                let items = self.pop_many(usize::from(code - 0x84))?;
                self.push_node(Node::Tuple(items));
            }
            b'q' | b'r' | 0x94 => self.memorise(code)?,
            b'h' | b'j' => self.recall(code)?,
            b'c' | 0x93 => self.global(code)?,
            b'a' | b'e' => self.append(code)?,
            b's' | b'u' => self.set_items(code)?,
            b'Q' => self.storage()?,
            b'R' => self.call()?,
            b'b' => drop(self.pop()?), // BUILD: the state of an ordered dictionary, which is no tensor's
            other => return Err(Error::invalid(format!("refused: the pickle's instruction 0x{other:02x} is not one that tensors need"))),
        }
        Ok(false)
    }

    fn take(&mut self, count: usize) -> Result<&[u8]> {
        let end = self.at.checked_add(count).filter(|end| *end <= self.bytes.len()).ok_or_else(|| Error::invalid("the pickle is truncated"))?;
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        self.take(N)?.try_into().map_err(|_| broken())
    }

    /// What a little-endian length of `N` bytes announces.
    fn counted<const N: usize>(&mut self) -> Result<&[u8]> {
        let mut length = [0; 8];
        length[..N].copy_from_slice(&self.array::<N>()?);
        self.take(usize::try_from(u64::from_le_bytes(length)).map_err(|_| broken())?)
    }

    fn text<const N: usize>(&mut self) -> Result<()> {
        let text: Rc<str> = std::str::from_utf8(self.counted::<N>()?).map_err(|_| broken())?.into();
        self.inner += text.len() + 2 * size_of::<usize>();
        self.stack.push(Object::Text(text));
        Ok(())
    }

    fn ignored_bytes<const N: usize>(&mut self) -> Result<()> {
        self.counted::<N>()?;
        self.stack.push(Object::Ignored);
        Ok(())
    }

    /// A signed little-endian integer of any length.
    fn long(&mut self) -> Result<()> {
        let bytes = self.counted::<1>()?;
        let value = if bytes.len() <= 8 {
            let sign = if bytes.last().is_some_and(|top| top & 0x80 != 0) { 0xff } else { 0 };
            let mut padded = [sign; 8];
            padded[..bytes.len()].copy_from_slice(bytes);
            Object::Int(i64::from_le_bytes(padded))
        } else {
            let long: Rc<[u8]> = bytes.into();
            self.inner += long.len() + 2 * size_of::<usize>();
            Object::Long(long)
        };
        self.stack.push(value);
        Ok(())
    }

    fn pop(&mut self) -> Result<Object> {
        let open = self.marks.last().copied().unwrap_or(0);
        if self.stack.len() <= open {
            return Err(broken());
        }
        self.stack.pop().ok_or_else(broken)
    }

    fn pop_many(&mut self, count: usize) -> Result<Vec<Object>> {
        let mut items = (0..count).map(|_| self.pop()).collect::<Result<Vec<_>>>()?;
        items.reverse();
        Ok(items)
    }

    fn pop_mark(&mut self) -> Result<Vec<Object>> {
        let mark = self.marks.pop().ok_or_else(broken)?;
        Ok(self.stack.split_off(mark))
    }

    fn push_node(&mut self, node: Node) {
        self.inner += match &node {
            Node::Tuple(items) | Node::List(items) => items.capacity() * size_of::<Object>(),
            Node::Dict(pairs) => pairs.capacity() * 2 * size_of::<Object>(),
            Node::Storage(_) => size_of::<Storage>() + 2 * size_of::<usize>(),
            Node::Tensor(tensor) => size_of::<TensorPlace>() + (tensor.shape.capacity() + tensor.strides.capacity()) * size_of::<usize>(),
        };
        self.nodes.push(node);
        self.stack.push(Object::Node(self.nodes.len() - 1));
    }

    fn memorise(&mut self, code: u8) -> Result<()> {
        let index = match code {
            b'q' => self.array::<1>()?[0].into(),
            b'r' => u32::from_le_bytes(self.array()?),
            _ => self.memo.len() as u32,
        };
        self.memo.insert(index, self.stack.last().ok_or_else(broken)?.clone());
        Ok(())
    }

    fn recall(&mut self, code: u8) -> Result<()> {
        let index = if code == b'h' { self.array::<1>()?[0].into() } else { u32::from_le_bytes(self.array()?) };
        self.stack.push(self.memo.get(&index).ok_or_else(broken)?.clone());
        Ok(())
    }

    fn global(&mut self, code: u8) -> Result<()> {
        let global = if code == b'c' {
            let rest = &self.bytes[self.at..];
            let mut lines = rest.splitn(3, |byte| *byte == b'\n');
            let (Some(module), Some(name), Some(_)) = (lines.next(), lines.next(), lines.next()) else { return Err(broken()) };
            self.at += module.len() + name.len() + 2;
            Global::find(&String::from_utf8_lossy(module), &String::from_utf8_lossy(name))?
        } else {
            match self.pop_many(2)?.as_slice() {
                [Object::Text(module), Object::Text(name)] => Global::find(module, name)?,
                _ => return Err(broken()),
            }
        };
        self.stack.push(Object::Global(global));
        Ok(())
    }

    /// The container on top of the stack.
    fn container(&mut self) -> Result<&mut Node> {
        match self.stack.last() {
            Some(Object::Node(index)) => self.nodes.get_mut(*index).ok_or_else(broken),
            _ => Err(broken()),
        }
    }

    fn append(&mut self, code: u8) -> Result<()> {
        let items = if code == b'a' { vec![self.pop()?] } else { self.pop_mark()? };
        let Node::List(list) = self.container()? else { return Err(broken()) };
        let before = list.capacity();
        list.extend(items);
        let grown = (list.capacity() - before) * size_of::<Object>();
        self.inner += grown;
        Ok(())
    }

    fn set_items(&mut self, code: u8) -> Result<()> {
        let items = if code == b's' { self.pop_many(2)? } else { self.pop_mark()? };
        let Node::Dict(entries) = self.container()? else { return Err(broken()) };
        let (pairs, rest) = items.as_chunks::<2>();
        if !rest.is_empty() {
            return Err(broken());
        }
        let before = entries.capacity();
        entries.extend(pairs.iter().map(|[key, value]| (key.clone(), value.clone())));
        let grown = (entries.capacity() - before) * 2 * size_of::<Object>();
        self.inner += grown;
        Ok(())
    }

    /// BINPERSID: `("storage", type, key, device, elements)`.
    fn storage(&mut self) -> Result<()> {
        let persistent = self.pop()?;
        let [Object::Text(kind), Object::Global(Global::Storage(dtype)), Object::Text(key), _, Object::Int(elements), ..] =
            self.items(&persistent)?
        else {
            return Err(broken());
        };
        if &**kind != "storage" {
            return Err(broken());
        }
        let storage = Storage { dtype: *dtype, key: key.clone(), elements: usize::try_from(*elements).map_err(|_| broken())? };
        self.push_node(Node::Storage(storage.into()));
        Ok(())
    }

    fn items(&self, object: &Object) -> Result<&[Object]> {
        match object {
            Object::Node(index) => match self.nodes.get(*index) {
                Some(Node::Tuple(items) | Node::List(items)) => Ok(items),
                _ => Err(broken()),
            },
            _ => Err(broken()),
        }
    }

    /// REDUCE: the known functions, none of which does anything.
    fn call(&mut self) -> Result<()> {
        let arguments = self.pop()?;
        let Object::Global(function) = self.pop()? else { return Err(Error::invalid("refused: the pickle calls what it made itself")) };
        let arguments = self.items(&arguments)?;
        match (function, arguments) {
            (Global::OrderedDict, []) => self.push_node(Node::Dict(Vec::new())),
            (Global::OrderedDict, [pairs]) => {
                let pairs = self.items(pairs)?.iter().map(|pair| match self.items(pair)? {
                    [key, value] => Ok((key.clone(), value.clone())),
                    _ => Err(broken()),
                });
                let pairs = pairs.collect::<Result<_>>()?;
                self.push_node(Node::Dict(pairs));
            }
            (Global::Size, [sides]) => {
                let sides = self.items(sides)?.to_vec();
                self.push_node(Node::Tuple(sides));
            }
            (Global::RebuildTensor, [Object::Node(storage), Object::Int(first), shape, strides, ..]) => {
                let (shape, strides) = (self.sides(shape)?, self.sides(strides)?);
                let first = usize::try_from(*first).map_err(|_| broken())?;
                let Some(Node::Storage(storage)) = self.nodes.get(*storage) else { return Err(broken()) };
                let tensor = TensorPlace { storage: storage.clone(), first, shape, strides };
                self.push_node(Node::Tensor(tensor.into()));
            }
            (Global::RebuildParameter, [tensor @ Object::Node(index), ..]) if matches!(self.nodes.get(*index), Some(Node::Tensor(_))) => {
                let tensor = tensor.clone();
                self.stack.push(tensor);
            }
            _ => return Err(broken()),
        }
        Ok(())
    }

    fn sides(&self, object: &Object) -> Result<Vec<usize>> {
        let side = |object: &Object| match object {
            Object::Int(side) => usize::try_from(*side).map_err(|_| broken()),
            _ => Err(broken()),
        };
        let sides = self.items(object)?;
        if sides.len() > MAX_SIDES {
            return Err(Error::invalid(format!("a tensor of {} sides: there are at most {MAX_SIDES}", sides.len())));
        }
        sides.iter().map(side).collect()
    }
}
