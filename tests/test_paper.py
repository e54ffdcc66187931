"""What the experiments of benchmarks/paper share."""

import importlib.util
import json
import sys
from pathlib import Path

import pytest

PLACE = Path(__file__).parents[1] / "benchmarks" / "paper" / "common.py"


@pytest.fixture
def common(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path])
    spec = importlib.util.spec_from_file_location("paper_common", PLACE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module.harness, "ROOT", tmp_path)
    return module


def test_an_interrupted_experiment_goes_on(common):
    calls = []

    def step(key, fails=False):
        calls.append(key)
        if fails:
            raise KeyboardInterrupt
        return {"score": len(calls)}

    def experiment(fails=False, again=False):
        steps = common.Steps("some", again)
        return [steps.run("one", lambda: step("one")), steps.run("two", lambda: step("two", fails))]

    with pytest.raises(KeyboardInterrupt):
        experiment(fails=True)
    found = experiment()
    assert calls == ["one", "two", "two"]
    assert found == experiment() == [{"score": 1}, {"score": 3}]
    (kept,) = (common.harness.ROOT / "build").glob("some-*.json")
    assert json.loads(kept.read_text())["two"] == found[1]
    assert experiment(again=True) != found
    assert calls == ["one", "two", "two", "one", "two"]


def test_another_commit_begins_again(common, monkeypatch):
    found = []
    for commit in ("a" * 40, "b" * 40, "a" * 40):
        monkeypatch.setattr(common.harness, "commit", lambda commit=commit: commit)
        found.append(common.Steps("some").run("one", lambda: len(found)))
    assert found == [0, 1, 0]
