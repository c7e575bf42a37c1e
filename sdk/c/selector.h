/*
 * The selector, for C: which path carries the next packet. See pointsman.h.
 *
 * The policy defines `policy_describe`, `policy_configure` and `policy_choose`.
 */
#ifndef POINTSMAN_SELECTOR_H
#define POINTSMAN_SELECTOR_H

#include "pointsman.h"

enum pm_class { PM_REALTIME, PM_INTERACTIVE, PM_BULK };

/* Of `flags` in the question. */
enum pm_flag { PM_ORDERED = 1, PM_SAVER = 2, PM_CHARGING = 4 };

typedef struct {
    uint64_t now_us;
    uint64_t seed;
    uint32_t peer;
    uint32_t class; /* one of pm_class */
    uint32_t flags;
    uint32_t head_bytes;
    uint32_t head_age_us;
    uint32_t deadline_left_us;
    uint32_t backlog_bytes;
    uint32_t backlog_above_bytes;
    uint32_t duplicate_budget_bytes;
    uint32_t tried_paths;
    int32_t standing;
    uint32_t battery_permille;
    pm_rows paths;
} pm_selector_question;

enum pm_mode { PM_ABSTAIN, PM_SEND, PM_STRIPE, PM_DUPLICATE, PM_HOLD, PM_STORE, PM_EXPIRE };

/* A verdict: mode, set of positions of paths, hold in steps of 100 us (12 bits), lease in
 * packets and in milliseconds (8 bits each), and a reason of your own. */
static inline uint64_t pm_verdict(enum pm_mode mode, uint16_t paths, uint16_t hold_100us,
                                  uint8_t lease_packets, uint8_t lease_ms, uint16_t reason) {
    return (uint64_t)mode | (uint64_t)paths << 4 | (uint64_t)(hold_100us & 0xfff) << 20
        | (uint64_t)lease_packets << 32 | (uint64_t)lease_ms << 40 | (uint64_t)reason << 48;
}

/* Answers one question. Equal questions get equal verdicts. */
static uint64_t policy_choose(const pm_selector_question *question);

PM_EXPORT("pointsman:policy/selector@0.1.0#choose")
uint64_t pm_export_choose(uint64_t now_us, uint64_t seed, uint32_t peer, uint32_t class,
                          uint32_t flags, uint32_t head_bytes, uint32_t head_age_us,
                          uint32_t deadline_left_us, uint32_t backlog_bytes,
                          uint32_t backlog_above_bytes, uint32_t duplicate_budget_bytes,
                          uint32_t tried_paths, int32_t standing, uint32_t battery_permille,
                          const uint32_t *paths, size_t length) {
    pm_selector_question question = {
        now_us, seed, peer, class, flags, head_bytes, head_age_us, deadline_left_us,
        backlog_bytes, backlog_above_bytes, duplicate_budget_bytes, tried_paths, standing,
        battery_permille, {paths, length},
    };
    uint64_t verdict = policy_choose(&question);
    pm_forget();
    return verdict;
}

#endif
