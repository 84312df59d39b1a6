"""The counts of a whole run equal those of a plain transformers script, batch 1 and 8."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from .conftest import Lem

PROMPTS = 20
MAX_IN, MAX_OUT = 48, 24

WORDS = ["energy", "model", "token", "measure", "window", "joule", "größe", "測定", "idle"]


def write_prompts(path: Path) -> list[str]:
    rng = random.Random(7)
    texts = [" ".join(rng.choices(WORDS, k=rng.randint(1, 80))) for _ in range(PROMPTS)]
    path.write_text(
        "".join(json.dumps({"id": i, "prompt": text}) + "\n" for i, text in enumerate(texts)),
        encoding="utf-8",
    )
    return texts


def plain_counts(model_dir: str, texts: list[str]) -> tuple[int, int]:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model_dir)
    model = AutoModelForCausalLM.from_pretrained(model_dir, dtype=torch.float32).eval()
    eos = model.generation_config.eos_token_id
    prompt_tokens = output_tokens = 0
    for text in texts:
        ids = tokenizer(text, truncation=True, max_length=MAX_IN, return_tensors="pt")
        prompt_tokens += ids["input_ids"].shape[1]
        with torch.inference_mode():
            out = model.generate(**ids, do_sample=False, max_new_tokens=MAX_OUT)
        new = out[0, ids["input_ids"].shape[1] :].tolist()
        output_tokens += new.index(eos) + 1 if eos in new else len(new)
    return prompt_tokens, output_tokens


@pytest.mark.parametrize("batch_size", [1, 8])
def test_counts_are_those_of_a_plain_script(lem: Lem, batch_size: int) -> None:
    texts = write_prompts(lem.folder / "prompts.jsonl")
    config: dict[str, Any] = {
        "config_name": "true-tokens",
        "model_name": "builtin:tiny-llama",
        "dtype": "float32",
        "device": "cpu",
        "prompts": {"type": "file", "path": "prompts.jsonl", "column": "prompt"},
        "max_input_tokens": MAX_IN,
        "max_output_tokens": MAX_OUT,
        "decoder": {"do_sample": False},
        "warmup": {"prompts": 3},
        "energy": {"backend": "none"},
        "pytorch": {"batch_size": batch_size},
    }
    result = lem.json("experiment", lem.write(config))
    inference = result["metrics"]["inference"]
    expected = plain_counts(result["model"]["path"], texts)
    assert (inference["input_tokens"], inference["output_tokens"]) == expected
    assert inference["requests"] == PROMPTS
    assert inference["truncated_requests"] > 0
    assert result["metrics"]["latency"]["mode"] == "batch_return"
    assert result["metrics"]["latency"]["ttft_ms"] is None
    assert result["metrics"]["energy"]["total_j"] is None
    assert result["metrics"]["energy"]["reason"]


def test_codecarbon_joules_of_the_window_are_labelled(lem: Lem) -> None:
    config = {
        "config_name": "joules",
        "model_name": "scripted",
        "backend": "echo",
        "num_prompts": 4,
        "max_output_tokens": 5,
        "warmup": {"prompts": 0},
        "energy": {"backend": "codecarbon"},
        "echo": {"batch_size": 2, "per_token_s": 0.15},
    }
    result = lem.json("experiment", lem.write(config))
    energy = result["metrics"]["energy"]
    by_name = {domain["name"]: domain for domain in energy["domains"]}
    assert by_name["ram"]["method"] == "estimated"
    assert by_name["ram"]["joules"] > 0
    assert by_name["ram"]["origin"]
    if energy["headline"] == "estimated":
        assert energy["measured_share"] == 0
        assert "estimate_only" in {r["code"] for r in result["validity"]["reasons"]}
        assert result["validity"]["status"] == "degraded"
        shown = lem("results", "show", "latest")
        joules = [line for line in shown.stdout.splitlines() if " J" in line]
        assert joules
        assert all("estimate" in line for line in joules)
    # Two batches of four steps after the first token: the work alone, no loading or saving.
    window = by_name["ram"]["window"]
    (raw,) = lem.folder.glob("results/raw/*/process_0.json")
    measured = json.loads(raw.read_text())["window"]
    assert 2 * 4 * 0.15 <= measured["duration_s"] <= window["duration_s"]
    phases = {e["phase"]: e["t_monotonic_ns"] for e in reversed(lem.events()) if "phase" in e}
    assert phases["measuring"] < window["start_monotonic_ns"]
    assert window["end_monotonic_ns"] < phases["saving"]
    # Nothing of CodeCarbon's lies in the user's folder.
    assert {p.name for p in lem.folder.iterdir()} <= {"config.json", "results", ".state"}
