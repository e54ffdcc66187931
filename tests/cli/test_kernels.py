"""`ntkfill kernel`: list, build, clear."""

import json

from ntkfill.cli import main
from ntkfill.cli.common import DONE, FAILED


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


def test_a_full_disk_says_what_was_kept(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("NTKFILL_CACHE", str(tmp_path))
    assert main(["kernel", "build", "--levels", "2", "--quiet"]) == DONE
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("numpy.save", full)
    assert main(["kernel", "build", "--levels", "2", "3"]) == FAILED
    *_, kept, last = capsys.readouterr().err.splitlines()
    assert kept.startswith(f"kept in {tmp_path}: hourglass(2")
    assert last.startswith("ntkfill: ")
    assert "cannot be written; got No space left on device" in last
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_keys_of_another_program_are_one_line_each(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("NTKFILL_CACHE", str(tmp_path))
    entry = {"key": "\x1b[31mred\nline", "format": 2, "sha256": "", "nbytes": 8, "axes": []}
    (tmp_path / "0.json").write_text(json.dumps(entry))
    assert main(["kernel", "list"]) == DONE
    assert capsys.readouterr().out == "  8 bytes  \\x1b[31mred\\nline\n"
