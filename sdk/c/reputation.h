/*
 * The reputation policy, for C: how far a peer is to be trusted. See pointsman.h.
 *
 * The policy defines `policy_describe`, `policy_configure` and `policy_fold`.
 */
#ifndef POINTSMAN_REPUTATION_H
#define POINTSMAN_REPUTATION_H

#include "pointsman.h"

enum pm_kind { PM_ACK, PM_TIMEOUT, PM_INVALID, PM_REFUSED, PM_SERVED, PM_RELAYED_US, PM_SPAM };

typedef struct {
    uint8_t kind; /* one of pm_kind */
    uint32_t weight;
    uint64_t at_ms;
} pm_observation;

_Static_assert(sizeof(pm_observation) == 16, "the canonical ABI's layout, on wasm32");

typedef struct {
    int32_t score;    /* for the host: -1000 (shun) over 0 (unknown) to 1000 (trust) */
    uint32_t a, b, c; /* the policy's own */
    uint64_t updated_ms;
} pm_standing;

_Static_assert(sizeof(pm_standing) == 24, "the canonical ABI's layout, on wasm32");

/* The standing after these observations, in the order of time. A peer that is new has a
 * standing of zeros; with none seen it tells what time alone does. */
static pm_standing policy_fold(uint64_t now_ms, const pm_standing *was,
                               const pm_observation *seen, size_t count);

PM_EXPORT("pointsman:policy/reputation@0.1.0#fold")
const pm_standing *pm_export_fold(uint64_t now_ms, int32_t score, uint32_t a, uint32_t b,
                                  uint32_t c, uint64_t updated_ms, const pm_observation *seen,
                                  size_t count) {
    static pm_standing answer;
    pm_standing was = {score, a, b, c, updated_ms};
    answer = policy_fold(now_ms, &was, seen, count);
    pm_forget();
    return &answer;
}

#endif
