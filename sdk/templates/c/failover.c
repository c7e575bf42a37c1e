/*
 * {{name}}: moves traffic off a path that stays silent while others progress.
 *
 * Before that it sends copies elsewhere, which commits to nothing. A policy is a pure function:
 * the host does what the verdict says. Change `policy_decide`; README.md says how to build and
 * prove it.
 */
#include "failover.h"

/* Codes that say why, as logs show them. */
enum { FINE = 1, LATE = 2, SILENT = 3, GONE = 4, BACK = 5, ALONE = 6 };

static uint32_t silent_ms = 400;

static pm_manifest policy_describe(void) {
    return (pm_manifest){
        .name = PM_TEXT("{{name}}"),
        .version = PM_TEXT("0.1.0"),
        .settings_schema =
            PM_TEXT("silent_ms: integer 50..=60000 = 400  silence that moves traffic\n"),
    };
}

static pm_configured policy_configure(const pm_setting *settings, size_t count) {
    silent_ms = 400;
    for (size_t i = 0; i < count; i++)
        if (!pm_integer(&settings[i], PM_TEXT("silent_ms"), 50, 60000, &silent_ms))
            return pm_bad_setting(settings[i].key,
                                  PM_TEXT("known is silent_ms, from 50 to 60000"));
    return PM_FINE;
}

/* The sound paths but this one, as a set. */
static uint16_t others(const pm_failover_question *q) {
    uint16_t set = 0;
    for (size_t at = 0; at < pm_paths(q->paths); at++)
        if (at != q->at && pm_is_sound(q->paths, at)) set |= 1u << at;
    return set;
}

/* The path is late. Our own loop may be what was late, so that much is taken off. */
static pm_verdict late(const pm_failover_question *q, uint16_t spare) {
    uint32_t silent_us = pm_get(q->paths, q->at, PM_SILENT_US);
    if (!spare) return pm_probe(1u << q->at, ALONE);
    if (q->others_progressed && silent_us > q->loop_lag_us
        && silent_us - q->loop_lag_us > silent_ms * 1000)
        return pm_move(spare, PM_RESEND_UNACKED, SILENT);
    if (!q->hedge_budget_bytes) return pm_stay(LATE);
    return pm_hedge(spare & -spare, q->hedge_budget_bytes, LATE);
}

static pm_verdict policy_decide(const pm_failover_question *q) {
    uint16_t spare = others(q);
    uint32_t flags = q->at < 16 ? pm_get(q->paths, q->at, PM_FLAGS) : PM_UNKNOWN;
    int here = flags != PM_UNKNOWN && flags & PM_UP;
    switch (q->what) {
    case PM_LOST:
        return spare ? pm_move(spare, PM_RESEND_UNACKED, GONE) : pm_plain(PM_STORE);
    case PM_SUSPECTED:
    case PM_TICK:
        if (!here || !(flags & PM_SUSPECT) || flags & PM_MASKED) return pm_stay(FINE);
        return late(q, spare);
    case PM_RECOVERED:
    case PM_APPEARED:
        if (!here || flags & (PM_SUSPECT | PM_DRAINING)) break;
        return pm_move(spare | 1u << q->at, PM_RESEND_NONE, BACK);
    }
    return pm_plain(PM_ABSTAIN); /* the host's builtin policy answers */
}
