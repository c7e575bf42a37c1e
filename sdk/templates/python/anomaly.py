"""{{name}}: finds a measure that is far above what it was over the window.

The newest sample is compared with the median of those before it. Change `inspect`; README.md
says how to build and prove it.
"""

from componentize_py_types import Err
from wit_world import exports
from wit_world.exports.anomaly import Finding, Remedy, Severity
from wit_world.imports import types

# The only rule, and samples before the newest that it takes to know what is usual.
FAR_ABOVE, USUAL_MIN = 1, 5

# What may help, by metric; of messages-delivered (9) more is no trouble.
REMEDIES = [Remedy.INSPECT] * 6 + [Remedy.PROBE, Remedy.PROBE, Remedy.SHED, None, Remedy.INSPECT]

SETTINGS = "times: integer 2..=100 = 3  how many times the usual is too much\n"

times = 3


class Lifecycle(exports.Lifecycle):
    def describe(self):
        return types.Manifest("{{name}}", "0.1.0", 0, [], 0, SETTINGS)

    def configure(self, settings, learned):
        global times
        times = 3
        for setting in settings:
            if setting.key != "times" or not 2 <= setting.val.value <= 100:
                why = "known is times, from 2 to 100"
                raise Err(types.Fault_BadSetting(types.BadSetting(setting.key, why)))
            times = setting.val.value


class Learner(exports.Learner):
    """It learns nothing: what was learned so far goes back as it came."""

    def learn(self, before, seen):
        return before


def far_above(series):
    """The finding of this series, in a list; else an empty one."""
    remedy = REMEDIES[series.metric] if series.metric < len(REMEDIES) else None
    newest = series.samples[-1] if series.samples else -1
    usual = sorted(sample for sample in series.samples[:-1] if sample >= 0)
    if remedy is None or newest < 0 or len(usual) < USUAL_MIN:
        return []
    median = max(usual[len(usual) // 2], 1)
    if newest // times < median:
        return []
    metric, subject = series.metric, series.subject
    return [Finding(FAR_ABOVE, Severity.WARN, metric, subject, newest, remedy)]


class Anomaly(exports.Anomaly):
    def inspect(self, now_ms, window):
        return [finding for series in window for finding in far_above(series)]
