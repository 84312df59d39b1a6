"""Keeping transformers and huggingface_hub from talking over our own output."""

from __future__ import annotations

import sys


def quieten_transformers() -> None:
    """Errors only from transformers, and no progress bar where nobody watches one."""
    from transformers.utils import logging

    logging.set_verbosity_error()
    if not sys.stderr.isatty():
        logging.disable_progress_bar()


def quieten_hub() -> None:
    """The same for huggingface_hub, whose retries would be logged as warnings."""
    from huggingface_hub.utils import disable_progress_bars, logging

    logging.set_verbosity_error()
    if not sys.stderr.isatty():
        disable_progress_bars()
