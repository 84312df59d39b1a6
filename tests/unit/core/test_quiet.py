from __future__ import annotations

import sys
import threading

import pytest

from llenergymeasure.core.quiet import without_prints


def test_only_this_thread_is_silent(capsys: pytest.CaptureFixture[str]) -> None:
    def elsewhere() -> None:
        print("heard")

    with without_prints():
        print("not heard")
        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
        sys.stdout.flush()
        print("told", file=sys.stderr)
    print("again")

    out, err = capsys.readouterr()
    assert out == "heard\nagain\n"
    assert err == "told\n"
