"""Calls of NVML that are made many times: prepared once, with room for their answer.

The binding's own functions look themselves up and allocate at every call, which a thread that wakes
up on a cold cache pays dearly: most of what sampling costs. These go through the library that the
binding has loaded, with its types and its errors.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

Read = Callable[[], Any]


class Calls:
    """Prepares reads of one device; a read is not for several threads at once.

    Args:
        pynvml: The binding.
        handle: The device.
    """

    def __init__(self, pynvml: Any, handle: Any) -> None:
        self._pynvml = pynvml
        self._handle = handle

    def number(self, function: str, *arguments: int, kind: Any = ctypes.c_uint) -> Read | None:
        """A read of one number; None if this driver lacks the function."""
        out = kind()
        answered = self.struct(function, out, *arguments)
        return None if answered is None else lambda: answered().value

    def struct(self, function: str, out: Any, *arguments: int) -> Read | None:
        """A read that gives ``out``, filled anew; None if this driver lacks the function."""
        call = getattr(self._pynvml.nvmlLib, function, None)
        if call is None:
            return None
        handle, error, where = self._handle, self._pynvml.NVMLError, ctypes.byref(out)

        def read() -> Any:
            code = call(handle, *arguments, where)
            if code:
                raise error(code)
            return out

        return read

    def field(self, field: int, scope: int) -> Read | None:
        """A read of a field value that is an unsigned int; None if this driver lacks fields."""
        fields = (self._pynvml.c_nvmlFieldValue_t * 1)()
        told = fields[0]
        told.fieldId, told.scopeId = field, scope
        ask = self.struct("nvmlDeviceGetFieldValues", fields, 1)
        error, value = self._pynvml.NVMLError, told.value

        def read() -> int:
            ask()  # type: ignore[misc]
            if told.nvmlReturn:
                raise error(told.nvmlReturn)
            return value.uiVal  # type: ignore[no-any-return]

        return None if ask is None else read
