from __future__ import annotations

import json
from pathlib import Path

import pytest

from llenergymeasure.config.files.catalogue import expand_configs, find_configs
from llenergymeasure.config.problems.report import InvalidConfigError

GOOD = "config_name: a\nmodel_name: builtin:tiny-llama\n"


@pytest.mark.parametrize(
    "content",
    [
        GOOD,
        "model_nam: m\nconfig_nam: c\n",
        "Model_Name: m\n",
        "preset: quick-test\n",
        "_extends: other.yaml\n",
        "config_name: [\n",
        "config_name: a\nconfig_name: a\n",
        "\ttab: 1\n",
        "",
        "- a list\n",
    ],
)
def test_what_is_meant_as_a_config_is_listed_and_run(tmp_path: Path, content: str) -> None:
    """Also one that is wrong: what is wrong with it must be told, by the list and by the run."""
    (tmp_path / "c.yaml").write_text(content)
    (found,) = find_configs(tmp_path)
    assert (found.problems == 0) == (content == GOOD)
    assert (found.first_problem is None) == (content == GOOD)
    assert expand_configs([str(tmp_path)]) == ([str(tmp_path / "c.yaml")], [])


@pytest.mark.parametrize(
    "data",
    [
        {"experiment_id": "1", "config_name": "a"},
        {"services": {}},
        {"prompt": "hello"},
        ["a"],
        "a" * 2**20,
    ],
)
def test_what_is_something_else_is_left_out(tmp_path: Path, data: object) -> None:
    (tmp_path / "c.json").write_text(json.dumps(data))
    assert find_configs(tmp_path) == []
    with pytest.raises(InvalidConfigError, match="no config file"):
        expand_configs([str(tmp_path)])


def test_a_folder_that_is_not_there_is_called_a_folder(tmp_path: Path) -> None:
    (tmp_path / "file.yaml").write_text(GOOD)
    with pytest.raises(InvalidConfigError, match="nowhere: there is no such folder"):
        find_configs(tmp_path / "nowhere")
    with pytest.raises(InvalidConfigError, match="this is a file, not a folder"):
        find_configs(tmp_path / "file.yaml")
    with pytest.raises(InvalidConfigError, match="there is no such folder"):
        expand_configs([f"{tmp_path}/nowhere/"])
