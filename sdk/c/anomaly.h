/*
 * The anomaly policy, for C: what is out of the ordinary. See pointsman.h.
 *
 * The policy defines `policy_describe`, `policy_configure` and `policy_inspect`.
 */
#ifndef POINTSMAN_ANOMALY_H
#define POINTSMAN_ANOMALY_H

/* Windows of many peers are larger than the questions of other roles. */
#define PM_ARENA_BYTES (512 << 10)
#include "pointsman.h"

enum pm_metric {
    PM_LOOP_LAG_US, PM_MESSAGES_EXPIRED, PM_MESSAGES_REFUSED, PM_FRAMES_MALFORMED, PM_STRIKES,
    PM_DUPLICATE_BYTES, PM_METRIC_SRTT_US, PM_METRIC_LATE_PPM, PM_QUEUE_BYTES,
    PM_MESSAGES_DELIVERED, PM_MOVES
};

/* One measure of one subject over time, oldest sample first; -1 is a step without one. */
typedef struct {
    uint32_t metric;  /* one of pm_metric; a newer host may have more */
    uint32_t subject; /* the peer; PM_UNKNOWN for this node itself */
    uint32_t step_ms;
    struct { const int64_t *at; size_t length; } samples;
} pm_series;

_Static_assert(sizeof(pm_series) == 20, "the canonical ABI's layout, on wasm32");

enum pm_severity { PM_NOTE, PM_WARN, PM_CRITICAL };

enum pm_remedy { PM_DO_NOTHING, PM_DO_PROBE, PM_DO_DIAL, PM_DO_SHED, PM_DO_INSPECT };

typedef struct {
    uint32_t rule;
    uint8_t severity; /* one of pm_severity */
    uint32_t metric;
    uint32_t subject;
    int64_t evidence;
    uint8_t remedy; /* one of pm_remedy */
} pm_finding;

_Static_assert(sizeof(pm_finding) == 32, "the canonical ABI's layout, on wasm32");

/* How many findings an answer takes; the host takes no more than this. */
#define PM_FINDINGS_MAX 64

/* Writes the findings and gives how many. One that is given again is still there. */
static size_t policy_inspect(uint64_t now_ms, const pm_series *window, size_t count,
                             pm_finding findings[PM_FINDINGS_MAX]);

PM_EXPORT("pointsman:policy/anomaly@0.1.0#inspect")
const void *pm_export_inspect(uint64_t now_ms, const pm_series *window, size_t count) {
    static pm_finding findings[PM_FINDINGS_MAX];
    static struct { const pm_finding *at; size_t length; } answer;
    answer.at = findings;
    answer.length = policy_inspect(now_ms, window, count, findings);
    pm_forget();
    return &answer;
}

#endif
