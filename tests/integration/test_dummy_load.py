"""Random weights in a config's architecture; chats and exact lengths through a real tokenizer."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from llenergymeasure.config.models import ExperimentConfig, config_model
from llenergymeasure.core.builtin_model import builtin_model_path
from llenergymeasure.core.dummy_model import load_dummy_model
from llenergymeasure.core.inference_backends.pytorch.backend import PyTorchBackend
from llenergymeasure.core.model_loader import load_model
from llenergymeasure.domain.prompt import ChatMessage
from llenergymeasure.domain.trace import InferenceRequest
from llenergymeasure.exceptions import ConfigurationError, ModelNotFoundError

_path = Path(__file__).parents[1] / "unit" / "core" / "hub_stand_in.py"
_spec = importlib.util.spec_from_file_location("hub_stand_in_for_dummy", _path)
assert _spec and _spec.loader
stand_in = importlib.util.module_from_spec(_spec)
sys.modules["hub_stand_in_for_dummy"] = stand_in
_spec.loader.exec_module(stand_in)

CPU = torch.device("cpu")
TEMPLATE = (
    "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system') }}"
    "{% endif %}<s>{{ m.role }}: {{ m.content }}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant:{% endif %}"
)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        return builtin_model_path("builtin:tiny-llama")


@pytest.fixture
def bare(tiny: Path, tmp_path: Path) -> Path:
    """The model's directory without its weights."""
    return Path(
        shutil.copytree(tiny, tmp_path / "bare", ignore=shutil.ignore_patterns("*.safetensors"))
    )


def backend(path: Path, **keys) -> PyTorchBackend:
    config: ExperimentConfig = config_model("pytorch").model_validate(
        {
            "config_name": "c",
            "model_name": str(path),
            "device": "cpu",
            "decoder": {"preset": "deterministic"},
            "pytorch": {"batch_size": 4},
            **keys,
        }
    )
    made = PyTorchBackend(config)
    made.load()
    return made


class TestDummy:
    def test_no_weights_are_needed_and_the_shape_is_the_models(self, bare: Path, tiny) -> None:
        made = load_dummy_model(bare, "auto", CPU, seed=1).model
        real = load_model(tiny, "auto", CPU).model
        assert type(made) is type(real)
        shapes = {name: p.shape for name, p in made.named_parameters()}
        assert shapes == {name: p.shape for name, p in real.named_parameters()}
        assert made.generation_config.eos_token_id == real.generation_config.eos_token_id
        assert not torch.equal(made.lm_head.weight, real.lm_head.weight)
        assert float(made.lm_head.weight.detach().std()) > 0
        assert torch.isfinite(made(torch.tensor([[1, 5, 9]])).logits).all()
        with pytest.raises(ModelNotFoundError, match="weights"):
            backend(bare)

    def test_the_seed_decides_and_the_callers_generator_stays(self, bare: Path) -> None:
        before = torch.random.get_rng_state()
        first, again, other = (
            load_dummy_model(bare, "float32", CPU, seed).model.lm_head.weight for seed in (1, 1, 2)
        )
        assert torch.equal(before, torch.random.get_rng_state())
        assert torch.equal(first, again)
        assert not torch.equal(first, other)

    @pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
    def test_the_dtype_is_the_one_asked_for(self, bare: Path, dtype: str) -> None:
        made = load_dummy_model(bare, dtype, CPU, 1).model
        assert {p.dtype for p in made.parameters()} == {getattr(torch, dtype)}

    def test_seven_billion_parameters_are_shaped_at_once(self, bare: Path) -> None:
        config = json.loads((bare / "config.json").read_text())
        config |= {
            "hidden_size": 4096,
            "intermediate_size": 11008,
            "num_hidden_layers": 32,
            "num_attention_heads": 32,
            "num_key_value_heads": 32,
            "head_dim": 128,
            "vocab_size": 32000,
        }
        (bare / "config.json").write_text(json.dumps(config))
        start = time.process_time()
        made = load_dummy_model(bare, "bfloat16", torch.device("meta"), 1).model
        assert time.process_time() - start < 20
        assert 6.7e9 < made.num_parameters() < 6.8e9
        assert {p.device.type for p in made.parameters()} == {"meta"}

    def test_it_runs_and_says_what_it_is(self, bare: Path) -> None:
        made = backend(bare, load_format="dummy")
        assert made.describe().details["load_format"] == "dummy"
        (trace,) = made.generate([InferenceRequest(0, "one two", 5, 5)])
        assert len(trace.output_token_ids) == 5

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            ({"quantization_config": {"quant_method": "gptq", "bits": 4}}, "is quantized"),
            ({"model_type": "no-such-model"}, "transformers knows"),
        ],
    )
    def test_what_cannot_be_built_is_said(self, bare: Path, change, words) -> None:
        config = json.loads((bare / "config.json").read_text())
        (bare / "config.json").write_text(json.dumps(config | change))
        with pytest.raises(ConfigurationError, match=words):
            load_dummy_model(bare, "float32", CPU, 1)

    def test_of_a_hub_model_only_small_files_come(self, tiny: Path, tmp_path: Path) -> None:
        files = {path.name: path.read_bytes() for path in tiny.iterdir()}
        script = (
            "from llenergymeasure.core.model_loader import locate_model\n"
            "print(locate_model('owner/model', weights=False).path)"
        )
        with stand_in.serve(stand_in.Hub(files)) as hub:
            env = {
                "PATH": os.environ["PATH"],
                "HF_HOME": str(tmp_path / "hf"),
                "HF_ENDPOINT": hub.url,
                "HF_HUB_DISABLE_XET": "1",
            }
            child = subprocess.run(
                [sys.executable, "-c", script], env=env, capture_output=True, text=True, timeout=180
            )
            assert child.returncode == 0, child.stderr
            assert hub.fetched() == {name for name in files if not name.endswith(".safetensors")}
        made = load_dummy_model(Path(child.stdout.strip()), "float32", CPU, 1).model
        assert made.num_parameters() == load_model(tiny, "auto", CPU).model.num_parameters()

    def test_a_backend_without_it_refuses_it(self, tmp_path: Path) -> None:
        from llenergymeasure.config.loader import from_mapping
        from llenergymeasure.orchestration.runner import RunOptions, plan

        loaded = from_mapping(
            {"config_name": "c", "model_name": "m", "backend": "echo", "load_format": "dummy"}
        )
        with pytest.raises(ConfigurationError, match="load_format 'dummy' is not offered"):
            plan(loaded, RunOptions(tmp_path, tmp_path))


