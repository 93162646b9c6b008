"""Reads pickles without Python's unpickler: a small machine that can make the contents of a file of weights, and no
more.

A pickle is a program for a machine with a stack. Python's own machine calls any function by its name. It also hashes
any key, which can take for ever if tuples are nested. This machine knows the few operations that PyTorch writes, and
refuses all others. Keys are text. No value is hashed, compared, printed or walked through. Time and memory are
therefore limited by the pickle's length.
"""

import pickletools
from collections.abc import Callable, Collection
from typing import Any, BinaryIO, NamedTuple

_MARK = object()
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_READS = {
    "BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "SHORT_BINSTRING", "BINSTRING", "BINUNICODE",
    "SHORT_BINUNICODE", "BINUNICODE8", "SHORT_BINBYTES", "BINBYTES",
}  # fmt: skip
"""Operations that push a value."""
_TUPLES = {"EMPTY_TUPLE": 0, "TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


class PickleError(ValueError):
    """The pickle is broken, or asks for more than weights need."""


class Global(NamedTuple):
    """A function or class that a pickle names. It is never looked up.

    Attributes:
        module: its module.
        name: its name there.
    """

    module: str
    name: str


class Meanings(NamedTuple):
    """The names and values that a pickle may ask for.

    Attributes:
        known: functions and classes that it may name.
        call: the value of one of these for arguments.
        persistent: the value kept outside of the pickle that has a given description.
        ordered: the known class that becomes an ordinary dictionary.
    """

    known: Collection[Global]
    call: Callable[[Global, tuple], Any]
    persistent: Callable[[tuple], Any]
    ordered: Global


def load(stream: BinaryIO, meanings: Meanings) -> Any:
    """Reads the next pickle of a stream.

    Raises:
        PickleError: if it is broken, or asks for more.
    """
    return _Machine(meanings).run(stream)


class _Machine:
    def __init__(self, meanings: Meanings) -> None:
        self._meanings = meanings
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}

    def run(self, stream: BinaryIO) -> Any:
        """The value that the pickle leaves on the stack."""
        for opcode, argument, _ in pickletools.genops(stream):
            if opcode.name == "STOP":
                return self._pop()
            self._do(opcode.name, argument)
        raise PickleError("it has no end")

    def _do(self, name: str, argument: Any) -> None:
        if name in ("PROTO", "FRAME"):
            return
        if name in _READS:
            self._stack.append(argument)
        elif name in _CONSTANTS:
            self._stack.append(_CONSTANTS[name])
        elif name == "MARK":
            self._stack.append(_MARK)
        elif name in _TUPLES:
            self._stack.append(tuple(self._pops(_TUPLES[name])))
        elif name == "TUPLE":
            self._stack.append(tuple(self._marked()))
        elif name in ("EMPTY_LIST", "EMPTY_DICT"):
            self._stack.append([] if name == "EMPTY_LIST" else {})
        elif name in ("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"):
            self._memo[len(self._memo) if name == "MEMOIZE" else int(argument)] = self._top()
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            if int(argument) not in self._memo:
                raise PickleError("it reads an entry of its memo that it never wrote")
            self._stack.append(self._memo[int(argument)])
        elif name == "GLOBAL":
            module, _, called = argument.partition(" ")
            self._stack.append(self._known(Global(module, called)))
        elif name == "STACK_GLOBAL":
            self._stack.append(self._known(Global(*(_text(part) for part in self._pops(2)))))
        elif name == "BINPERSID":
            self._stack.append(self._meanings.persistent(_tuple(self._pop())))
        elif name == "REDUCE":
            self._reduce()
        elif name == "BUILD":  # attributes of a dictionary, in which PyTorch records versions
            self._pop()
            _dictionary(self._top())
        elif name in ("APPEND", "APPENDS"):
            items = self._marked() if name == "APPENDS" else [self._pop()]
            _list(self._top()).extend(items)
        elif name in ("SETITEM", "SETITEMS"):
            items = self._marked() if name == "SETITEMS" else self._pops(2)
            self._set(items)
        else:
            raise PickleError(f"it wants {name}, which no file of weights needs")

    def _known(self, asked: Global) -> Global:
        if asked not in self._meanings.known:
            raise PickleError(f"it asks for {f'{asked.module}.{asked.name}'[:200]!r}, which is no tensor")
        return asked

    def _reduce(self) -> None:
        function, arguments = self._pops(2)
        if not isinstance(function, Global):
            raise PickleError("it calls something that is not a function")
        if function == self._meanings.ordered:
            pairs = _tuple(arguments)
            self._stack.append({})
            for pair in _list(pairs[0]) if pairs else ():
                self._set(list(_tuple(pair) if isinstance(pair, tuple) else _list(pair)))
        else:
            self._stack.append(self._meanings.call(function, _tuple(arguments)))

    def _set(self, items: list) -> None:
        if len(items) % 2:
            raise PickleError("a key has no value")
        target = _dictionary(self._top())
        for key, value in zip(items[::2], items[1::2], strict=True):
            target[_text(key)] = value

    def _top(self) -> Any:
        if not self._stack or self._stack[-1] is _MARK:
            raise PickleError("it takes more than it has")
        return self._stack[-1]

    def _pop(self) -> Any:
        value = self._top()
        del self._stack[-1]
        return value

    def _pops(self, count: int) -> list:
        return [self._pop() for _ in range(count)][::-1]

    def _marked(self) -> list:
        """The values above the last mark."""
        items: list = []
        while self._stack and self._stack[-1] is not _MARK:
            items.append(self._stack.pop())
        if not self._stack:
            raise PickleError("it takes more than it has")
        del self._stack[-1]
        return items[::-1]


def _tuple(value: Any) -> tuple:
    if type(value) is not tuple:
        raise PickleError("the arguments of a call are not a tuple")
    return value


def _list(value: Any) -> list:
    if type(value) is not list:
        raise PickleError("it appends to something that is not a list")
    return value


def _dictionary(value: Any) -> dict:
    if type(value) is not dict:
        raise PickleError("it adds an entry to something that is not a dictionary")
    return value


def _text(value: Any) -> str:
    if type(value) is not str:
        raise PickleError("a name or key is not text")
    return value
