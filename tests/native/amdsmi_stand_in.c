/* A libamd_smi.so whose GPUs draw a known power, for the real amdsmi binding (7.0).
 *
 * Linked with nvml_stand_in*.c: the GPUs, their curves, sensors and faults are those of
 * NVML_STAND_IN, told here in AMD's form. Differences:
 *
 *   counter      accumulated in ticks of 15.3 uJ       power  whole W
 *   no_instant   current_socket_power is "not available", average_socket_power is told
 *   AMDSMI_STAND_IN_HIP      "1,0": HIP's index of each GPU; "-" tells none
 *   AMDSMI_STAND_IN_INIT     status of amdsmi_init (34: the driver is not loaded)
 *
 * What the binding needs beyond this file is answered with NOT_SUPPORTED (amdsmi_stubs.c, made
 * from the binding's own list of names).
 */
#include "nvml_stand_in.h"

enum { SMI_OK = 0, SMI_NOT_SUPPORTED = 2, SMI_NOT_FOUND = 31, SMI_NOT_INIT = 32 };
static const float TICK_UJ = 15.3f;

int nvmlInit_v2(void);
int nvmlShutdown(void);
int nvmlDeviceGetTotalEnergyConsumption(Handle h, uint64_t *mj);
int nvmlDeviceGetFieldValues(Handle h, int n, Field *fields);

#pragma pack(push, 1)
typedef struct { char market_name[256]; uint32_t vendor_id; char vendor_name[256];
                 uint32_t subvendor_id; uint64_t device_id; uint32_t rev_id; char serial[256];
                 uint32_t oam_id, units; unsigned char padding[4]; uint64_t graphics_version;
                 uint32_t subsystem_id, reserved[21]; } Asic;
typedef struct { uint64_t socket_power; uint32_t current, average; uint64_t voltages[3];
                 uint32_t limit; unsigned char padding[4]; uint64_t reserved[18]; } Power;
typedef struct { uint32_t drm_render, drm_card, hsa_id, hip_id; char hip_uuid[256]; } Enumeration;
#pragma pack(pop)

static int status(int nvml) {
    switch (nvml) {
        case OK: return SMI_OK;
        case UNINITIALIZED: return SMI_NOT_INIT;
        case GPU_IS_LOST: return SMI_NOT_FOUND;
        default: return SMI_NOT_SUPPORTED;
    }
}
static Gpu *gpu(Handle h) { return &gpus[h - 1]; }

int amdsmi_init(uint64_t flags) {
    const char *refused = getenv("AMDSMI_STAND_IN_INIT");
    (void)flags;
    if (refused) return atoi(refused);
    return status(nvmlInit_v2());
}
int amdsmi_shut_down(void) { return status(nvmlShutdown()); }

/* One socket a GPU. */
int amdsmi_get_socket_handles(uint32_t *n, Handle *sockets) {
    for (unsigned i = 0; sockets && i < count; i++) sockets[i] = i + 1;
    *n = count;
    return SMI_OK;
}
int amdsmi_get_processor_handles(Handle socket, uint32_t *n, Handle *processors) {
    if (processors) *processors = socket;
    *n = 1;
    return SMI_OK;
}
int amdsmi_get_gpu_device_bdf(Handle h, uint64_t *bdf) {
    *bdf = (uint64_t)(0x10 + h - 1) << 8;
    return SMI_OK;
}
int amdsmi_get_gpu_device_uuid(Handle h, uint32_t *length, char *uuid) {
    snprintf(uuid, *length, "%s", gpu(h)->uuid + strlen("GPU-"));
    return SMI_OK;
}
int amdsmi_get_gpu_asic_info(Handle h, Asic *asic) {
    memset(asic, 0, sizeof *asic);
    snprintf(asic->market_name, sizeof asic->market_name, "%s", gpu(h)->name);
    return SMI_OK;
}
int amdsmi_get_gpu_enumeration_info(Handle h, Enumeration *ids) {
    const char *order = getenv("AMDSMI_STAND_IN_HIP");
    memset(ids, 0, sizeof *ids);
    ids->hip_id = (uint32_t)(h - 1);
    snprintf(ids->hip_uuid, sizeof ids->hip_uuid, "GPU-%014x", (unsigned)(0xb0 + h - 1));
    if (!order) return SMI_OK;
    if (*order == '-') return SMI_NOT_SUPPORTED;
    for (Handle i = 1; i < h && order; i++) order = strchr(order, ',') + 1;
    ids->hip_id = (uint32_t)atoi(order);
    return SMI_OK;
}
int amdsmi_get_energy_count(Handle h, uint64_t *ticks, float *resolution, uint64_t *at) {
    uint64_t mj;
    int failed = status(nvmlDeviceGetTotalEnergyConsumption(h, &mj));
    if (failed) return failed;
    *ticks = (uint64_t)(mj * 1e3 / TICK_UJ);
    *resolution = TICK_UJ;
    *at = (uint64_t)(now() * 1e9);
    return SMI_OK;
}
int amdsmi_get_power_info(Handle h, Power *power) {
    Field field = {.id = INSTANT, .result = NOT_SUPPORTED};
    Gpu *g = gpu(h);
    double hidden = g->no_instant;
    memset(power, 0, sizeof *power);
    g->no_instant = 0;
    int failed = status(nvmlDeviceGetFieldValues(h, 1, &field));
    g->no_instant = hidden;
    if (failed) return failed;
    if (g->no_power) return SMI_NOT_SUPPORTED;
    uint32_t watts = (uint32_t)lround(field.value.u / 1e3);
    power->current = hidden ? 0xFFFF : watts;
    power->average = hidden ? watts : 0xFFFF;
    power->socket_power = watts;
    return SMI_OK;
}
int amdsmi_get_temp_metric(Handle h, uint32_t type, uint32_t metric, int64_t *degrees) {
    (void)metric;
    if (type != 1 || gpu(h)->temp < 0) return SMI_NOT_SUPPORTED; /* 1: hotspot */
    *degrees = (int64_t)gpu(h)->temp;
    return SMI_OK;
}
