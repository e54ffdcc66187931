"""Molecules from SMILES, against RDKit."""

import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ntkfill import InputError
from ntkfill.nn import molecule

MOLECULES = {
    "ethanol": "CCO",
    "aspirin": "CC(=O)Oc1ccccc1C(=O)O",
    "caffeine": "Cn1cnc2c1c(=O)n(C)c(=O)n2C",
    "nicotine": "CN1CCC[C@H]1c1cccnc1",
    "pyrrole": "c1cc[nH]c1",
    "biphenyl": "c1ccccc1c1ccccc1",
    "fluorene": "c1ccc2c(c1)Cc1ccccc1-2",
    "glycine": "[NH3+]CC([O-])=O",
    "salt": "[Na+].[Cl-]",
    "sulfone": "CS(=O)(=O)N",
    "phosphate": "OP(=O)(O)O",
    "alkyne": "C#CC(C#N)Br",
    "selenium": "C[Se]C",
    "two digits": "C%12CCCCC%12",
    "ring bond": "C=1CCCCC1",
    "stereo": "F/C=C/Cl",
    "hydrogens": "[H]C([H])([H])O[H]",
    "isotope": "[13CH4]",
    "thiophene": "c1ccsc1",
    "pyridine oxide": "c1cc[n+]([O-])cc1",
    "spiro": "C1CCC2(CC1)OCCO2",
    "cobalt": "[Co+2]",
    "water": "O",
    "chlorophenol": "Oc1ccc(Cl)cc1",
    "imatinib": "Cc1ccc(NC(=O)c2ccc(CN3CCN(C)CC3)cc2)cc1Nc1nccc(-c2cccnc2)n1",
}


@pytest.mark.parametrize("name", MOLECULES)
def test_rdkit_reads_the_same(name):
    ours, theirs = molecule(MOLECULES[name]), molecule(MOLECULES[name], reader="rdkit")
    np.testing.assert_array_equal(ours.nodes, theirs.nodes)
    np.testing.assert_array_equal(ours.weights, theirs.weights)


def test_what_is_written_in_another_way():
    one, other = molecule("OCC"), molecule("C(O)C")
    assert sorted(map(tuple, one.nodes)) == sorted(map(tuple, other.nodes))
    # Without aromatic letters our reader sees single and double bonds, RDKit the benzene.
    plain, benzene = "C1=CC=CC=C1", molecule("c1ccccc1")
    assert molecule(plain).weights.max() == 2
    np.testing.assert_array_equal(molecule(plain, reader="rdkit").weights, benzene.weights)


@pytest.mark.parametrize(
    ("smiles", "message"),
    [
        ("C1CC", "does not end"),
        ("C(C", "does not end"),
        ("CC=", "does not end"),
        ("", "does not end"),
        ("C)C", r"'\)' without '\('"),
        ("C!C", "'!' is not understood at character 2"),
        ("[Xx", "not understood"),
        ("[carbon]", "is not an atom"),
        ("1CC1", "a ring without an atom"),
        ("C11", "less than three"),
        ("C12CC12", "less than three|does not end"),
        (5, "must be a string"),
    ],
)
def test_refused(smiles, message):
    with pytest.raises(InputError, match=message):
        molecule(smiles)


def test_rdkit_refuses(monkeypatch, capfd):
    with pytest.raises(InputError, match=r"RDKit cannot read .*'C1CC'"):
        molecule("C1CC", reader="rdkit")
    assert capfd.readouterr().err == ""
    with pytest.raises(InputError, match="'own' or 'rdkit'"):
        molecule("C", reader="openbabel")
    monkeypatch.setitem(sys.modules, "rdkit", None)
    with pytest.raises(ImportError, match=r"pip install 'ntkfill\[molecules\]'"):
        molecule("C", reader="rdkit")


@pytest.mark.slow
@given(st.text("CNOcn[]()=#123+-H@.%/ ", max_size=12))
def test_any_text_is_a_graph_or_refused(text):
    try:
        graph = molecule(text)
    except InputError:
        return
    assert len(graph.nodes) == len(graph.weights) > 0
    assert (graph.nodes[:, :13].sum(axis=1) == 1).all()
