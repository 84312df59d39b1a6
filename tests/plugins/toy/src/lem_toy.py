"""A complete inference backend: tokens are words, and an answer counts up to its limit."""

import time

from llenergymeasure.config.backend_spec import BackendOptions, BackendSpec
from llenergymeasure.domain.metrics import ComputeMetrics
from llenergymeasure.domain.model_info import ModelInfo
from llenergymeasure.domain.trace import RequestTrace


class ToyOptions(BackendOptions):
    delay_s: float = 0.0


SPEC = BackendSpec("toy", "lem_toy:ToyBackend", ToyOptions, description="Counts up.")


class ToyBackend:
    def __init__(self, config):
        self.config = config

    def load(self):
        pass

    def describe(self):
        return ModelInfo(name=self.config.model_name, engine_version="1.0")

    def generate(self, requests):
        for request in requests:
            dispatch_ns = time.monotonic_ns()
            words = len(request.prompt.split())
            kept = min(words, request.max_input_tokens or words)
            time.sleep(self.config.backend_options.delay_s)
            yield RequestTrace(
                request_id=request.request_id,
                prompt_tokens=kept,
                output_token_ids=tuple(range(request.max_output_tokens)),
                dispatch_ns=dispatch_ns,
                return_ns=time.monotonic_ns(),
                truncated_prompt_tokens=words - kept,
                finish_reason="length",
            )

    def synchronize(self):
        pass

    def compute_metrics(self):
        return ComputeMetrics(flops_reason="counting up is no arithmetic to speak of")

    def close(self):
        pass
