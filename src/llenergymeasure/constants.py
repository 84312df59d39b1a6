"""Values that more than one room needs, each with its reason."""

from __future__ import annotations

from typing import Final

EXIT_OK: Final = 0
EXIT_RUN_FAILED: Final = 1
EXIT_INPUT_WRONG: Final = 2
EXIT_INTERRUPTED: Final = 130
# `lem measure` only, whose other codes are those of the measured command.
EXIT_OWN_FAILURE: Final = 125

# Version of the result files (raw and aggregated). Raise it with any change that an older
# reader would misread, and teach results/migrations what to do with the older form.
RESULT_SCHEMA_VERSION: Final = 1
STATE_SCHEMA_VERSION: Final = 1
CONTEXT_SCHEMA_VERSION: Final = 1

COMPLETION_MARKER_PREFIX: Final = ".completed_"

RESULTS_DIR_ENV: Final = "LLM_ENERGY_RESULTS_DIR"
STATE_DIR_ENV: Final = "LLM_ENERGY_STATE_DIR"
# Set for the measuring process: the id of the process that follows it.
PARENT_PID_ENV: Final = "LEM_PARENT_PID"
# The module that the measuring process runs; by it other processes know an experiment.
LAUNCHER_MODULE: Final = "llenergymeasure.orchestration.launcher"
DEFAULT_RESULTS_DIR: Final = "results"
DEFAULT_STATE_DIR: Final = ".state"
POWERCAP_ROOT_ENV: Final = "LEM_POWERCAP_ROOT"
SYSTEM_POWERCAP: Final = "/sys/class/powercap"

# Variables that lem reads and that are no config keys, and what each says (docs/configuration.md).
OWN_VARIABLES: Final = {
    RESULTS_DIR_ENV: "folder of the results",
    STATE_DIR_ENV: "folder of the state files",
    POWERCAP_ROOT_ENV: "powercap folder of the CPU's energy counters",
    PARENT_PID_ENV: "set by lem for its measuring process, not by you",
}

INFERENCE_BACKENDS_GROUP: Final = "llenergymeasure.inference_backends"
ENERGY_BACKENDS_GROUP: Final = "llenergymeasure.energy_backends"

# The engine of a config that names none.
DEFAULT_BACKEND: Final = "pytorch"

BUILTIN_MODEL_PREFIX: Final = "builtin:"
