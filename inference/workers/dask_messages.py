"""What a bot opens of Dask's messages: these are pickles, by which a scheduler that was taken over could run code.

Dask has no setting against that: ``distributed.scheduler.pickle`` may not be turned off any more, and a client's
``deserializers`` are not asked for messages of Dask's own. So the two of its modules in which a client opens pickles
get another ``loads``, which makes nothing of what it does not know.
"""

import io
import pickle
from collections.abc import Iterable
from typing import Any, Final, Self

import distributed.client
import distributed.protocol.pickle

KNOWN: Final = frozenset({("builtins", "bytes"), ("distributed.scheduler", "KilledWorker")})
"""Module and name of what a bot needs: answers, and why there is none."""


class Nothing:
    """What stands for everything else in a pickle, whatever is to be done with it; it does nothing."""

    def __new__(cls, *_: object, **__: object) -> Self:
        """One more; what it is to be made of is left out."""
        return object.__new__(cls)

    def __init__(self, *_: object, **__: object) -> None: ...

    def __setstate__(self, _: object) -> None: ...

    def __setitem__(self, _: object, __: object) -> None: ...

    def append(self, _: object) -> None:
        """Leave it out."""

    def extend(self, _: object) -> None:
        """Leave them out."""


class _Limited(pickle.Unpickler):
    def find_class(self, module: str, name: str, /) -> Any:
        return super().find_class(module, name) if (module, name) in KNOWN else Nothing


class LimitedPickle:
    """Stands for the module ``pickle``: all of it, but for what its ``loads`` makes."""

    def __getattr__(self, name: str) -> Any:
        """What the module has by this name."""
        return getattr(pickle, name)

    @staticmethod
    def loads(data: Any, *, buffers: Iterable[Any] = ()) -> Any:
        """Open a pickle; in the place of what is not ``KNOWN`` there is ``Nothing``, and no code of it was run."""
        return _Limited(io.BytesIO(data), buffers=buffers).load()


def limit_messages() -> None:
    """From now on this process opens no other pickles of Dask: it can be a client, but neither scheduler nor worker."""
    for module in (distributed.client, distributed.protocol.pickle):
        module.pickle = LimitedPickle()
