"""What goes between the host and a worker: JSON with arrays behind it.

A frame is the length of its JSON in four bytes (the lowest first), the JSON, and the bytes of its arrays, whose lengths stand under `blobs`. In the JSON an array is
`{"$": number, "shape": [...], "dtype": "u1"}`, and bytes are `{"$": number}`.
"""

from __future__ import annotations

import dataclasses
import json
import struct
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np


def write(stream: BinaryIO, message: dict[str, Any]) -> None:
    """Writes a frame."""
    blobs: list[Any] = []
    packed = _pack(message, blobs)
    packed["blobs"] = [len(blob) for blob in blobs]
    text = json.dumps(packed, allow_nan=False).encode()
    stream.write(struct.pack("<I", len(text)))
    stream.write(text)
    for blob in blobs:
        stream.write(blob)
    stream.flush()


def read(stream: BinaryIO) -> dict[str, Any] | None:
    """The next frame; nothing at the end."""
    head = stream.read(4)
    if len(head) < 4:
        return None
    message = json.loads(_exactly(stream, struct.unpack("<I", head)[0]))
    blobs = [_exactly(stream, length) for length in message.pop("blobs", [])]
    unpacked: dict[str, Any] = _unpack(message, blobs)
    return unpacked


def _exactly(stream: BinaryIO, length: int) -> bytearray:
    data = bytearray(length)
    view, at = memoryview(data), 0
    while at < length:
        count = stream.readinto(view[at:])  # type: ignore[attr-defined]
        if not count:
            raise EOFError("the host has gone")
        at += count
    return data


def _pack(value: Any, blobs: list[Any]) -> Any:
    if isinstance(value, np.ndarray):
        array = value.view(np.uint8) if value.dtype == np.bool_ and value.flags.c_contiguous else np.ascontiguousarray(value)
        if array.dtype == np.bool_:
            array = array.view(np.uint8)
        blobs.append(array.tobytes())
        return {"$": len(blobs) - 1, "shape": list(value.shape), "dtype": array.dtype.str.lstrip("<|=")}
    if isinstance(value, (bytes, bytearray)):
        blobs.append(value)
        return {"$": len(blobs) - 1}
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, dict):
        return {str(key): _pack(inner, blobs) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_pack(inner, blobs) for inner in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _pack(getattr(value, field.name), blobs) for field in dataclasses.fields(value)}
    return value


def _unpack(value: Any, blobs: list[bytearray]) -> Any:
    if isinstance(value, dict):
        if "$" in value:
            blob = blobs[value["$"]]
            return np.frombuffer(blob, dtype=value["dtype"]).reshape(value["shape"]) if "shape" in value else bytes(blob)
        return {key: _unpack(inner, blobs) for key, inner in value.items()}
    if isinstance(value, list):
        return [_unpack(inner, blobs) for inner in value]
    return value
