"""Sequential specifications of common objects, by name. A model of one's own takes ten lines: see `base`.

    >>> from fencepost.checkers.linearizability import models
    >>> models.make_model("cas-register", initial=0)
    Register(name='cas-register', initial=0, cas=True, nil_reads='any')
"""

from difflib import get_close_matches
from typing import Any

from fencepost.checkers.linearizability.models import (
    consumer_offset,
    counter,
    element_set,
    key_value,
    leader_lock,
    locks,
    log,
    multi_register,
    nondeterministic,
    queues,
    register,
    semaphore,
    versioned_register,
    znode,
)
from fencepost.checkers.linearizability.models.base import SequentialModel
from fencepost.checkers.linearizability.models.consumer_offset import ConsumerOffset
from fencepost.checkers.linearizability.models.counter import Counter
from fencepost.checkers.linearizability.models.element_set import ElementSet
from fencepost.checkers.linearizability.models.key_value import KV, KeyValue
from fencepost.checkers.linearizability.models.kind import ModelKind
from fencepost.checkers.linearizability.models.leader_lock import LeaderLock
from fencepost.checkers.linearizability.models.locks import MUTEX, Mutex, ReentrantLock
from fencepost.checkers.linearizability.models.log import Log
from fencepost.checkers.linearizability.models.multi_register import MultiRegister
from fencepost.checkers.linearizability.models.nondeterministic import AtLeastOnceLog, Choice, Nondeterministic
from fencepost.checkers.linearizability.models.queues import FifoQueue, PriorityQueue, Stack
from fencepost.checkers.linearizability.models.register import CAS_REGISTER, ETCD, REGISTER, Register
from fencepost.checkers.linearizability.models.semaphore import Semaphore
from fencepost.checkers.linearizability.models.versioned_register import VersionedRegister
from fencepost.checkers.linearizability.models.znode import Znode
from fencepost.checkers.linearizability.operation import Model
from fencepost.histories.errors import InputError

#: Every model by its name, in the order in which they are listed.
MODELS: dict[str, ModelKind] = {
    kind.name: kind
    for module in (register, versioned_register, key_value, multi_register, locks, semaphore, counter, element_set,
                   queues, log, znode, consumer_offset, leader_lock, nondeterministic)
    for kind in module.KINDS
}


def make_model(name: str, initial: Any = None, whole: bool = False) -> Model:
    """The model of this name with this first content (plain data), as one object if `whole`.

    Raises InputError, in one line, for an unknown name or a content or a `whole` that the model cannot have.
    """
    kind = MODELS.get(name)
    if kind is None:
        near = get_close_matches(name, MODELS, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(MODELS)}"
        raise InputError(f"there is no model {name!r}: {hint}")
    if whole and kind.make_whole is None:
        raise InputError(f"{name} cannot be judged as a whole: each key is an object of its own; leave --whole out")
    try:
        return (kind.make_whole if whole and kind.make_whole else kind.make)(initial)
    except ValueError as error:
        raise InputError(str(error)) from None


__all__ = [
    "CAS_REGISTER",
    "ETCD",
    "KV",
    "MODELS",
    "MUTEX",
    "REGISTER",
    "AtLeastOnceLog",
    "Choice",
    "ConsumerOffset",
    "Counter",
    "ElementSet",
    "FifoQueue",
    "KeyValue",
    "LeaderLock",
    "Log",
    "ModelKind",
    "MultiRegister",
    "Mutex",
    "Nondeterministic",
    "PriorityQueue",
    "ReentrantLock",
    "Register",
    "Semaphore",
    "SequentialModel",
    "Stack",
    "VersionedRegister",
    "Znode",
    "make_model",
]
