"""Reads the tensors of a PyTorch file in the old stream format without PyTorch and without running anything in it.

Such a file is a row of pickles followed by raw storages. ``pickle.load`` would call whatever the file names, so the
opcodes are interpreted here: only those that a plain state dict is made of, and a global is a name that is never
imported. Anything else is refused.
"""

import pickletools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

MAGIC = 0x1950A86A20F9469CFC6C
_DTYPES: dict[str, np.dtype[Any]] = {"torch FloatStorage": np.dtype("<f4"), "torch LongStorage": np.dtype("<i8")}
_REBUILD = "torch._utils _rebuild_tensor_v2"
_ORDERED = "collections OrderedDict"


class TorchFileError(ValueError):
    """The file is no plain state dict in the old PyTorch format."""


@dataclass(frozen=True, slots=True)
class _Global:
    name: str


@dataclass(frozen=True, slots=True)
class _Storage:
    key: str
    dtype: np.dtype[Any]
    count: int


@dataclass(frozen=True, slots=True)
class _Tensor:
    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class _Mark:
    pass


def read_state_dict(path: Path) -> dict[str, NDArray[Any]]:
    """Give name -> array for every tensor in ``path``. Raises TorchFileError when the file is anything else."""
    with path.open("rb") as file:
        try:
            if _interpret(file) != MAGIC:
                raise TorchFileError("the magic number is missing")
            _interpret(file)  # the protocol
            _interpret(file)  # the writer's word sizes: this format is always little-endian in practice
            tensors = _interpret(file)
            keys = _interpret(file)
            storages = _read_storages(file, tensors, keys)
            return {str(name): _array(tensor, storages) for name, tensor in tensors.items()}
        except (ValueError, IndexError, KeyError, TypeError, AttributeError) as error:
            raise TorchFileError(f"{path} is not a plain PyTorch state dict: {error}") from None


def _read_storages(file: BinaryIO, tensors: Any, keys: Any) -> dict[str, NDArray[Any]]:
    wanted = {tensor.storage.key: tensor.storage for tensor in tensors.values()}
    storages = {}
    for key in keys:
        storage = wanted[key]
        count = int.from_bytes(file.read(8), "little")
        data = file.read(storage.dtype.itemsize * storage.count)
        if count != storage.count or len(data) != storage.dtype.itemsize * count:
            raise TorchFileError(f"storage {key} has {count} values, {storage.count} were announced")
        storages[key] = np.frombuffer(data, storage.dtype)
    return storages


def _array(tensor: _Tensor, storages: dict[str, NDArray[Any]]) -> NDArray[Any]:
    """Lay a tensor's view over its storage; a step outside it is refused before any memory is touched."""
    values = storages[tensor.storage.key][tensor.offset :]
    last = sum((n - 1) * stride for n, stride in zip(tensor.shape, tensor.strides, strict=True))
    if any(stride < 0 for stride in tensor.strides) or (0 not in tensor.shape and last >= len(values)):
        raise TorchFileError("a tensor reaches beyond its storage")
    steps = tuple(stride * values.itemsize for stride in tensor.strides)
    return np.lib.stride_tricks.as_strided(values, tensor.shape, steps, writeable=False).copy()


def _interpret(file: BinaryIO) -> Any:
    """Run one pickle of the stream on a stack of our own; nothing is imported or called."""
    stack: list[Any] = []
    memo: dict[int, Any] = {}
    opcodes: Iterator[tuple[Any, Any, Any]] = pickletools.genops(file)
    for opcode, argument, _ in opcodes:
        name = opcode.name
        if name in ("BININT", "BININT1", "BININT2", "LONG1", "BINUNICODE"):
            stack.append(argument)
        elif name in _CONSTANTS:
            stack.append(_CONSTANTS[name]())
        elif name == "GLOBAL":
            stack.append(_Global(argument))
        elif name in ("BINPUT", "LONG_BINPUT"):
            memo[argument] = stack[-1]
        elif name in ("BINGET", "LONG_BINGET"):
            stack.append(memo[argument])
        elif name in _STEPS:
            _STEPS[name](stack)
        elif name == "STOP":
            return stack.pop()
        elif name != "PROTO":
            raise TorchFileError(f"opcode {name} has no place in a state dict")
    raise TorchFileError("a pickle has no end")


def _since_mark(stack: list[Any]) -> list[Any]:
    start = max(i for i, value in enumerate(stack) if isinstance(value, _Mark))
    values = stack[start + 1 :]
    del stack[start:]
    return values


def _tuple(stack: list[Any]) -> None:
    stack.append(tuple(_since_mark(stack)))


def _tuple1(stack: list[Any]) -> None:
    stack.append((stack.pop(),))


def _tuple2(stack: list[Any]) -> None:
    second, first = stack.pop(), stack.pop()
    stack.append((first, second))


def _set_item(stack: list[Any]) -> None:
    value, key = stack.pop(), stack.pop()
    stack[-1][key] = value


def _set_items(stack: list[Any]) -> None:
    values = _since_mark(stack)
    stack[-1].update(zip(values[::2], values[1::2], strict=True))


def _append_all(stack: list[Any]) -> None:
    values = _since_mark(stack)
    stack[-1].extend(values)


def _build(stack: list[Any]) -> None:
    stack.pop()  # the attributes of the OrderedDict (versions of the layers): not needed


def _persistent(stack: list[Any]) -> None:
    kind, storage, key, _, count, view = stack.pop()
    if kind != "storage" or view is not None or storage.name not in _DTYPES:
        raise TorchFileError(f"unknown storage {storage}")
    stack.append(_Storage(key, _DTYPES[storage.name], count))


def _reduce(stack: list[Any]) -> None:
    arguments, function = stack.pop(), stack.pop()
    if function.name == _ORDERED and not arguments:
        stack.append({})
    elif function.name == _REBUILD:
        storage, offset, shape, strides, *_ = arguments
        if not isinstance(storage, _Storage) or offset < 0 or any(n < 0 for n in shape):
            raise TorchFileError("a tensor without a storage")
        stack.append(_Tensor(storage, offset, shape, strides))
    else:
        raise TorchFileError(f"{function.name} has no place in a state dict")


_CONSTANTS: dict[str, Any] = {
    "EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple, "MARK": _Mark,
    "NONE": lambda: None, "NEWTRUE": lambda: True, "NEWFALSE": lambda: False,
}  # fmt: skip
_STEPS = {
    "TUPLE": _tuple, "TUPLE1": _tuple1, "TUPLE2": _tuple2, "SETITEM": _set_item, "SETITEMS": _set_items,
    "APPENDS": _append_all, "BUILD": _build, "BINPERSID": _persistent, "REDUCE": _reduce,
}  # fmt: skip
