"""{{name}}: trusts a peer the more, the more it did well of late.

The standing is the host's; `a` and `b` in it are this policy's, and hold what was good and
what was bad, halved every half-life. Change `fold`; README.md says how to build and prove it.
"""

from componentize_py_types import Err
from wit_world import exports
from wit_world.exports.reputation import Kind, Standing
from wit_world.imports import types

# Evidence that a new peer is credited with on both sides, so that one event proves little.
DOUBT = 10
EVIDENCE_MAX = 0xFFFFFFFF

SETTINGS = "half_life_s: integer 1..=86400 = 600  how fast it forgets\n"

half_life_s = 600


class Lifecycle(exports.Lifecycle):
    def describe(self):
        return types.Manifest("{{name}}", "0.1.0", 0, [], 0, SETTINGS)

    def configure(self, settings, learned):
        global half_life_s
        half_life_s = 600
        for setting in settings:
            if setting.key != "half_life_s" or not 1 <= setting.val.value <= 86400:
                why = "known is half_life_s, from 1 to 86400"
                raise Err(types.Fault_BadSetting(types.BadSetting(setting.key, why)))
            half_life_s = setting.val.value


class Learner(exports.Learner):
    """It learns nothing: what was learned so far goes back as it came."""

    def learn(self, before, seen):
        return before


class Reputation(exports.Reputation):
    def fold(self, now_ms, was, seen):
        half_life_ms = half_life_s * 1000
        halvings = max(now_ms - was.updated_ms, 0) // half_life_ms
        good, bad = (was.a >> min(halvings, 32), was.b >> min(halvings, 32))
        for observation in seen:
            if observation.kind in (Kind.ACK, Kind.SERVED, Kind.RELAYED):
                good += observation.weight
            elif observation.kind in (Kind.INVALID, Kind.SPAM):
                bad += observation.weight * 10
            else:
                bad += observation.weight
        good, bad = min(good, EVIDENCE_MAX), min(bad, EVIDENCE_MAX)
        score = int((good - bad) * 1000 / (good + bad + DOUBT))
        return Standing(score, good, bad, was.c, was.updated_ms + halvings * half_life_ms)
