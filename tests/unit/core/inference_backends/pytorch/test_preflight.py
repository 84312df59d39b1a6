"""What is said of a run before it starts, and whether it is what then comes to pass."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path
from typing import Any

import pytest

from llenergymeasure.config.models import ExperimentConfig, config_model
from llenergymeasure.core.inference_backends.pytorch import device_ahead, preflight
from llenergymeasure.core.inference_backends.pytorch.preflight import look_ahead
from llenergymeasure.core.inference_backends.pytorch.tokenising import tokenise
from llenergymeasure.core.model_loader import load_tokenizer
from llenergymeasure.domain.prompt import Chat, ChatMessage, Prompt, SyntheticPrompt
from llenergymeasure.exceptions import ConfigurationError

TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}{% if m.role == 'system' %}"
    "{{ raise_exception('no system turns') }}{% endif %}{% generation %}{{ m.content | tojson }}"
    "{% endgeneration %}{% if loop.index > 9 %}{% break %}{% endif %}{% endfor %}"
    "{{ strftime_now('%Y')[:0] }}{% if add_generation_prompt %}assistant:{% endif %}"
)


def config(model: Path | str, **keys: Any) -> ExperimentConfig:
    base = {"config_name": "c", "model_name": str(model), "device": "cpu", "max_output_tokens": 9}
    return config_model("pytorch").model_validate(base | keys)


@pytest.fixture
def copy(tiny_llama: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_llama, tmp_path / "copy"))


def edit(file: Path, **keys: Any) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | keys))


def chat(*turns: tuple[str, str]) -> Chat:
    return Chat(tuple(ChatMessage(role, content) for role, content in turns))


def texts(count: int) -> list[Prompt]:
    draw = random.Random(7)
    words = ["lamp", "tower", "wind", "Ünïcödé", "集大成", "  ", "\n", "3.14", "</s>", "'s"]
    return [" ".join(draw.choices(words, k=draw.randrange(60))) for _ in range(count)]


@pytest.mark.parametrize("limit", [1, 5, 64, 300])
def test_the_number_of_prompts_that_will_be_cut_is_that_of_the_run(tiny_llama, limit) -> None:
    prompts = texts(80)
    cut = tokenise(load_tokenizer(tiny_llama), [str(p) for p in prompts], limit).truncated
    number, most = sum(map(bool, cut)), limit + max(cut)
    notes = look_ahead(config(tiny_llama, max_input_tokens=limit), prompts)
    if not number:
        assert notes == []
        return
    [note] = notes
    assert number > 1
    assert note.startswith(f"{number} of 80 prompts are longer than max_input_tokens {limit} and")
    assert f"the longest has {most} tokens" in note and "or to null for no limit" in note


def test_the_default_limit_is_called_one(tiny_llama: Path) -> None:
    [note] = look_ahead(config(tiny_llama), ["a b " * 900, "short"])
    assert note.startswith("1 of 2 prompts is longer than max_input_tokens 512 (the default)")
    assert look_ahead(config(tiny_llama, max_input_tokens=None), ["a b " * 900]) == []


def test_short_prompts_need_no_tokenizer(tiny_llama: Path, monkeypatch) -> None:
    monkeypatch.setattr(preflight, "open_tokenizer", None)
    assert look_ahead(config(tiny_llama), ["One lamp."] * 3) == []


def test_what_is_not_looked_at_is_not_counted(tiny_llama: Path, monkeypatch) -> None:
    monkeypatch.setattr(preflight, "_MOST_CHARACTERS", 9000)
    [note] = look_ahead(config(tiny_llama), ["short", "a b " * 900, "a b " * 900, "a b " * 900])
    assert note.startswith("2 of the 3 prompts looked at are longer")


class TestRoom:
    @pytest.fixture
    def narrow(self, copy: Path) -> Path:
        edit(copy / "config.json", max_position_embeddings=64)
        return copy

    def test_prompts_that_do_not_fit_are_counted(self, narrow: Path) -> None:
        prompts = ["a b " * 40, "short"]
        [note] = look_ahead(config(narrow), prompts)
        assert note.startswith("1 of 2 prompts does not fit into the model's 64 positions with 9")
        assert not any("fit" in n for n in look_ahead(config(narrow, max_input_tokens=55), prompts))

    def test_none_that_fits_is_refused(self, narrow: Path) -> None:
        with pytest.raises(ConfigurationError, match="none of 2 prompts fits into"):
            look_ahead(config(narrow), ["a b " * 40, "c d " * 50])
        with pytest.raises(ConfigurationError, match="leaves no room for a prompt in the 64"):
            look_ahead(config(narrow, max_output_tokens=64), ["short"])

    def test_synthetic_prompts_have_the_length_that_is_asked_for(self, narrow: Path) -> None:
        prompts: list[Prompt] = [SyntheticPrompt("a", 60, 4), SyntheticPrompt("a", 60, 5)]
        [note] = look_ahead(config(narrow), prompts)
        assert note.startswith("1 of 2 prompts does not fit")

    @pytest.mark.parametrize("positions", [-1, 0, None])
    def test_no_limit_is_none(self, copy: Path, positions: int | None) -> None:
        edit(copy / "config.json", max_position_embeddings=positions)
        assert look_ahead(config(copy, max_input_tokens=None), ["a b " * 9000]) == []


class TestChats:
    CHATS = (chat(("user", "Why?")), chat(("system", "Be brief."), ("user", "Why?")))

    def test_one_that_the_template_refuses_is_told(self, copy: Path) -> None:
        (copy / "chat_template.jinja").write_text(TEMPLATE)
        assert look_ahead(config(copy), self.CHATS[:1]) == []
        [note] = look_ahead(config(copy), self.CHATS)
        assert note.startswith("1 of 2 chats do not go into the model's chat template")
        assert note.endswith("no system turns")

    @pytest.mark.parametrize(
        ("template", "words"),
        [
            ("{% for m in messages %}", "does not take a single chat: .*"),
            ("{{ raise_exception('never') }}", "does not take a single chat: never"),
            ("{{ messages[0].content.no.such.thing }}", "does not take a single chat"),
        ],
    )
    def test_a_broken_template_is_refused(self, copy: Path, template: str, words: str) -> None:
        edit(copy / "tokenizer_config.json", chat_template=template)
        with pytest.raises(ConfigurationError, match=words) as caught:
            look_ahead(config(copy), self.CHATS)
        assert "\n" not in caught.value.message and "mend the template" in str(caught.value.hint)

    def test_none_is_refused(self, copy: Path) -> None:
        with pytest.raises(ConfigurationError, match="has no chat template"):
            look_ahead(config(copy), self.CHATS)
        assert look_ahead(config(copy), ["a text"]) == []

    def test_a_chat_is_as_long_as_in_the_run(self, copy: Path) -> None:
        (copy / "chat_template.jinja").write_text(TEMPLATE)
        tokenizer = load_tokenizer(copy)
        long = chat(("user", "the lamp of the tower " * 30))
        turns = [{"role": m.role, "content": m.content} for m in long.messages]
        text = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
        tokens = len(tokenizer(text, add_special_tokens=False)["input_ids"])
        [note] = look_ahead(config(copy, max_input_tokens=20), [long])
        assert f"the longest has {tokens} tokens" in note


def test_a_model_that_is_not_here_says_nothing() -> None:
    assert look_ahead(config("owner/name"), ["a " * 9000, *TestChats.CHATS]) == []


class TestDevice:
    @pytest.fixture
    def built(self, monkeypatch, tmp_path: Path):
        """An installed torch that is built for these."""

        def build(cuda: str, hip: str = "None") -> None:
            text = f"cuda: Optional[str] = {cuda}\ngit_version = 'a'\nhip: Optional[str] = {hip}\n"
            (tmp_path / "version.py").write_text(text)
            spec = type("Spec", (), {"origin": str(tmp_path / "__init__.py")})
            monkeypatch.setattr(device_ahead.importlib.util, "find_spec", lambda name: spec)

        return build

    @pytest.mark.parametrize(
        ("cuda", "visible", "driver", "words"),
        [
            ("None", None, True, "this torch is built without CUDA"),
            ("'12.8'", None, False, "there is no driver of NVIDIA GPUs"),
            ("'12.8'", "", True, "CUDA_VISIBLE_DEVICES='' shows no GPU"),
            ("'12.8'", "-1", True, "shows no GPU"),
            ("'12.8'", "0,0", True, "shows no GPU"),
            ("'12.8'", "0", True, None),
            ("'12.8'", None, True, None),
        ],
    )
    def test_cuda(self, built, monkeypatch, cuda, visible, driver, words) -> None:
        def load(name: str) -> None:
            if not driver:
                raise OSError(name)

        built(cuda)
        monkeypatch.setattr(device_ahead.ctypes, "CDLL", load)
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        if visible is not None:
            monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
        if words is None:
            device_ahead.check_device("cuda")
            return
        with pytest.raises(ConfigurationError, match=words):
            device_ahead.check_device("cuda")

    def test_the_installed_torch_is_read_without_importing_it(self) -> None:
        import torch

        built = {"cuda": torch.version.cuda, "hip": torch.version.hip}
        assert device_ahead._built_for() == {name for name, version in built.items() if version}

    def test_an_amd_gpu_is_called_cuda_too(self, built, monkeypatch) -> None:
        built("None", "'6.2'")
        monkeypatch.setattr(device_ahead.Path, "exists", lambda self: False)
        with pytest.raises(ConfigurationError, match="AMD"):
            device_ahead.check_device("cuda")

    @pytest.mark.parametrize("name", ["auto", "cpu"])
    def test_what_is_always_there_is_not_refused(self, built, name: str) -> None:
        built("None")
        device_ahead.check_device(name)
