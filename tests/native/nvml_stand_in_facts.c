/* What the GPUs of the stand-in are: driver, limits, buses, MIG slices, links. */
#include "nvml_stand_in.h"

enum { LINK_COUNT = 91, MIN_LIMIT = 187, MAX_LIMIT, DEFAULT_LIMIT, MAX_LINKS = 18 };

static const char *setting(const char *name, const char *otherwise) {
    const char *value = getenv(name);
    return value ? value : otherwise;
}
static int text_of(const char *from, char *text, unsigned n) {
    if (!*from) return NOT_SUPPORTED;
    snprintf(text, n, "%s", from);
    return OK;
}

int nvmlSystemGetDriverVersion(char *text, unsigned n) {
    return text_of(setting("NVML_STAND_IN_DRIVER", "0.stand-in"), text, n);
}
int nvmlSystemGetNVMLVersion(char *text, unsigned n) {
    return text_of(setting("NVML_STAND_IN_DRIVER", "0.stand-in"), text, n);
}
int nvmlSystemGetCudaDriverVersion_v2(int *version) {
    *version = atoi(setting("NVML_STAND_IN_CUDA", "13000"));
    return OK;
}
int nvmlSystemGetCudaDriverVersion(int *version) {
    return nvmlSystemGetCudaDriverVersion_v2(version);
}

#define FACT(function, field) \
    int function(Handle h, unsigned *out) { GET(h, g); GIVE(g->field, out); }
FACT(nvmlDeviceGetPersistenceMode, persistence)
FACT(nvmlDeviceGetCurrPcieLinkGeneration, pcie_gen)
FACT(nvmlDeviceGetMaxPcieLinkGeneration, pcie_gen_max)
FACT(nvmlDeviceGetGpuMaxPcieLinkGeneration, pcie_gen_max)
FACT(nvmlDeviceGetCurrPcieLinkWidth, pcie_width)
FACT(nvmlDeviceGetMaxPcieLinkWidth, pcie_width_max)
FACT(nvmlDeviceGetNumGpuCores, cores)
FACT(nvmlDeviceGetMemoryBusWidth, bus_bits)
FACT(nvmlDeviceGetBrand, brand)
FACT(nvmlDeviceGetComputeMode, compute_mode)
FACT(nvmlDeviceGetPerformanceState, pstate)
FACT(nvmlDeviceGetPowerState, pstate)
FACT(nvmlDeviceGetNumaNodeId, numa)
FACT(nvmlDeviceGetArchitecture, arch)

int nvmlDeviceGetName(Handle h, char *text, unsigned n) {
    GET(h, g);
    if (h <= MIG_OFFSET) return text_of(g->name, text, n);
    snprintf(text, n, "%s MIG %s", g->name, g->mig_profile);
    return OK;
}
int nvmlDeviceGetSerial(Handle h, char *text, unsigned n) { GET(h, g); return text_of(g->serial, text, n); }
int nvmlDeviceGetVbiosVersion(Handle h, char *text, unsigned n) { GET(h, g); return text_of(g->vbios, text, n); }
int nvmlDeviceGetIndex(Handle h, unsigned *i) { GET(h, g); *i = (unsigned)(g - gpus); return OK; }
int nvmlDeviceGetMinorNumber(Handle h, unsigned *i) { GET(h, g); *i = (unsigned)(g - gpus); return OK; }
int nvmlDeviceGetCudaComputeCapability(Handle h, int *major, int *minor) {
    GET(h, g);
    int tenfold = (int)lround(g->cc * 10);
    *major = tenfold / 10; *minor = tenfold % 10;
    return OK;
}
int nvmlDeviceGetEccMode(Handle h, unsigned *current, unsigned *pending) {
    GET(h, g); *pending = g->ecc > 0; GIVE(g->ecc, current);
}
int nvmlDeviceGetMaxClockInfo(Handle h, int kind, unsigned *mhz) {
    GET(h, g); GIVE(kind == 2 ? g->max_mem_clock : g->max_sm_clock, mhz);
}
int nvmlDeviceGetTemperatureThreshold(Handle h, int kind, unsigned *c) {
    GET(h, g);
    if (kind > 1) return NOT_SUPPORTED;
    GIVE(kind ? g->slowdown_temp : g->shutdown_temp, c);
}

/* --- power limits ----------------------------------------------------------------------- */

int nvmlDeviceGetPowerManagementLimitConstraints(Handle h, unsigned *least, unsigned *most) {
    GET(h, g);
    if (g->limit_min < 0) return NOT_SUPPORTED;
    *least = (unsigned)(g->limit_min * 1e3);
    *most = (unsigned)(g->limit_max * 1e3);
    return OK;
}
int nvmlDeviceGetPowerManagementDefaultLimit(Handle h, unsigned *mw) {
    GET(h, g); GIVE(g->limit_default * 1e3, mw);
}
int fact_field(const Gpu *g, Field *field) {
    field->type = 1;
    switch (field->id) {
        case LINK_COUNT: GIVE(g->nvlinks, &field->value.u);
        case MIN_LIMIT: GIVE(g->limit_min * 1e3, &field->value.u);
        case MAX_LIMIT: GIVE(g->limit_max * 1e3, &field->value.u);
        case DEFAULT_LIMIT: GIVE(g->limit_default * 1e3, &field->value.u);
    }
    return NOT_SUPPORTED;
}

