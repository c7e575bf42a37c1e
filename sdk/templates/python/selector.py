"""{{name}}: sends on the first sound path that has room, and holds the packet where none has.

A policy is a pure function: all it may use is in the question, and equal questions get equal
verdicts. Change `choose`; README.md says how to build and prove it.
"""

from componentize_py_types import Err
from wit_world import exports
from wit_world.imports import types

# Codes that say why, as logs show them.
FIRST, NO_ROOM = 1, 2

# Positions of the fields of a row, and bits of its flags; all of them stand in policy.wit.
FLAGS, ROOM_BYTES = 2, 11
UP, SUSPECT, DRAINING, MASKED = 1, 2, 4, 128
UNKNOWN, FIELDS = 0xFFFFFFFF, 28

# Modes of a verdict.
SEND, HOLD = 1, 4

# For how many packets and milliseconds a verdict holds: fewer questions, older answers.
LEASE_PACKETS, LEASE_MS = 8, 5

SETTINGS = "hold_ms: integer 1..=400 = 10  wait where no path has room\n"

hold_ms = 10


class Lifecycle(exports.Lifecycle):
    def describe(self):
        return types.Manifest("{{name}}", "0.1.0", 0, [], 0, SETTINGS)

    def configure(self, settings, learned):
        global hold_ms
        hold_ms = 10
        for setting in settings:
            if setting.key != "hold_ms" or not 1 <= setting.val.value <= 400:
                why = "known is hold_ms, from 1 to 400"
                raise Err(types.Fault_BadSetting(types.BadSetting(setting.key, why)))
            hold_ms = setting.val.value


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


class Selector(exports.Selector):
    def choose(
        self, now_us, seed, peer, class_, flags, head_bytes, head_age_us, deadline_left_us,
        backlog_bytes, backlog_above_bytes, duplicate_budget_bytes, tried_paths, standing,
        battery_permille, paths,
    ):
        for at, path in enumerate(rows(paths)):
            if is_sound(path[FLAGS]) and path[ROOM_BYTES] >= head_bytes:
                lease = LEASE_PACKETS << 32 | LEASE_MS << 40
                return SEND | 1 << at << 4 | lease | FIRST << 48
        return HOLD | hold_ms * 10 << 20 | NO_ROOM << 48
