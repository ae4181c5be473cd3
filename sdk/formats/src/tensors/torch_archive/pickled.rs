//! What a pickle holds, once it is read.

use std::rc::Rc;

use convert_sdk::{Error, Result};
use safetensors::Dtype;

use super::storage::{Storage, TensorPlace};

/// What a pickle holds. Containers stand in one list and are named by their place in it, so that neither cycles nor depth can harm.
#[derive(Debug)]
pub struct Pickled {
    pub root: Object,
    pub nodes: Vec<Node>,
    /// How many bytes were there to make it from.
    pub length: usize,
}

/// A value on the machine's stack.
#[derive(Clone, Debug)]
pub enum Object {
    /// Something without meaning here: None, a truth value, a float, bytes.
    Ignored,
    Int(i64),
    /// An integer of more than 64 bits, little-endian.
    Long(Rc<[u8]>),
    Text(Rc<str>),
    Global(Global),
    Node(usize),
}

/// A container or what a known function made.
#[derive(Debug)]
pub enum Node {
    Tuple(Vec<Object>),
    List(Vec<Object>),
    Dict(Vec<(Object, Object)>),
    Storage(Rc<Storage>),
    Tensor(Box<TensorPlace>),
}

/// The only names that are not refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Global {
    OrderedDict,
    RebuildTensor,
    RebuildParameter,
    Size,
    Storage(Dtype),
}

impl Global {
    /// The name of a module; any other is refused.
    pub fn find(module: &str, name: &str) -> Result<Self> {
        let storage = |dtype| Ok(Self::Storage(dtype));
        match (module, name) {
            ("collections", "OrderedDict") => Ok(Self::OrderedDict),
            ("torch._utils", "_rebuild_tensor_v2") => Ok(Self::RebuildTensor),
            ("torch._utils", "_rebuild_parameter") => Ok(Self::RebuildParameter),
            ("torch", "Size") => Ok(Self::Size),
            ("torch", "DoubleStorage") => storage(Dtype::F64),
            ("torch", "FloatStorage") => storage(Dtype::F32),
            ("torch", "HalfStorage") => storage(Dtype::F16),
            ("torch", "BFloat16Storage") => storage(Dtype::BF16),
            ("torch", "LongStorage") => storage(Dtype::I64),
            ("torch", "IntStorage") => storage(Dtype::I32),
            ("torch", "ShortStorage") => storage(Dtype::I16),
            ("torch", "CharStorage") => storage(Dtype::I8),
            ("torch", "ByteStorage") => storage(Dtype::U8),
            ("torch", "BoolStorage") => storage(Dtype::BOOL),
            _ => Err(Error::invalid(format!(
                "refused: the pickle asks for {module}.{name}, and nothing but tensors and plain containers is read; \
                 save the tensors alone, such as torch.save(model.state_dict(), FILE)"
            ))),
        }
    }
}

impl Pickled {
    /// Whether it is one large integer of these bytes.
    pub fn is_long(&self, bytes: &[u8]) -> bool {
        matches!(&self.root, Object::Long(long) if **long == *bytes)
    }

    /// The integer that it is.
    pub fn integer(&self) -> Option<i64> {
        match self.root {
            Object::Int(value) => Some(value),
            _ => None,
        }
    }

    /// The texts of the list that it is.
    pub fn strings(&self) -> Option<Vec<Rc<str>>> {
        let Object::Node(root) = self.root else { return None };
        let Node::List(items) = self.nodes.get(root)? else { return None };
        let text = |object: &Object| match object {
            Object::Text(text) => Some(text.clone()),
            _ => None,
        };
        items.iter().map(text).collect()
    }
}