/* --- buses and links -------------------------------------------------------------------- */

void facts_of_pci(const Gpu *g, Pci *p) {
    memset(p, 0, sizeof *p);
    snprintf(p->bus_id, sizeof p->bus_id, "%s", g->pci);
    snprintf(p->legacy, sizeof p->legacy, "%s", strlen(g->pci) > 4 ? g->pci + 4 : "");
    sscanf(g->pci, "%x:%x:%x", &p->domain, &p->bus, &p->device);
}
int nvmlDeviceGetPciInfo_v3(Handle h, Pci *p) { GET(h, g); facts_of_pci(g, p); return OK; }
int nvmlDeviceGetTopologyCommonAncestor(Handle a, Handle b, unsigned *level) {
    GET(a, one);
    GET(b, other);
    *level = one->numa == other->numa ? 30 : 50;
    return OK;
}
#define LINK(h, g, link) GET(h, g); \
    if (g->nvlinks < 0) return NOT_SUPPORTED; \
    if (link >= MAX_LINKS) return BAD_ARGUMENT
int nvmlDeviceGetNvLinkState(Handle h, unsigned link, unsigned *active) {
    LINK(h, g, link); *active = link < g->nvlinks; return OK;
}
int nvmlDeviceGetNvLinkVersion(Handle h, unsigned link, unsigned *version) {
    LINK(h, g, link); *version = (unsigned)g->nvlink_version; return OK;
}
int nvmlDeviceGetNvLinkRemoteDeviceType(Handle h, unsigned link, unsigned *type) {
    LINK(h, g, link); *type = g->nvswitch ? 2 : 0; return OK;
}
/* Without a switch, links join neighbours: 0 and 1, 2 and 3, .. */
int nvmlDeviceGetNvLinkRemotePciInfo_v2(Handle h, unsigned link, Pci *p) {
    LINK(h, g, link);
    unsigned peer = (unsigned)(g - gpus) ^ 1u;
    if (link >= g->nvlinks || (!g->nvswitch && peer >= count)) return NOT_SUPPORTED;
    facts_of_pci(&gpus[g->nvswitch ? (unsigned)(g - gpus) : peer], p);
    if (g->nvswitch) snprintf(p->bus_id, sizeof p->bus_id, "00000000:E0:00.0");
    return OK;
}

/* --- MIG -------------------------------------------------------------------------------- */

static int uuid_of(Handle h, const Gpu *g, char *text, unsigned n) {
    unsigned slice = (unsigned)((h - 1) / MIG_OFFSET);
    if (!slice) snprintf(text, n, "%s", g->uuid);
    else if (slice == 1) snprintf(text, n, "MIG-%s", g->uuid + 4);
    else snprintf(text, n, "MIG-%02x%s", slice, g->uuid + 6);
    return OK;
}
int nvmlDeviceGetUUID(Handle h, char *text, unsigned n) { GET(h, g); return uuid_of(h, g, text, n); }
int nvmlDeviceGetHandleByUUID(const char *uuid, Handle *h) {
    char known[80];
    for (unsigned i = 0; i < count; i++)
        for (unsigned slice = 0; slice <= (gpus[i].mig ? (unsigned)gpus[i].mig_count : 0); slice++) {
            *h = i + 1 + slice * MIG_OFFSET;
            uuid_of(*h, &gpus[i], known, sizeof known);
            if (!strcmp(uuid, known)) return OK;
        }
    return NOT_FOUND;
}
int nvmlDeviceGetDeviceHandleFromMigDeviceHandle(Handle mig, Handle *h) {
    if (mig <= MIG_OFFSET) return BAD_ARGUMENT;
    *h = (mig - 1) % MIG_OFFSET + 1;
    return OK;
}
int nvmlDeviceIsMigDeviceHandle(Handle h, unsigned *is) { *is = h > MIG_OFFSET; return OK; }
int nvmlDeviceGetMigMode(Handle h, unsigned *current, unsigned *pending) {
    GET(h, g);
    if (g->mig < 0) return NOT_SUPPORTED;
    *current = *pending = g->mig != 0;
    return OK;
}
int nvmlDeviceGetMaxMigDeviceCount(Handle h, unsigned *n) {
    GET(h, g); *n = g->mig > 0 ? (unsigned)g->mig_max : 0; return OK;
}
int nvmlDeviceGetMigDeviceHandleByIndex(Handle h, unsigned i, Handle *slice) {
    GET(h, g);
    if (!(g->mig > 0) || i >= g->mig_count) return NOT_FOUND;
    *slice = h + (i + 1) * MIG_OFFSET;
    return OK;
}
int nvmlDeviceGetGpuInstanceId(Handle h, unsigned *id) { GET(h, g); *id = (unsigned)(h / MIG_OFFSET); return OK; }
int nvmlDeviceGetComputeInstanceId(Handle h, unsigned *id) { GET(h, g); *id = 0; return OK; }
