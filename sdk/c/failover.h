/*
 * The failover policy, for C: when and where traffic moves. See pointsman.h.
 *
 * The policy defines `policy_describe`, `policy_configure` and `policy_decide`.
 */
#ifndef POINTSMAN_FAILOVER_H
#define POINTSMAN_FAILOVER_H

#include "pointsman.h"

enum pm_event {
    PM_SUSPECTED, PM_LOST, PM_FADING, PM_RECOVERED, PM_APPEARED, PM_UPLINK_CHANGED,
    PM_DIAL_FAILED, PM_PROBE_RESULT, PM_TICK
};

/* As it lies in memory; units and meanings stand in policy.wit. */
typedef struct {
    uint64_t now_us;
    uint64_t seed;
    uint32_t peer;
    uint8_t what; /* one of pm_event */
    uint32_t at;  /* position of the path; PM_UNKNOWN where it is none of them */
    uint32_t oldest_unacked_us;
    struct { uint32_t realtime, interactive, bulk; } unacked_bytes;
    uint32_t misses;
    uint32_t others_progressed;
    uint32_t loop_lag_us;
    uint32_t moves_last_60s;
    uint32_t since_move_ms;
    uint32_t deadline_min_us;
    uint32_t hedge_budget_bytes;
    uint32_t store_left_kib;
    pm_rows paths;
    pm_rows dialables;
} pm_failover_question;

_Static_assert(sizeof(pm_failover_question) == 96, "the canonical ABI's layout, on wasm32");

/* The fields of a row of `dialables`, for pm_get. */
enum pm_dialable { PM_DIAL_ID, PM_DIAL_TRANSPORT, PM_DIAL_UPLINK, PM_SETUP_MS, PM_SUCCESS_PPM,
                   PM_DIAL_PRICE_PER_MIB };

enum pm_does { PM_STAY, PM_HEDGE, PM_MOVE, PM_PROBE, PM_DIAL, PM_CLOSE, PM_STORE, PM_ABSTAIN };

enum pm_resend { PM_RESEND_NONE, PM_RESEND_UNACKED, PM_RESEND_URGENT };

typedef struct {
    uint8_t does; /* one of pm_does */
    union {
        uint32_t reason; /* of PM_STAY */
        struct { uint16_t onto; uint32_t budget_bytes, reason; } hedge;
        struct { uint16_t onto; uint8_t resend; uint32_t reason; } move;
        struct { uint16_t paths; uint32_t reason; } probe;
        uint32_t id;   /* of PM_DIAL */
        uint32_t path; /* of PM_CLOSE */
    } as;
} pm_verdict;

_Static_assert(sizeof(pm_verdict) == 16, "the canonical ABI's layout, on wasm32");

static inline pm_verdict pm_plain(enum pm_does does) {
    return (pm_verdict){.does = (uint8_t)does};
}

static inline pm_verdict pm_stay(uint32_t reason) {
    return (pm_verdict){.does = PM_STAY, .as.reason = reason};
}

static inline pm_verdict pm_hedge(uint16_t onto, uint32_t budget_bytes, uint32_t reason) {
    return (pm_verdict){.does = PM_HEDGE, .as.hedge = {onto, budget_bytes, reason}};
}

static inline pm_verdict pm_move(uint16_t onto, enum pm_resend resend, uint32_t reason) {
    return (pm_verdict){.does = PM_MOVE, .as.move = {onto, (uint8_t)resend, reason}};
}

static inline pm_verdict pm_probe(uint16_t paths, uint32_t reason) {
    return (pm_verdict){.does = PM_PROBE, .as.probe = {paths, reason}};
}

static inline pm_verdict pm_dial(uint32_t id) {
    return (pm_verdict){.does = PM_DIAL, .as.id = id};
}

/* Answers one question. Equal questions get equal verdicts. */
static pm_verdict policy_decide(const pm_failover_question *question);

PM_EXPORT("pointsman:policy/failover@0.1.0#decide")
const pm_verdict *pm_export_decide(const pm_failover_question *question) {
    static pm_verdict answer;
    answer = policy_decide(question);
    pm_forget();
    return &answer;
}

#endif
