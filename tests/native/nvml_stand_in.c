#define _GNU_SOURCE
/* A libnvidia-ml.so.1 whose GPUs draw a known power.
 *
 * NVML_STAND_IN = "key=value,..;key=value,.."   one part a GPU; an empty one is no GPU
 *
 *   curve      constant | square | ramp (a sawtooth from low to high in one period)
 *   low, high  W        period, offset  s        duty  share of the period at high
 *   counter_ms, counter_phase_ms   when the energy counter steps
 *   power_ms, power_phase_ms       when power is updated
 *   ripple     W, noise of the power reading alone; the energy has none
 *   part_time  ms; counter and power see only the last so many of each counter_ms
 *   gain       factor of both sensors
 *   base       J on the counter at time 0
 *   no_counter, no_instant, no_power   1: NOT_SUPPORTED
 *   average_ms length of the trailing average that nvmlDeviceGetPowerUsage shows
 *   reset_at, backwards_at, freeze_at, lost_at, power_frozen_at   s
 *   mig=1, uuid, name, pci, arch
 *
 * Times are seconds of CLOCK_MONOTONIC; one with a plus sign counts from the first nvmlInit. The energy of a curve is its closed-form integral.
 */
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { OK = 0, UNINITIALIZED = 1, BAD_ARGUMENT = 2, NOT_SUPPORTED = 3, NOT_FOUND = 6,
       DRIVER_NOT_LOADED = 9, GPU_IS_LOST = 15 };
enum { MAX_GPUS = 16, AVERAGE = 185, INSTANT = 186, MIG_OFFSET = 100 };

typedef struct {
    char curve[16], uuid[80], name[64], pci[32];
    double low, high, period, offset, duty;
    double counter_ms, counter_phase_ms, power_ms, power_phase_ms, average_ms;
    double ripple, gain, base, part_time, since;
    double no_counter, no_instant, no_power, mig, arch;
    double reset_at, backwards_at, freeze_at, lost_at, power_frozen_at;
} Gpu;

static Gpu gpus[MAX_GPUS];
static unsigned count;
static int users;

static const struct { const char *key; size_t at; } NUMBERS[] = {
#define N(field) {#field, offsetof(Gpu, field)}
    N(low), N(high), N(period), N(offset), N(duty), N(counter_ms), N(counter_phase_ms),
    N(power_ms), N(power_phase_ms), N(average_ms), N(ripple), N(gain), N(base), N(part_time), N(no_counter),
    N(no_instant), N(no_power), N(mig), N(arch), N(reset_at), N(backwards_at), N(freeze_at),
    N(lost_at), N(power_frozen_at),
};
static const struct { const char *key; size_t at, size; } WORDS[] = {
#define W(field) {#field, offsetof(Gpu, field), sizeof(((Gpu *)0)->field)}
    W(curve), W(uuid), W(name), W(pci),
};

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + t.tv_nsec / 1e9;
}

/* --- the curves ------------------------------------------------------------------------- */

static double power_w(const Gpu *g, double t) {
    double x = (t - g->offset) / g->period;
    x -= floor(x);
    if (!strcmp(g->curve, "square")) return x < g->duty ? g->high : g->low;
    if (!strcmp(g->curve, "ramp")) return g->low + (g->high - g->low) * x;
    return g->high;
}

/* Energy since the curve's offset; negative before it. */
static double energy_j(const Gpu *g, double t) {
    double u = t - g->offset, whole = floor(u / g->period), x = u - whole * g->period;
    if (!strcmp(g->curve, "square")) {
        double on = g->duty * g->period;
        double high_s = whole * on + (x < on ? x : on);
        return g->low * u + (g->high - g->low) * high_s;
    }
    if (!strcmp(g->curve, "ramp")) {
        double rise = g->high - g->low;
        return g->low * u + rise * (whole * g->period / 2 + x * x / (2 * g->period));
    }
    return g->high * u;
}

/* For the tests: the truth, without gain, over a window. */
double stand_in_energy_j(unsigned index, double start_s, double end_s) {
    return energy_j(&gpus[index], end_s) - energy_j(&gpus[index], start_s);
}

static double last_update(double t, double every_ms, double phase_ms) {
    double every = every_ms / 1e3, phase = phase_ms / 1e3;
    return phase + floor((t - phase) / every) * every;
}

static double noise(double at, double every_ms) {
    uint64_t n = (uint64_t)llround(at * 1e3 / every_ms) * 0x9E3779B97F4A7C15ull;
    n ^= n >> 31; n *= 0xBF58476D1CE4E5B9ull; n ^= n >> 29;
    return (double)(n >> 11) / 4503599627370496.0 - 1.0;
}

static int missing(const Gpu *g, double t) { return t >= g->lost_at; }

static double shown_power_w(const Gpu *g, double t, double average_ms) {
    if (t >= g->power_frozen_at) t = g->power_frozen_at;
    double at = last_update(t, g->power_ms, g->power_phase_ms), average = average_ms / 1e3;
    double p = average > 0 ? (energy_j(g, at) - energy_j(g, at - average)) / average
                           : power_w(g, at);
    p = g->gain * p + g->ripple * noise(at, g->power_ms);
    return p > 0 ? p : 0;
}

