"""How a CUDA or HIP program reads the list of devices that its environment shows it.

    0,2 | 1.5 = 1 | 0x1 = 0 | 0,0 = none at all | 0,9,1 = 0 (of two GPUs) | GPU-8f,GPU-2a | MIG-...

The measure is PyTorch's own reader (``torch.cuda._parse_visible_devices`` and
``_transform_uuid_to_ordinals``), and the tests compare with it. Its rules:

- The first entry decides the kind: ``GPU-`` and ``MIG-`` (as written here, nothing before them)
  begin a list of such names, anything else one of numbers.
- A number is what an entry begins with, spaces around it left out, as C's ``strtoul`` reads it.
- The list ends at the first entry that names nothing: no number, a negative one, one beyond the
  last GPU, a name of another kind, or a beginning that fits no UUID or several.
- An entry that repeats an earlier one leaves no device at all.

Where they differ: PyTorch fails with an error at a lone ``+`` or ``-`` and takes digits of other
scripts for numbers; for CUDA's ``strtoul``, and here, these are no numbers. PyTorch leaves MIG
slices to CUDA, which so far shows a process the first of them only. With ROCR_VISIBLE_DEVICES and
without HIP_VISIBLE_DEVICES PyTorch counts the entries of the former and reads none; HIP reads
them, and CUDA_VISIBLE_DEVICES afterwards.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

UUID_PREFIX, SLICE_PREFIX = "GPU-", "MIG-"

# ASCII's digits only; more of them than Python turns into a number name no device either.
_NUMBER = re.compile(r"([+-]?)([0-9]{1,4000})")


def parse_visible(text: str) -> list[int] | list[str]:
    """The entries of a list up to the first that can name nothing, whatever devices there are.

    Numbers, or names that all begin with ``GPU-``, or all with ``MIG-``; empty if one is repeated.
    """
    for prefix in (UUID_PREFIX, SLICE_PREFIX):
        if text.startswith(prefix):
            return _parse_names(text, prefix)
    return _parse_numbers(text)


def find_visible(entries: Sequence[int] | Sequence[str], uuids: Sequence[str]) -> list[int]:
    """The places of the devices that such entries name (no MIG slices).

    Args:
        entries: As ``parse_visible`` gives them.
        uuids: Of all devices, in the order in which they are counted, each with its prefix.
    """
    found: list[int] = []
    for entry in entries:
        place = _find_number(entry, uuids) if isinstance(entry, int) else _find_uuid(entry, uuids)
        if place is None:
            break
        if place in found:
            return []
        found.append(place)
    return found


def _parse_names(text: str, prefix: str) -> list[str]:
    names: list[str] = []
    for entry in text.split(","):
        if entry in names:
            return []
        if not entry.startswith(prefix):
            break
        names.append(entry)
    return names


def _parse_numbers(text: str) -> list[int]:
    numbers: list[int] = []
    for entry in text.split(","):
        match = _NUMBER.match(entry.strip())
        number = int(match[0]) if match else -1
        if number < 0:
            break
        if number in numbers:
            return []
        numbers.append(number)
    return numbers


def _find_number(number: int, uuids: Sequence[str]) -> int | None:
    return number if number < len(uuids) else None


def _find_uuid(beginning: str, uuids: Sequence[str]) -> int | None:
    fitting = [place for place, uuid in enumerate(uuids) if uuid.startswith(beginning)]
    return fitting[0] if len(fitting) == 1 else None
