/*
 * selector-c: sends on the first sound path that has room, and holds the packet where none has.
 *
 * A policy is a pure function: all it may use is in the question, and equal questions get
 * equal verdicts. Change `policy_choose`; README.md says how to build and prove it.
 */
#include "selector.h"

/* Codes that say why, as logs show them. */
enum { FIRST = 1, NO_ROOM = 2 };

/* For how many packets and milliseconds a verdict holds: fewer questions, older answers. */
enum { LEASE_PACKETS = 8, LEASE_MS = 5 };

static uint32_t hold_ms = 10;

static pm_manifest policy_describe(void) {
    return (pm_manifest){
        .name = PM_TEXT("selector-c"),
        .version = PM_TEXT("0.1.0"),
        .settings_schema = PM_TEXT("hold_ms: integer 1..=400 = 10  wait where no path has room\n"),
    };
}

static pm_configured policy_configure(const pm_setting *settings, size_t count) {
    hold_ms = 10;
    for (size_t i = 0; i < count; i++)
        if (!pm_integer(&settings[i], PM_TEXT("hold_ms"), 1, 400, &hold_ms))
            return pm_bad_setting(settings[i].key, PM_TEXT("known is hold_ms, from 1 to 400"));
    return PM_FINE;
}

static uint64_t policy_choose(const pm_selector_question *q) {
    for (size_t at = 0; at < pm_paths(q->paths); at++)
        if (pm_is_sound(q->paths, at) && pm_get(q->paths, at, PM_ROOM_BYTES) >= q->head_bytes)
            return pm_verdict(PM_SEND, 1u << at, 0, LEASE_PACKETS, LEASE_MS, FIRST);
    return pm_verdict(PM_HOLD, 0, hold_ms * 10, 0, 0, NO_ROOM);
}