/* What the counter rose by between two times. */
static double seen_j(const Gpu *g, double start, double at) {
    double every = g->counter_ms / 1e3, part = g->part_time / 1e3, j = 0;
    if (part <= 0) return energy_j(g, at) - energy_j(g, start);
    if (start < g->since) start = g->since;
    for (double t = at; t > start + every / 2; t -= every)
        j += (energy_j(g, t) - energy_j(g, t - part)) * every / part;
    return j;
}

static double shown_counter_j(const Gpu *g, double t) {
    double start = 0;
    if (t >= g->freeze_at) t = g->freeze_at;
    double at = last_update(t, g->counter_ms, g->counter_phase_ms);
    double j = g->base;
    if (at >= g->reset_at) { start = g->reset_at; j = 0; }
    j += g->gain * seen_j(g, start, at);
    return at >= g->backwards_at ? j - 50.0 : j;
}

/* --- settings --------------------------------------------------------------------------- */

static void defaults(Gpu *g, unsigned i) {
    memset(g, 0, sizeof *g);
    strcpy(g->curve, "constant");
    snprintf(g->uuid, sizeof g->uuid, "GPU-%08x-0000-4000-8000-%012x", 0xa0 + i, i);
    strcpy(g->name, "NVIDIA Stand-in");
    snprintf(g->pci, sizeof g->pci, "00000000:%02X:00.0", 0x10 + i);
    g->low = 80; g->high = 350; g->period = 1; g->duty = 0.5;
    g->counter_ms = 100; g->power_ms = 20; g->gain = 1; g->base = 1e6; g->average_ms = 1000;
    g->arch = 9;
    g->since = now();
    g->reset_at = g->backwards_at = g->freeze_at = g->lost_at = g->power_frozen_at = INFINITY;
}

static void set(Gpu *g, const char *key, const char *value) {
    for (size_t i = 0; i < sizeof NUMBERS / sizeof *NUMBERS; i++)
        if (!strcmp(key, NUMBERS[i].key)) {
            *(double *)((char *)g + NUMBERS[i].at) = atof(value) + (*value == '+' ? now() : 0);
            return;
        }
    for (size_t i = 0; i < sizeof WORDS / sizeof *WORDS; i++)
        if (!strcmp(key, WORDS[i].key)) {
            snprintf((char *)g + WORDS[i].at, WORDS[i].size, "%s", value);
            return;
        }
    fprintf(stderr, "NVML_STAND_IN: unknown key %s\n", key);
    abort();
}

static void configure(void) {
    const char *env = getenv("NVML_STAND_IN");
    char *text = strdup(env ? env : ""), *part, *rest = text;
    count = 0;
    while ((part = strsep(&rest, ";")) && count < MAX_GPUS) {
        char *pair;
        if (!*part) continue;
        defaults(&gpus[count], count);
        while ((pair = strsep(&part, ","))) {
            char *value = strchr(pair, '=');
            if (!value) continue;
            *value = 0;
            set(&gpus[count], pair, value + 1);
        }
        count++;
    }
    free(text);
}

/* --- NVML ------------------------------------------------------------------------------- */

typedef uintptr_t Handle; /* 1 + index; a MIG slice's is MIG_OFFSET more */
typedef struct { unsigned id, scope; int64_t timestamp, latency; int type, result;
                 union { double d; unsigned u; uint64_t ull; } value; } Field;
typedef struct { char legacy[16]; unsigned domain, bus, device, pci, sub; char bus_id[32]; } Pci;

static int get(Handle h, Gpu **g) {
    if (!users) return UNINITIALIZED;
    if (h < 1 || (h - 1) % MIG_OFFSET >= count) return BAD_ARGUMENT;
    *g = &gpus[(h - 1) % MIG_OFFSET];
    return missing(*g, now()) ? GPU_IS_LOST : OK;
}
#define GET(h, g) Gpu *g; do { int r = get(h, &g); if (r) return r; } while (0)

