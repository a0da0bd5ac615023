"""`Permitted`: rows together with the right to use them.

The gate makes one, a sink opens one, and in between nothing can be taken out: a ground-floor function is mapped
over the rows and what it returns is wrapped again. The purpose is a type parameter, so handing rows released for
one purpose to a sink that asks for another does not type-check; the seal and the members in the warrant are
checked at run time as well.

This stops mistakes, not a hostile process: Python has no walls. Against that, use database roles.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import FunctionType
from typing import Concatenate, Generic, ParamSpec, Protocol, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from postreel.errors import ConsentError
from postreel.purposes import Purpose
from postreel.schema import Ids, Mask, Rows, is_among

T_co = TypeVar("T_co", covariant=True)
U = TypeVar("U")
P_co = TypeVar("P_co", bound=Purpose, covariant=True)
S = ParamSpec("S")

GROUND_FLOOR = ("collect", "habits", "recommend", "compose", "deliver", "measure", "rights")
"""The rooms whose functions may be mapped over permitted rows: they can neither send nor store."""


class Seal:
    """What opens a `Permitted`. One a gate; handed by the composition root to the gate and to its sinks."""

    __slots__ = ()


class HasMembers(Protocol):
    """Rows that can say whose they are and be narrowed."""

    @property
    def members(self) -> Ids: ...


@dataclass(frozen=True)
class Warrant:
    """Under what the rows are used.

    Attributes:
        purpose: the one purpose of the batch.
        position: the ledger's size when the grants were looked at.
        members: (m,) sorted ids of the members whose grants were looked at.
        used: (m,) int64 bits of the purposes that each member's rows used, the batch's own included.
    """

    purpose: type[Purpose]
    position: int
    members: Ids
    used: NDArray[np.int64]

    def used_by(self, members: Ids) -> NDArray[np.int64]:
        """(n,) the purposes used for each of these members.

        Raises:
            ConsentError: one of them is not in the warrant.
        """
        if not bool(np.all(is_among(members, self.members))):
            raise ConsentError("rows of a member outside the warrant; none were released")
        if len(members) == 0:
            return np.empty(0, np.int64)
        return self.used[np.searchsorted(self.members, members)]


class Permitted(Generic[T_co, P_co]):
    """Rows whose members all have a live basis for purpose P."""

    __slots__ = ("__rows", "__seal", "warrant")

    def __init__(self, seal: Seal, rows: T_co, warrant: Warrant) -> None:
        self.__seal = seal
        self.__rows = rows
        self.warrant = warrant
        _refuse_strays(rows, warrant)

    def __repr__(self) -> str:
        return (
            f"Permitted({type(self.__rows).__name__}, {self.warrant.purpose.key}, at {self.warrant.position})"
        )

    def __len__(self) -> int:
        return len(cast(Rows, self.__rows)) if isinstance(self.__rows, Rows) else 1

    def map(
        self, step: Callable[Concatenate[T_co, S], U], /, *public: S.args, **named: S.kwargs
    ) -> Permitted[U, P_co]:
        """What a ground-floor function makes of the rows, under the same warrant.

        Args:
            step: a named function of a ground-floor room. A name is reviewable, and those rooms cannot send.
            public: further arguments, which hold nothing of a member's.

        Raises:
            ConsentError: the step is a lambda, a local function or from another room; or what it returned
                holds a member who is not in the warrant.
        """
        _refuse_nameless(step)
        return Permitted(self.__seal, step(self.__rows, *public, **named), self.warrant)

    def where(self, mask: Mask) -> Permitted[T_co, P_co]:
        """The rows whose flag is set, under the same warrant."""
        rows = self.__rows
        if not isinstance(rows, Rows):
            raise ConsentError(f"{type(rows).__name__} cannot be narrowed by row")
        return Permitted(self.__seal, cast(T_co, rows.where(mask)), self.warrant)

    def unseal(self, seal: Seal) -> T_co:
        """The rows themselves. For the gate and the sinks.

        Raises:
            ConsentError: the seal is not the one this was made with.
        """
        if seal is not self.__seal:
            raise ConsentError("this permit was sealed by another gate; nothing was released")
        return self.__rows


def _refuse_nameless(step: Callable[..., object]) -> None:
    name = getattr(step, "__qualname__", "")
    module = getattr(step, "__module__", "") or ""
    room = module.split(".")[1] if module.startswith("postreel.") else ""
    is_plain = isinstance(step, FunctionType | type) and "<" not in name
    if not is_plain or room not in GROUND_FLOOR:
        raise ConsentError(
            f"only a named function of a ground-floor room may be mapped over permitted rows, not {module}.{name}"
        )


def _refuse_strays(rows: object, warrant: Warrant) -> None:
    members = getattr(rows, "members", None)
    if isinstance(members, np.ndarray):
        strays = int(np.count_nonzero(~is_among(cast(Ids, members), warrant.members)))
        if strays:
            raise ConsentError(
                f"{strays} rows of members without a live {warrant.purpose.key!r} basis; none were released"
            )
