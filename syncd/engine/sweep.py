"""Whether a listing is believed: pure decisions about rows that it did not bring."""

from __future__ import annotations

from dataclasses import dataclass

from syncd.engine.options import Guard


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to do about rows that a complete listing did not bring.

    Attributes:
        believed: Whether they become tombstones.
        note: For the operator, where the listing is doubtful or was; empty otherwise.
    """

    believed: bool
    note: str = ""


def judge(*, before: int, missing: int, seen: int, doubt: int | None, accept: bool, guard: Guard) -> Verdict:
    """Believe a listing, or wait for it to repeat.

    An empty answer may mean that a permission was lost as well as that nothing is there (Procore answers both alike),
    and a sharply shorter one that a tool was reconfigured: neither is believed the first time.

    Args:
        before: Live rows that the principal saw until now.
        missing: Rows among them that the listing did not bring.
        seen: Records that it did bring.
        doubt: How many rows the last listing of this partition missed, where that was not believed.
        accept: The operator has said that it is right.
        guard: From when on a loss is sharp.
    """
    empty = seen == 0 and before > 0
    sharp = missing > guard.rows and missing > guard.share * before
    if not empty and not sharp:
        return Verdict(believed=True)
    loss = f"{missing} of {before} rows were not listed any more"
    if accept:
        return Verdict(believed=True, note=f"{loss}; deleted, because --accept-deletes was given")
    if doubt is not None:
        return Verdict(believed=True, note=f"{loss}, twice in a row; deleted")
    return Verdict(
        believed=False, note=f"{loss}: not believed until it repeats in the next run or with --accept-deletes"
    )
