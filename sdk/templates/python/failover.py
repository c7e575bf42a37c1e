"""{{name}}: moves traffic off a path that stays silent while others progress.

Before that it sends copies elsewhere, which commits to nothing. A policy is a pure function:
the host does what the verdict says. Change `decide`; README.md says how to build and prove it.
"""

from componentize_py_types import Err
from wit_world import exports
from wit_world.exports.failover import (
    Event, Hedge, Move, Probe, Resend, Verdict_Abstain, Verdict_Hedge, Verdict_Move,
    Verdict_Probe, Verdict_Stay, Verdict_Store,
)
from wit_world.imports import types

# Codes that say why, as logs show them.
FINE, LATE, SILENT, GONE, BACK, ALONE = 1, 2, 3, 4, 5, 6

# Positions of the fields of a row, and bits of its flags; all of them stand in policy.wit.
FLAGS, SILENT_US = 2, 8
UP, SUSPECT, DRAINING, MASKED = 1, 2, 4, 128
UNKNOWN, FIELDS = 0xFFFFFFFF, 28

SETTINGS = "silent_ms: integer 50..=60000 = 400  silence that moves traffic\n"

silent_ms = 400


class Lifecycle(exports.Lifecycle):
    def describe(self):
        return types.Manifest("{{name}}", "0.1.0", 0, [], 0, SETTINGS)

    def configure(self, settings, learned):
        global silent_ms
        silent_ms = 400
        for setting in settings:
            if setting.key != "silent_ms" or not 50 <= setting.val.value <= 60000:
                why = "known is silent_ms, from 50 to 60000"
                raise Err(types.Fault_BadSetting(types.BadSetting(setting.key, why)))
            silent_ms = setting.val.value


class Learner(exports.Learner):
    """It learns nothing: what was learned so far goes back as it came."""

    def learn(self, before, seen):
        return before


def is_sound(flags):
    return flags & (UP | SUSPECT | DRAINING | MASKED) == UP


def rows(numbers):
    """The rows of a list that begins with its stride; a set has 16 positions.

    Fields that an older host has not yet are not known.
    """
    stride = numbers[0] if numbers and numbers[0] > 0 else len(numbers) + 1
    starts = range(1, len(numbers) - stride + 1, stride)[:16]
    missing = [UNKNOWN] * (FIELDS - stride)
    return [numbers[start : start + stride] + missing for start in starts]


def late(q, path, spare):
    """The path is late. Our own loop may be what was late, so that much is taken off."""
    if spare == 0:
        return Verdict_Probe(Probe(1 << q.at, ALONE))
    silent_us = path[SILENT_US] - q.loop_lag_us
    if q.others_progressed > 0 and silent_us > silent_ms * 1000:
        return Verdict_Move(Move(spare, Resend.UNACKED, SILENT))
    if q.hedge_budget_bytes == 0:
        return Verdict_Stay(LATE)
    return Verdict_Hedge(Hedge(spare & -spare, q.hedge_budget_bytes, LATE))


class Failover(exports.Failover):
    def decide(self, q):
        paths = rows(q.paths)
        path = paths[q.at] if q.at < len(paths) else None
        flags = path[FLAGS] if path else 0
        others = (at for at, row in enumerate(paths) if at != q.at and is_sound(row[FLAGS]))
        spare = sum(1 << at for at in others)
        if q.what == Event.LOST:
            if spare == 0:
                return Verdict_Store()
            return Verdict_Move(Move(spare, Resend.UNACKED, GONE))
        if q.what in (Event.SUSPECT, Event.TICK):
            if not flags & UP or not flags & SUSPECT or flags & MASKED:
                return Verdict_Stay(FINE)
            return late(q, path, spare)
        if q.what in (Event.RECOVERED, Event.APPEARED):
            if flags & UP and not flags & (SUSPECT | DRAINING):
                return Verdict_Move(Move(spare | 1 << q.at, Resend.NONE, BACK))
        return Verdict_Abstain()  # the host's builtin policy answers
