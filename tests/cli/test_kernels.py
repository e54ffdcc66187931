"""`ntkfill kernel`: list, build, clear."""

import json

from ntkfill.cli import main
from ntkfill.cli.common import DONE


def test_kernel_list_build_clear(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("NTKFILL_CACHE", str(tmp_path / "kernels"))
    assert main(["kernel", "build", "--levels", "3", "4", "--quiet"]) == DONE
    said = capsys.readouterr().out.splitlines()
    names = {line.split("  ")[-1].split(" | ")[0] for line in said}
    assert names == {"hourglass(3, convs_up=2)", "hourglass(4, convs_up=2)"}
    assert main(["kernel", "list", "--json"]) == DONE
    assert len(json.loads(capsys.readouterr().out)) == 2
    assert main(["kernel", "clear"]) == DONE
    assert main(["kernel", "list"]) == DONE
    assert capsys.readouterr().out == ""
