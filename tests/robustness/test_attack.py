"""The attack on memory, and on whatever writes files; those on readers: test_damaged_files.py."""

import pytest

pytestmark = [pytest.mark.usefixtures("samples"), pytest.mark.filterwarnings("ignore")]


@pytest.mark.slow
@pytest.mark.parametrize("writer", ["complete .npz", "inpaint in parts"])
def test_a_few_kills(attack, writer):
    assert attack.attack_kills(6, 1, writer)[1] == {}


@pytest.mark.slow
def test_bombs_of_half_a_gigabyte(attack):
    assert attack.attack_bombs()[1] == {}


@pytest.mark.slow
@pytest.mark.parametrize(("part", "tries"), [("kills", 2), ("file_size", 2), ("full_disk", 2)])
def test_kills_and_full_disks(attack, part, tries):
    assert getattr(attack, f"attack_{part}")(tries, 1)[1] == {}
