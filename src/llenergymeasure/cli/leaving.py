"""Ending the process of a command without taking native libraries apart."""

from __future__ import annotations

import atexit
import logging
import os
import sys
import threading
from typing import Final

from llenergymeasure.cli.streams import OutputLostError

# Libraries that start native threads which may outlive their use. Those of an engine come along
# where a dataset or a tokenizer is read before a run.
_NATIVE: Final = ("pyarrow", "datasets", "tokenizers", "torch", "vl_convert")


def end_process(code: int) -> None:
    """End this process with ``code``, as Python does but for the destructors of native libraries.

    One of their threads that still starts or runs then makes the process abort after its answer
    was given. All that Python promises at an exit is done here first: threads that are not daemons
    end, exit handlers run, streams are flushed. Returns where no such library is loaded, or a
    profiler or debugger is at work, which wants its own end.
    """
    watched = sys.gettrace() is not None or sys.getprofile() is not None
    if watched or not any(name in sys.modules for name in _NATIVE):
        return
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join()
    # The only way to run what other modules have registered; coverage and multiprocessing do.
    atexit._run_exitfuncs()
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, OutputLostError):
            code = code or 1
    os._exit(code)
