"""Progress: shares of stages, and a bar for work that lasts longer than a second."""

import time

import pytest

from ntkfill.runtime import progress


def test_stages_divide_the_whole():
    shares = []
    for number in range(4):
        report = progress.stage(shares.append, number, 4)
        report(0.5)
        report(1.0)
    assert shares == [0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875, 1.0]


def test_a_function_is_called_within_its_part():
    shares = []
    report = progress.reporter(shares.append, "filling", 0.2, 0.6)
    for share in (0.0, 0.5, 1.0):
        report(share)
    assert shares == pytest.approx([0.2, 0.4, 0.6])


@pytest.mark.parametrize("given", [None, False])
def test_no_progress(given):
    assert progress.reporter(given, "filling") is None


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [0.0, 1.1])
def test_a_bar_appears_after_a_second(seconds, capfd):
    report = progress.reporter(True, "filling")
    report(0.1)
    time.sleep(seconds)
    report(0.5)
    out, err = capfd.readouterr()
    assert out == ""
    assert ("filling" in err and "50 %" in err) == (seconds > 1)
    report(1.0)
    report(1.0)  # of another component
    assert "100 %" not in capfd.readouterr().err.rpartition("\r")[2]