class TestExactLengths:
    def test_each_prompt_has_exactly_its_tokens(self, tiny: Path) -> None:
        made = backend(tiny, max_output_tokens=64)
        words = "measure the energy of every single token " * 200
        wanted = [1, 2, 3, 17, 128, 500, 5, 999]
        requests = [
            InferenceRequest(i, words, 3 + i % 2, 3 + i % 2, exact_input_tokens=n)
            for i, n in enumerate(wanted)
        ]
        traces = list(made.generate(requests))
        assert [trace.error for trace in traces] == [None] * len(wanted)
        assert [trace.prompt_tokens for trace in traces] == wanted
        assert [len(trace.output_token_ids) for trace in traces] == [3, 4] * 4
        assert {trace.truncated_prompt_tokens for trace in traces} == {0}

    def test_too_short_a_text_is_repeated(self, tiny: Path) -> None:
        made = backend(tiny)
        (trace,) = made.generate([InferenceRequest(0, "a", 1, exact_input_tokens=100)])
        assert trace.prompt_tokens == 100

    def test_a_batch_pays_no_attention_to_padding(self, tiny: Path) -> None:
        made = backend(tiny)
        requests = [
            InferenceRequest(i, "the quick brown fox " * 20, 6, 6, exact_input_tokens=n)
            for i, n in enumerate((4, 30, 11))
        ]
        together = [trace.output_token_ids for trace in made.generate(requests)]
        alone = [next(iter(made.generate([r]))).output_token_ids for r in requests]
        assert together == alone


class TestChats:
    def chat(self, *turns: tuple[str, str], request_id: int = 0) -> InferenceRequest:
        messages = tuple(ChatMessage(*turn) for turn in turns)
        text = "\n".join(content for _, content in turns)
        return InferenceRequest(request_id, text, 4, 4, messages=messages)

    @pytest.fixture
    def templated(self, tiny: Path, tmp_path: Path) -> Path:
        folder = Path(shutil.copytree(tiny, tmp_path / "chat"))
        (folder / "chat_template.jinja").write_text(TEMPLATE)
        return folder

    def test_the_models_template_is_applied_once(self, templated: Path) -> None:
        made = backend(templated)
        tokenizer = load_model(templated, "auto", CPU).tokenizer
        turns = [{"role": "user", "content": "Say it again."}]
        wanted = tokenizer.apply_chat_template(turns, add_generation_prompt=True, return_dict=True)[
            "input_ids"
        ]
        assert wanted.count(tokenizer.bos_token_id) == 1
        chat = self.chat(("user", "Say it again."))
        text = InferenceRequest(1, "Say it again.", 4, 4)
        first, second = made.generate([chat, text])
        assert first.prompt_tokens == len(wanted)
        assert second.prompt_tokens == len(tokenizer("Say it again.")["input_ids"])
        ids = torch.tensor([wanted])
        with torch.inference_mode():
            model = load_model(templated, "auto", CPU).model
            own = model.generate(ids, do_sample=False, max_new_tokens=4, min_new_tokens=4)
        assert list(first.output_token_ids) == own[0, len(wanted) :].tolist()
        assert made.describe().details["chat_template"] != "none"

    def test_a_chat_that_the_template_refuses_fails_alone(self, templated: Path) -> None:
        good, bad = (
            self.chat(("user", "a")),
            self.chat(("system", "s"), ("user", "b"), request_id=1),
        )
        traces = {t.request_id: t for t in backend(templated).generate([good, bad])}
        assert traces[0].error is None
        assert "no system" in (traces[1].error or "")

    def test_a_model_without_a_template_is_told_with_what_to_do(
        self, tiny: Path, tmp_path: Path
    ) -> None:
        (tmp_path / "p.jsonl").write_text('{"messages": [{"role": "user", "content": "x"}]}\n')
        (tmp_path / "c.yaml").write_text(
            f"config_name: c\nmodel_name: {tiny}\nprompts: {{type: file, path: p.jsonl}}\n"
            "energy: {backend: none}\n"
        )
        ran = subprocess.run(
            [sys.executable, "-m", "llenergymeasure", "experiment", "c.yaml"],
            capture_output=True,
            text=True,
            timeout=120,
            cwd=tmp_path,
        )
        assert ran.returncode == 2, ran.stderr
        assert "the prompts are chats" in ran.stderr
        assert "prompts.column" in ran.stderr
        assert "no chat template" in ran.stderr
        assert "Traceback" not in ran.stderr
