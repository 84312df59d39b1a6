/* What the files of the stand-in share: the GPUs and their settings (keys: nvml_stand_in.c). */
#ifndef NVML_STAND_IN_H
#define NVML_STAND_IN_H
#define _GNU_SOURCE
#include <math.h>
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { OK = 0, UNINITIALIZED = 1, BAD_ARGUMENT = 2, NOT_SUPPORTED = 3, NOT_FOUND = 6,
       INSUFFICIENT_SIZE = 7, DRIVER_NOT_LOADED = 9, FUNCTION_NOT_FOUND = 13, GPU_IS_LOST = 15 };
enum { MAX_GPUS = 16, AVERAGE = 185, INSTANT = 186, MIG_OFFSET = 100 };

/* Name and default of the settings beside power and energy; times are INFINITY, for never. */
#define STATE(X) \
    X(sm, 50) X(mem_util, 10) X(mem_used, 0) X(mem_total, 81920) \
    X(temp, 40) X(temp_end, 40) X(temp_tau, 0) X(temp_from, 0) \
    X(sm_clock, 1500) X(mem_clock, 1500) \
    X(app_clock, 1980) X(app_clock_then, 1410) X(app_clock_at, INFINITY) \
    X(app_mem_clock, 2619) X(boost_clock, 1980) X(boost_clock_then, 1410) \
    X(boost_clock_at, INFINITY) \
    X(limit, 700) X(limit_then, 400) X(limit_at, INFINITY) X(limit_until, INFINITY) \
    X(throttle, 0) X(throttle_from, 0) X(throttle_to, INFINITY) X(old, 0) X(fresh, 0) \
    X(processes, 0) X(own, 0) \
    X(foreign_pid, 0) X(foreign_at, INFINITY) X(foreign_until, INFINITY) X(call_us, 0)
#define FACTS(X) \
    X(persistence, 1) X(cc, 9.0) X(limit_min, 200) X(limit_max, 700) X(limit_default, 700) \
    X(ecc, 1) X(pcie_gen, 5) X(pcie_gen_max, 5) X(pcie_width, 16) X(pcie_width_max, 16) \
    X(mig_count, 1) X(mig_max, 7) X(nvlinks, -1) X(nvlink_version, 4) X(nvswitch, 1) \
    X(numa, 0) X(cores, 16896) X(bus_bits, 5120) X(max_sm_clock, 1980) X(max_mem_clock, 2619) \
    X(brand, 14) X(compute_mode, 0) X(pstate, 0) X(slowdown_temp, 92) X(shutdown_temp, 97)

typedef struct {
    char curve[16], uuid[80], name[64], pci[32], pids[128], mig_profile[32], serial[32], vbios[32];
    char pids_file[256];
    double low, high, period, offset, duty;
    double counter_ms, counter_phase_ms, power_ms, power_phase_ms, average_ms;
    double ripple, gain, base, part_time, since;
    double no_counter, no_instant, no_power, mig, arch;
    double reset_at, backwards_at, freeze_at, lost_at, power_frozen_at;
#define FIELD(name, value) double name;
    STATE(FIELD) FACTS(FIELD)
#undef FIELD
} Gpu;

typedef uintptr_t Handle; /* 1 + index; that of its MIG slice n is (1 + n) x MIG_OFFSET more */
typedef struct { unsigned id, scope; int64_t timestamp, latency; int type, result;
                 union { double d; unsigned u; uint64_t ull; } value; } Field;
typedef struct { char legacy[16]; unsigned domain, bus, device, pci, sub; char bus_id[32]; } Pci;

/* Hidden: a program's own symbols of these names are none of ours. */
#pragma GCC visibility push(hidden)
extern Gpu gpus[MAX_GPUS];
extern unsigned count;
double now(void);
int get(Handle h, Gpu **g);
void facts_of_pci(const Gpu *g, Pci *p);
int fact_field(const Gpu *g, Field *field);
#pragma GCC visibility pop

#define GET(h, g) Gpu *g; do { int r_ = get(h, &g); if (r_) return r_; } while (0)
/* A negative setting is a quantity that the GPU does not support. */
#define GIVE(setting, out) do { \
    if ((setting) < 0) return NOT_SUPPORTED; \
    *(out) = (unsigned)(setting); return OK; } while (0)

#endif
