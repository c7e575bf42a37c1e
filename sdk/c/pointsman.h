/*
 * The contract of policies, for C: what every role has in common.
 *
 * Include the header of the role (selector.h, failover.h, reputation.h, anomaly.h) in exactly
 * one file of the policy: it includes this one and defines what the module exports. Link the
 * metadata of the same role (selector.s and so on) with it, by which the host knows the types.
 *
 * Everything here follows ../wit/policy.wit by the canonical ABI of WebAssembly components:
 * records lie in memory as C's structs do, a variant is a tag and a union, a list or a text is
 * an address and a length. Texts are UTF-8 without a zero at the end.
 *
 * No libc is needed, and nothing outlives a call but what `policy_configure` writes into
 * globals. Lists of a call lie in an arena that is emptied when the call ends.
 */
#ifndef POINTSMAN_H
#define POINTSMAN_H

#include <stddef.h>
#include <stdint.h>

#if defined(__cplusplus)
#error "compile policies as C"
#endif

#define PM_EXPORT(name) __attribute__((export_name(name)))
#define PM_LIFECYCLE "pointsman:policy/lifecycle@0.1.0"
#define PM_LEARNER "pointsman:policy/learner@0.1.0"

/* "Not known", and "never". */
#define PM_UNKNOWN UINT32_MAX

/* ---- texts and lists ---------------------------------------------------------------------- */

typedef struct {
    const char *at;
    size_t length;
} pm_text;

/* Of a literal: PM_TEXT("stay"). */
#define PM_TEXT(literal) ((pm_text){(literal), sizeof(literal) - 1})

typedef struct {
    const uint32_t *at;
    size_t length;
} pm_numbers;

static inline int pm_equal(pm_text a, pm_text b) {
    if (a.length != b.length) return 0;
    for (size_t i = 0; i < a.length; i++)
        if (a.at[i] != b.at[i]) return 0;
    return 1;
}

/* ---- what a policy says of itself, and its settings ---------------------------------------- */

typedef struct {
    pm_text name;             /* in words joined by `-` */
    pm_text version;          /* as `major.minor.patch` */
    uint32_t state_schema;    /* 0: it learns nothing */
    pm_numbers reads_schemas;
    uint32_t max_state_bytes;
    pm_text settings_schema;  /* a line for each: `key: integer 0..=9 = 1  what it means` */
} pm_manifest;

enum pm_value_tag { PM_BOOLEAN, PM_INTEGER, PM_TEXTUAL, PM_INTEGERS, PM_TEXTS };

typedef struct {
    uint8_t tag; /* one of pm_value_tag */
    union {
        uint8_t boolean;
        int64_t integer;
        pm_text text;
        struct { const int64_t *at; size_t length; } integers;
        struct { const pm_text *at; size_t length; } texts;
    } as;
} pm_value;

typedef struct {
    pm_text key;
    pm_value value;
} pm_setting;

enum pm_fault_tag { PM_BAD_SETTING, PM_BAD_STATE, PM_OTHER };

/* The answer of `policy_configure`: PM_FINE, or why not. */
typedef struct {
    uint8_t failed;
    struct {
        uint8_t tag; /* one of pm_fault_tag */
        union {
            struct { pm_text key, why; } setting;
            uint32_t schema;
            pm_text text;
        } as;
    } fault;
} pm_configured;

#define PM_FINE ((pm_configured){0})

static inline pm_configured pm_bad_setting(pm_text key, pm_text why) {
    pm_configured answer = {.failed = 1};
    answer.fault.tag = PM_BAD_SETTING;
    answer.fault.as.setting.key = key;
    answer.fault.as.setting.why = why;
    return answer;
}

/* Whether the setting has this key and holds an integer in the range, which is then stored. */
static inline int pm_integer(const pm_setting *setting, pm_text key, int64_t least,
                             int64_t most, uint32_t *into) {
    int64_t found = setting->value.as.integer;
    if (!pm_equal(setting->key, key) || setting->value.tag != PM_INTEGER) return 0;
    if (found < least || found > most) return 0;
    *into = (uint32_t)found;
    return 1;
}

/* ---- paths --------------------------------------------------------------------------------- */

/* The fields of a row, by position; what each means stands in policy.wit. */
enum pm_field {
    PM_ID, PM_TRANSPORT, PM_FLAGS, PM_UPLINK, PM_RISK_GROUP, PM_SRTT_US, PM_RTTVAR_US,
    PM_MIN_RTT_US, PM_SILENT_US, PM_SAMPLE_AGE_MS, PM_RATE_KBPS, PM_ROOM_BYTES, PM_CWND_BYTES,
    PM_INFLIGHT_BYTES, PM_QUEUED_BYTES, PM_LATE_PPM, PM_LOSS_PPM, PM_RELIABILITY_PPM, PM_MTU,
    PM_HOPS, PM_WAKE_UJ, PM_NJ_PER_BYTE, PM_PRICE_PER_MIB, PM_QUOTA_LEFT_KIB, PM_RSSI, PM_TREND,
    PM_DOWN_FORECAST_MS, PM_CONFIDENCE
};

