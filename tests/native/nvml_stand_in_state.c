/* What the GPUs of the stand-in are doing: load, heat, clocks, limits, processes. */
#include "nvml_stand_in.h"
#include <unistd.h>

typedef struct { unsigned pid; uint64_t memory; unsigned instance, compute; } Process;
typedef struct { unsigned version; int sensor, temperature; } Temperature;

static unsigned as_uint(double x) { return (unsigned)(x + 0.5); }

static double between(double value, double then, double at, double until) {
    double t = now();
    return t >= at && t < until ? then : value;
}

int nvmlDeviceGetUtilizationRates(Handle h, unsigned *rates) {
    GET(h, g);
    if (g->sm < 0 || g->mig) return NOT_SUPPORTED;
    rates[0] = (unsigned)g->sm;
    rates[1] = (unsigned)g->mem_util;
    return OK;
}

/* --- memory ----------------------------------------------------------------------------- */

int nvmlDeviceGetMemoryInfo(Handle h, uint64_t *info) {
    GET(h, g);
    if (g->mem_used < 0) return NOT_SUPPORTED;
    uint64_t total = (uint64_t)g->mem_total << 20, used = (uint64_t)g->mem_used << 20;
    info[0] = total; info[1] = total - used; info[2] = used;
    return OK;
}
int nvmlDeviceGetMemoryInfo_v2(Handle h, uint64_t *info) { /* version, total, reserved, .. */
    GET(h, g);
    if (g->mem_used < 0) return NOT_SUPPORTED;
    uint64_t total = (uint64_t)g->mem_total << 20, used = (uint64_t)g->mem_used << 20;
    info[1] = total; info[2] = 0; info[3] = total - used; info[4] = used;
    return OK;
}

/* --- temperature ------------------------------------------------------------------------ */

static int celsius(const Gpu *g, int *c) {
    if (g->temp < 0) return NOT_SUPPORTED;
    double t = now() - g->temp_from;
    double left = g->temp_tau > 0 && t > 0 ? exp(-t / g->temp_tau) : 1;
    *c = (int)lround(g->temp_tau > 0 ? g->temp_end + (g->temp - g->temp_end) * left : g->temp);
    return OK;
}
int nvmlDeviceGetTemperature(Handle h, int sensor, unsigned *c) {
    GET(h, g);
    int degrees = 0, r = sensor ? BAD_ARGUMENT : celsius(g, &degrees);
    if (g->fresh) return FUNCTION_NOT_FOUND;
    if (r == OK) *c = (unsigned)degrees;
    return r;
}
int nvmlDeviceGetTemperatureV(Handle h, Temperature *t) {
    GET(h, g);
    return t->sensor ? BAD_ARGUMENT : celsius(g, &t->temperature);
}

/* --- clocks ----------------------------------------------------------------------------- */

enum { GRAPHICS, SM, MEM };

static int clock_mhz(const Gpu *g, int kind, int id, unsigned *mhz) {
    if (g->sm_clock < 0 || kind < 0 || kind > MEM) return NOT_SUPPORTED;
    switch (id) {
        case 0: GIVE(kind == MEM ? g->mem_clock : g->sm_clock, mhz);
        case 1: case 2: {
            double at = id == 1 ? g->app_clock_at : INFINITY;
            double app = between(g->app_clock, g->app_clock_then, at, INFINITY);
            GIVE(kind == MEM ? g->app_mem_clock : app, mhz);
        }
        case 3: {
            double boost = between(g->boost_clock, g->boost_clock_then, g->boost_clock_at, INFINITY);
            GIVE(kind == MEM ? g->max_mem_clock : boost, mhz);
        }
    }
    return BAD_ARGUMENT;
}
int nvmlDeviceGetClock(Handle h, int kind, int id, unsigned *mhz) {
    GET(h, g);
    return g->old ? FUNCTION_NOT_FOUND : clock_mhz(g, kind, id, mhz);
}
int nvmlDeviceGetClockInfo(Handle h, int kind, unsigned *mhz) {
    GET(h, g); return clock_mhz(g, kind, 0, mhz);
}
int nvmlDeviceGetApplicationsClock(Handle h, int kind, unsigned *mhz) {
    GET(h, g); return g->fresh ? FUNCTION_NOT_FOUND : clock_mhz(g, kind, 1, mhz);
}
int nvmlDeviceGetDefaultApplicationsClock(Handle h, int kind, unsigned *mhz) {
    GET(h, g); return clock_mhz(g, kind, 2, mhz);
}
int nvmlDeviceGetMaxCustomerBoostClock(Handle h, int kind, unsigned *mhz) {
    GET(h, g); return g->fresh ? FUNCTION_NOT_FOUND : clock_mhz(g, kind, 3, mhz);
}
static int reasons(const Gpu *g, uint64_t *bits) {
    if (g->throttle < 0) return NOT_SUPPORTED;
    *bits = (uint64_t)between(0, g->throttle, g->throttle_from, g->throttle_to);
    return OK;
}
int nvmlDeviceGetCurrentClocksEventReasons(Handle h, uint64_t *bits) {
    GET(h, g); return g->old ? FUNCTION_NOT_FOUND : reasons(g, bits);
}
int nvmlDeviceGetCurrentClocksThrottleReasons(Handle h, uint64_t *bits) {
    GET(h, g); return g->fresh ? FUNCTION_NOT_FOUND : reasons(g, bits);
}

/* --- power limit ------------------------------------------------------------------------ */

static int limit_mw(const Gpu *g, unsigned *mw) {
    if (g->limit < 0) return NOT_SUPPORTED;
    *mw = as_uint(between(g->limit, g->limit_then, g->limit_at, g->limit_until) * 1e3);
    return OK;
}
int nvmlDeviceGetEnforcedPowerLimit(Handle h, unsigned *mw) { GET(h, g); return limit_mw(g, mw); }
int nvmlDeviceGetPowerManagementLimit(Handle h, unsigned *mw) { GET(h, g); return limit_mw(g, mw); }

/* --- processes -------------------------------------------------------------------------- */

static unsigned pids_of(const Gpu *g, unsigned *pids, unsigned most) {
    unsigned n = 0;
    const char *rest = g->pids;
    double t = now();
    while (*rest && n < most) {
        char *end;
        pids[n++] = (unsigned)strtoul(rest, &end, 10);
        rest = *end ? end + 1 : end;
    }
    if (g->own && n < most) pids[n++] = (unsigned)getpid();
    if (t >= g->foreign_at && t < g->foreign_until && n < most) pids[n++] = (unsigned)g->foreign_pid;
    FILE *file = *g->pids_file ? fopen(g->pids_file, "r") : NULL;
    while (file && n < most && fscanf(file, "%u", &pids[n]) == 1) n++;
    if (file) fclose(file);
    return n;
}
static int processes(const Gpu *g, unsigned *n, Process *out) {
    unsigned pids[16], there = pids_of(g, pids, 16), room = *n;
    if (g->processes < 0) return NOT_SUPPORTED;
    *n = there;
    if (there == 0) return OK;
    if (room < there || !out) return INSUFFICIENT_SIZE;
    for (unsigned i = 0; i < there; i++) out[i] = (Process){pids[i], 512ull << 20, ~0u, ~0u};
    return OK;
}
int nvmlDeviceGetComputeRunningProcesses_v3(Handle h, unsigned *n, Process *out) {
    GET(h, g); return g->old ? FUNCTION_NOT_FOUND : processes(g, n, out);
}
int nvmlDeviceGetComputeRunningProcesses_v2(Handle h, unsigned *n, Process *out) {
    GET(h, g); return processes(g, n, out);
}
