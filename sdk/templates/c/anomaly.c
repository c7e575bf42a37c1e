/*
 * {{name}}: finds a measure that is far above what it was over the window.
 *
 * The newest sample is compared with the median of those before it. Change `policy_inspect`;
 * README.md says how to build and prove it.
 */
#include "anomaly.h"

/* The only rule; samples before the newest that it takes to know what is usual, and most of
 * them in a series. */
enum { FAR_ABOVE = 1, USUAL_MIN = 5, SAMPLES_MAX = 60 };

static uint32_t times = 3;

static pm_manifest policy_describe(void) {
    return (pm_manifest){
        .name = PM_TEXT("{{name}}"),
        .version = PM_TEXT("0.1.0"),
        .settings_schema =
            PM_TEXT("times: integer 2..=100 = 3  how many times the usual is too much\n"),
    };
}

static pm_configured policy_configure(const pm_setting *settings, size_t count) {
    times = 3;
    for (size_t i = 0; i < count; i++)
        if (!pm_integer(&settings[i], PM_TEXT("times"), 2, 100, &times))
            return pm_bad_setting(settings[i].key, PM_TEXT("known is times, from 2 to 100"));
    return PM_FINE;
}

/* The median of the samples that are there but the newest, at least 1; -1 for too few. */
static int64_t usual(const pm_series *series) {
    int64_t sorted[SAMPLES_MAX];
    size_t count = 0;
    for (size_t i = 0; i + 1 < series->samples.length && count < SAMPLES_MAX; i++) {
        int64_t sample = series->samples.at[i];
        size_t place = count;
        if (sample < 0) continue;
        for (; place > 0 && sorted[place - 1] > sample; place--) sorted[place] = sorted[place - 1];
        sorted[place] = sample;
        count++;
    }
    if (count < USUAL_MIN) return -1;
    return sorted[count / 2] > 1 ? sorted[count / 2] : 1;
}

/* What may help, by metric; -1 for one of which more is no trouble, or that is not known. */
static int remedy(uint32_t metric) {
    switch (metric) {
    case PM_METRIC_SRTT_US:
    case PM_METRIC_LATE_PPM:
        return PM_DO_PROBE;
    case PM_QUEUE_BYTES:
        return PM_DO_SHED;
    case PM_MESSAGES_DELIVERED:
        return -1;
    default:
        return metric <= PM_MOVES ? PM_DO_INSPECT : -1;
    }
}

static size_t policy_inspect(uint64_t now_ms, const pm_series *window, size_t count,
                             pm_finding findings[PM_FINDINGS_MAX]) {
    size_t found = 0;
    (void)now_ms;
    for (size_t i = 0; i < count && found < PM_FINDINGS_MAX; i++) {
        const pm_series *series = &window[i];
        int help = remedy(series->metric);
        int64_t median = usual(series);
        if (help < 0 || median < 0) continue;
        int64_t newest = series->samples.at[series->samples.length - 1];
        if (newest < 0 || newest / times < median) continue;
        findings[found++] = (pm_finding){
            .rule = FAR_ABOVE,
            .severity = PM_WARN,
            .metric = series->metric,
            .subject = series->subject,
            .evidence = newest,
            .remedy = (uint8_t)help,
        };
    }
    return found;
}
