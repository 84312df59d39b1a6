"""The bare loop that `lem experiment` is compared with: plain transformers, nothing else.

Usage: bare_transformers.py MODEL_DIR PROMPTS.jsonl COLUMN NUM_PROMPTS BATCH MAX_IN MAX_OUT WARMUP
Prints one JSON line: output tokens, seconds and tokens/s of the loop.
"""

import json
import sys
import time

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer


def main() -> None:
    model_dir, prompts_file, column = sys.argv[1:4]
    num_prompts, batch, max_in, max_out, warmup = map(int, sys.argv[4:9])
    with open(prompts_file, encoding="utf-8") as file:  # noqa: PTH123
        prompts = [json.loads(line)[column] for line in file][:num_prompts]
    tokenizer = AutoTokenizer.from_pretrained(model_dir, padding_side="left")
    model = AutoModelForCausalLM.from_pretrained(model_dir, dtype=torch.float32).eval()
    eos = model.generation_config.eos_token_id

    def answer(texts: list[str]) -> tuple[int, int]:
        inputs = tokenizer(
            texts, return_tensors="pt", padding=True, truncation=True, max_length=max_in
        )
        with torch.inference_mode():
            out = model.generate(**inputs, do_sample=False, max_new_tokens=max_out)
        new = out[:, inputs["input_ids"].shape[1] :].tolist()
        generated = sum(ids.index(eos) + 1 if eos in ids else len(ids) for ids in new)
        return int(inputs["attention_mask"].sum()), generated

    def answer_all(texts: list[str]) -> tuple[int, int]:
        counts = [answer(texts[i : i + batch]) for i in range(0, len(texts), batch)]
        return sum(c[0] for c in counts), sum(c[1] for c in counts)

    if warmup:
        answer_all(prompts[:warmup])
    begin = time.monotonic()
    input_tokens, output_tokens = answer_all(prompts)
    seconds = time.monotonic() - begin
    result = {
        "input_tokens": input_tokens,
        "output_tokens": output_tokens,
        "seconds": seconds,
        "output_tokens_per_s": output_tokens / seconds,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
