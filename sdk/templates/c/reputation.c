/*
 * {{name}}: trusts a peer the more, the more it did well of late.
 *
 * The standing is the host's; `a` and `b` in it are this policy's, and hold what was good and
 * what was bad, halved every half-life. Change `policy_fold`; README.md says how to build and
 * prove it.
 */
#include "reputation.h"

/* Evidence that a new peer is credited with on both sides, so that one event proves little. */
enum { DOUBT = 10 };

static uint32_t half_life_s = 600;

static pm_manifest policy_describe(void) {
    return (pm_manifest){
        .name = PM_TEXT("{{name}}"),
        .version = PM_TEXT("0.1.0"),
        .settings_schema =
            PM_TEXT("half_life_s: integer 1..=86400 = 600  how fast it forgets\n"),
    };
}

static pm_configured policy_configure(const pm_setting *settings, size_t count) {
    half_life_s = 600;
    for (size_t i = 0; i < count; i++)
        if (!pm_integer(&settings[i], PM_TEXT("half_life_s"), 1, 86400, &half_life_s))
            return pm_bad_setting(settings[i].key,
                                  PM_TEXT("known is half_life_s, from 1 to 86400"));
    return PM_FINE;
}

/* Stops at the largest number instead of beginning anew. */
static uint32_t sum(uint32_t before, uint64_t more) {
    uint64_t after = before + more;
    return after > UINT32_MAX ? UINT32_MAX : (uint32_t)after;
}

static pm_standing policy_fold(uint64_t now_ms, const pm_standing *was,
                               const pm_observation *seen, size_t count) {
    pm_standing now = *was;
    uint64_t half_life_ms = half_life_s * 1000ull;
    uint64_t halvings = now_ms > was->updated_ms ? (now_ms - was->updated_ms) / half_life_ms : 0;
    now.a = halvings < 32 ? now.a >> halvings : 0;
    now.b = halvings < 32 ? now.b >> halvings : 0;
    for (size_t i = 0; i < count; i++)
        switch (seen[i].kind) {
        case PM_ACK:
        case PM_SERVED:
        case PM_RELAYED_US:
            now.a = sum(now.a, seen[i].weight);
            break;
        case PM_INVALID:
        case PM_SPAM:
            now.b = sum(now.b, seen[i].weight * 10ull);
            break;
        default:
            now.b = sum(now.b, seen[i].weight);
        }
    int64_t balance = (int64_t)now.a - (int64_t)now.b;
    now.score = (int32_t)(balance * 1000 / ((int64_t)now.a + (int64_t)now.b + DOUBT));
    now.updated_ms = was->updated_ms + halvings * half_life_ms;
    return now;
}
