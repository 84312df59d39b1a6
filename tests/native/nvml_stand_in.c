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
 * What they are doing (nvml_stand_in_state.c); a negative value is a quantity without support:
 *   sm, mem_util  %        mem_used, mem_total  MiB        sm_clock, mem_clock  MHz
 *   temp       degrees C; with temp_tau (s) it nears temp_end exponentially from temp_from (s) on
 *   limit      W, enforced; limit_then from limit_at to limit_until (s)
 *   app_clock, app_mem_clock, boost_clock  MHz, settings; app_clock_then from app_clock_at (s),
 *              boost_clock_then from boost_clock_at (s)
 *   throttle   bits of the clocks' event reasons, from throttle_from to throttle_to (s)
 *   pids       compute processes, as 12+34; own=1: the process that reads NVML too;
 *              pids_file: those in a file too, one a line
 *   foreign_pid   a compute process from foreign_at to foreign_until (s)
 *   processes=-1  processes cannot be listed
 *   old=1      a driver without the newest functions; fresh=1: one without the deprecated ones
 *   call_us    CPU time that every call takes
 *
 * What they are (nvml_stand_in_facts.c); negative is without support here too:
 *   persistence, cc (9.0), limit_min, limit_max, limit_default  W, ecc, pcie_gen, pcie_gen_max,
 *   pcie_width, pcie_width_max, cores, bus_bits, max_sm_clock, max_mem_clock, brand,
 *   compute_mode, pstate, slowdown_temp, shutdown_temp, serial, vbios, numa
 *   mig_count, mig_max, mig_profile     slices that there are, that fit, and their form
 *   nvlinks    active links (-1: none are built in), nvlink_version; nvswitch=0: to a neighbour
 *   NVML_STAND_IN_DRIVER, NVML_STAND_IN_CUDA (as 13000) are variables of their own
 *
 * NVML_STAND_IN_INIT_MS is how long the first nvmlInit takes. As NVML, it may be called by several
 * threads at once.
 *
 * stand_in_set(gpu, key, value) changes a setting at run time. Times are seconds of
 * CLOCK_MONOTONIC; one with a plus sign counts from the first nvmlInit. The energy of a curve is its
 * closed-form integral.
 */
#include "nvml_stand_in.h"

Gpu gpus[MAX_GPUS];
unsigned count;
/* Whoever comes second waits: nobody sees GPUs that are not configured yet. */
static _Atomic int users;
static pthread_mutex_t entering = PTHREAD_MUTEX_INITIALIZER;

static const struct { const char *key; size_t at; } NUMBERS[] = {
#define N(field) {#field, offsetof(Gpu, field)}
    N(low), N(high), N(period), N(offset), N(duty), N(counter_ms), N(counter_phase_ms),
    N(power_ms), N(power_phase_ms), N(average_ms), N(ripple), N(gain), N(base), N(part_time), N(no_counter),
    N(no_instant), N(no_power), N(mig), N(arch), N(reset_at), N(backwards_at), N(freeze_at),
    N(lost_at), N(power_frozen_at),
#define S(field, value) N(field),
    STATE(S) FACTS(S)
};
static const struct { const char *key; size_t at, size; } WORDS[] = {
#define W(field) {#field, offsetof(Gpu, field), sizeof(((Gpu *)0)->field)}
    W(curve), W(uuid), W(name), W(pci), W(pids), W(mig_profile), W(serial), W(vbios),
    W(pids_file),
};

double now(void) {
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
    strcpy(g->mig_profile, "1g.10gb");
    strcpy(g->vbios, "96.00.stand-in");
#define D(field, value) g->field = value;
    STATE(D) FACTS(D)
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
    const char *env = getenv("NVML_STAND_IN"), *init_ms = getenv("NVML_STAND_IN_INIT_MS");
    if (init_ms) usleep(atoi(init_ms) * 1000);
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

/* For the tests: change a setting from now on; a time with a plus sign counts from now. */
void stand_in_set(unsigned index, const char *key, const char *value) {
    set(&gpus[index], key, value);
}

/* --- NVML ------------------------------------------------------------------------------- */

int get(Handle h, Gpu **g) {
    if (!users) return UNINITIALIZED;
    if (h < 1 || (h - 1) % MIG_OFFSET >= count) return BAD_ARGUMENT;
    *g = &gpus[(h - 1) % MIG_OFFSET];
    for (double end = now() + (*g)->call_us / 1e6; (*g)->call_us > 0 && now() < end;) continue;
    return missing(*g, now()) ? GPU_IS_LOST : OK;
}

int nvmlInitWithFlags(unsigned flags) {
    (void)flags;
    if (getenv("NVML_STAND_IN_NO_DRIVER")) return DRIVER_NOT_LOADED;
    if (getenv("NVML_STAND_IN_MISMATCH")) return 18;
    pthread_mutex_lock(&entering);
    if (!users) configure();
    users++;
    pthread_mutex_unlock(&entering);
    return OK;
}
int nvmlInit_v2(void) { return nvmlInitWithFlags(0); }
int nvmlShutdown(void) {
    pthread_mutex_lock(&entering);
    int result = users ? OK : UNINITIALIZED;
    if (users) users--;
    pthread_mutex_unlock(&entering);
    return result;
}
const char *nvmlErrorString(int code) {
    switch (code) {
        case NOT_SUPPORTED: return "Not Supported";
        case DRIVER_NOT_LOADED: return "Driver Not Loaded";
        case GPU_IS_LOST: return "GPU is lost";
        case NOT_FOUND: return "Not Found";
        default: return "Error";
    }
}
int nvmlDeviceGetCount_v2(unsigned *n) { if (!users) return UNINITIALIZED; *n = count; return OK; }
int nvmlDeviceGetHandleByIndex_v2(unsigned i, Handle *h) {
    if (i >= count) return BAD_ARGUMENT;
    if (missing(&gpus[i], now())) return GPU_IS_LOST;
    *h = i + 1;
    return OK;
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
        fields[i].result = fact_field(g, &fields[i]);
        if (fields[i].scope != 0 || g->no_instant) continue;
        if (fields[i].id != INSTANT && fields[i].id != AVERAGE) continue;
        fields[i].result = OK;
        fields[i].type = 1;
        fields[i].value.u = (unsigned)(shown_power_w(g, now(), fields[i].id == AVERAGE ? g->average_ms : g->part_time) * 1e3);
    }
    return OK;
}