enum pm_path_flag {
    PM_UP = 1, PM_SUSPECT = 2, PM_DRAINING = 4, PM_METERED = 8, PM_RELAYED = 16,
    PM_PROBATION = 32, PM_APP_LIMITED = 64, PM_MASKED = 128
};

/* The stride, then the rows. */
typedef pm_numbers pm_rows;

static inline size_t pm_count(pm_rows rows) {
    if (rows.length == 0 || rows.at[0] == 0) return 0;
    return (rows.length - 1) / rows.at[0];
}

/* A field of the row at this position; PM_UNKNOWN where there is no such row or field. */
static inline uint32_t pm_get(pm_rows rows, size_t position, size_t field) {
    if (position >= pm_count(rows) || field >= rows.at[0]) return PM_UNKNOWN;
    return rows.at[1 + position * rows.at[0] + field];
}

/* How many paths a set can name: positions 0 to 15. */
static inline size_t pm_paths(pm_rows rows) {
    size_t count = pm_count(rows);
    return count < 16 ? count : 16;
}

/* Up, and neither suspect, draining nor masked. */
static inline int pm_is_sound(pm_rows rows, size_t position) {
    uint32_t flags = pm_get(rows, position, PM_FLAGS);
    return flags != PM_UNKNOWN
        && (flags & (PM_UP | PM_SUSPECT | PM_DRAINING | PM_MASKED)) == PM_UP;
}

/* ---- the log ------------------------------------------------------------------------------- */

enum pm_level { PM_ERROR, PM_WARNING, PM_INFORMATION, PM_DEBUG };

__attribute__((import_module("pointsman:policy/host-log@0.1.0"), import_name("emit")))
void pm_emit(uint32_t level, const char *at, size_t length);

/* Tells the people who run the host; never affects a verdict. */
static inline void pm_log(enum pm_level level, pm_text text) {
    pm_emit(level, text.at, text.length);
}

/* ---- what the policy defines --------------------------------------------------------------- */

/* Who it is. */
static pm_manifest policy_describe(void);

/* Takes all settings, each of which otherwise has its default. */
static pm_configured policy_configure(const pm_setting *settings, size_t count);

/* ---- what the module exports for every role ------------------------------------------------ */

/* Room for the lists of one call, in bytes: what the host copies at most. */
#ifndef PM_ARENA_BYTES
#define PM_ARENA_BYTES (64 << 10)
#endif

static struct {
    _Alignas(16) uint8_t bytes[PM_ARENA_BYTES];
    size_t used;
} pm_arena;

/* Called by the host for every list that it hands in. */
PM_EXPORT("cabi_realloc")
void *pm_realloc(void *old, size_t old_size, size_t align, size_t size) {
    size_t at = (pm_arena.used + align - 1) & ~(align - 1);
    if (old_size != 0 || at > PM_ARENA_BYTES || size > PM_ARENA_BYTES - at) __builtin_trap();
    (void)old;
    pm_arena.used = at + size;
    return pm_arena.bytes + at;
}

/* The call is over: nothing refers to its lists any more. */
static inline void pm_forget(void) {
    pm_arena.used = 0;
}

PM_EXPORT(PM_LIFECYCLE "#describe")
const pm_manifest *pm_export_describe(void) {
    static pm_manifest answer;
    answer = policy_describe();
    return &answer;
}

/* What was learned so far, spelled out as the ABI does: is there any, schema, bytes, length. */
PM_EXPORT(PM_LIFECYCLE "#configure")
const pm_configured *pm_export_configure(const pm_setting *settings, size_t count,
                                         uint32_t learned, uint32_t schema,
                                         const uint8_t *bytes, size_t length) {
    static pm_configured answer;
    (void)bytes, (void)length;
    if (learned) {
        answer = (pm_configured){.failed = 1};
        answer.fault.tag = PM_BAD_STATE;
        answer.fault.as.schema = schema;
    } else {
        answer = policy_configure(settings, count);
    }
    pm_forget();
    return &answer;
}

/* A policy in C that learns is possible; this header does not help with it. */
PM_EXPORT(PM_LEARNER "#learn")
const void *pm_export_learn(uint32_t learned, uint32_t schema, const uint8_t *bytes,
                            size_t length, const void *seen, size_t count) {
    static struct {
        uint8_t some;
        uint32_t schema;
        const uint8_t *bytes;
        size_t length;
    } answer;
    (void)seen, (void)count;
    answer.some = learned != 0;
    answer.schema = schema;
    answer.bytes = bytes;
    answer.length = length;
    pm_forget();
    return &answer;
}

#endif