int nvmlInitWithFlags(unsigned flags) {
    (void)flags;
    if (getenv("NVML_STAND_IN_NO_DRIVER")) return DRIVER_NOT_LOADED;
    if (getenv("NVML_STAND_IN_MISMATCH")) return 18;
    if (!users++) configure();
    return OK;
}
int nvmlInit_v2(void) { return nvmlInitWithFlags(0); }
int nvmlShutdown(void) { if (!users) return UNINITIALIZED; users--; return OK; }
const char *nvmlErrorString(int code) {
    switch (code) {
        case NOT_SUPPORTED: return "Not Supported";
        case DRIVER_NOT_LOADED: return "Driver Not Loaded";
        case GPU_IS_LOST: return "GPU is lost";
        case NOT_FOUND: return "Not Found";
        default: return "Error";
    }
}
int nvmlSystemGetDriverVersion(char *text, unsigned n) { snprintf(text, n, "0.stand-in"); return OK; }
int nvmlSystemGetNVMLVersion(char *text, unsigned n) { snprintf(text, n, "0.stand-in"); return OK; }
int nvmlDeviceGetCount_v2(unsigned *n) { if (!users) return UNINITIALIZED; *n = count; return OK; }
int nvmlDeviceGetHandleByIndex_v2(unsigned i, Handle *h) {
    if (i >= count) return BAD_ARGUMENT;
    if (missing(&gpus[i], now())) return GPU_IS_LOST;
    *h = i + 1;
    return OK;
}
int nvmlDeviceGetUUID(Handle h, char *text, unsigned n) {
    GET(h, g);
    if (h > MIG_OFFSET) snprintf(text, n, "MIG-%s", g->uuid + 4);
    else snprintf(text, n, "%s", g->uuid);
    return OK;
}
int nvmlDeviceGetHandleByUUID(const char *uuid, Handle *h) {
    for (unsigned i = 0; i < count; i++) {
        if (!strcmp(uuid, gpus[i].uuid)) { *h = i + 1; return OK; }
        if (gpus[i].mig && !strncmp(uuid, "MIG-", 4) && !strcmp(uuid + 4, gpus[i].uuid + 4)) {
            *h = i + 1 + MIG_OFFSET;
            return OK;
        }
    }
    return NOT_FOUND;
}
int nvmlDeviceGetDeviceHandleFromMigDeviceHandle(Handle mig, Handle *h) {
    if (mig <= MIG_OFFSET) return BAD_ARGUMENT;
    *h = mig - MIG_OFFSET;
    return OK;
}
int nvmlDeviceGetMigMode(Handle h, unsigned *current, unsigned *pending) {
    GET(h, g);
    *current = *pending = g->mig != 0;
    return OK;
}
int nvmlDeviceGetName(Handle h, char *text, unsigned n) {
    GET(h, g); snprintf(text, n, "%s", g->name); return OK;
}
int nvmlDeviceGetPciInfo_v3(Handle h, Pci *p) {
    GET(h, g);
    memset(p, 0, sizeof *p);
    snprintf(p->bus_id, sizeof p->bus_id, "%s", g->pci);
    snprintf(p->legacy, sizeof p->legacy, "%s", g->pci + 4);
    return OK;
}
int nvmlDeviceGetArchitecture(Handle h, unsigned *arch) {
    GET(h, g); *arch = (unsigned)g->arch; return OK;
}
int nvmlDeviceGetTotalEnergyConsumption(Handle h, uint64_t *mj) {
    GET(h, g);
    if (g->no_counter) return NOT_SUPPORTED;
    *mj = (uint64_t)(shown_counter_j(g, now()) * 1e3);
    return OK;
}
int nvmlDeviceGetPowerUsage(Handle h, unsigned *mw) {
    GET(h, g);
    if (g->no_power) return NOT_SUPPORTED;
    *mw = (unsigned)(shown_power_w(g, now(), g->average_ms) * 1e3);
    return OK;
}
int nvmlDeviceGetFieldValues(Handle h, int n, Field *fields) {
    GET(h, g);
    for (int i = 0; i < n; i++) {
        fields[i].result = NOT_SUPPORTED;
        if (fields[i].scope != 0 || g->no_instant) continue;
        if (fields[i].id != INSTANT && fields[i].id != AVERAGE) continue;
        fields[i].result = OK;
        fields[i].type = 1;
        fields[i].value.u = (unsigned)(shown_power_w(g, now(), fields[i].id == AVERAGE ? g->average_ms : g->part_time) * 1e3);
    }
    return OK;
}
int nvmlDeviceGetPowerManagementLimit(Handle h, unsigned *mw) { GET(h, g); *mw = 700000; return OK; }
int nvmlDeviceGetEnforcedPowerLimit(Handle h, unsigned *mw) { GET(h, g); *mw = 700000; return OK; }
int nvmlDeviceGetIndex(Handle h, unsigned *i) { GET(h, g); *i = (unsigned)((h - 1) % MIG_OFFSET); return OK; }
int nvmlDeviceGetMemoryInfo(Handle h, uint64_t *info) {
    GET(h, g); info[0] = 80ull << 30; info[1] = 80ull << 30; info[2] = 0; return OK;
}
int nvmlDeviceGetUtilizationRates(Handle h, unsigned *rates) {
    GET(h, g); rates[0] = 50; rates[1] = 10; return OK;
}
int nvmlDeviceGetTemperature(Handle h, int sensor, unsigned *c) {
    GET(h, g); (void)sensor; *c = 40; return OK;
}
int nvmlDeviceGetClockInfo(Handle h, int kind, unsigned *mhz) {
    GET(h, g); (void)kind; *mhz = 1500; return OK;
}
int nvmlDeviceGetComputeMode(Handle h, int *mode) { GET(h, g); *mode = 0; return OK; }
