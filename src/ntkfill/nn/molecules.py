"""Molecules as graphs, read from SMILES."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from ..errors import InputError
from ..kernels.table import Array
from ..runtime.resources import single_blas_thread
from .items import Graph

ELEMENTS = ("B", "C", "N", "O", "F", "Si", "P", "S", "Cl", "Se", "Br", "I")
# Of atoms without brackets, which have as many hydrogens as are missing to the next valence.
VALENCES = {
    **{"B": (3,), "C": (4,), "N": (3, 5), "O": (2,), "P": (3, 5), "S": (2, 4, 6)},
    **dict.fromkeys(("F", "Cl", "Br", "I"), (1,)),
}
BONDS = {"-": 1.0, "/": 1.0, "\\": 1.0, "=": 2.0, "#": 3.0, "$": 4.0, ":": 1.5, "~": 1.0}
TOKEN = re.compile(
    r"(?P<bracket>\[[^\]]*\])|(?P<atom>Br|Cl|[BCNOPSFIbcnops*])|(?P<bond>[-=#$:/\\~])"
    r"|(?P<ring>%\d\d|\d)|(?P<mark>[().])"
)
BRACKET = re.compile(
    r"\[\d*(?P<symbol>[A-Z][a-z]?|se|as|te|[bcnops]|\*)(@(@|(TH|AL|SP|TB|OH)\d+)?)?"
    r"(?P<hydrogens>H\d*)?(?P<charge>\+\++|--+|[+-]\d*)?(:\d+)?\]"
)


@dataclass(frozen=True)
class Atom:
    """An atom; hydrogens are None until they follow from its bonds."""

    symbol: str
    aromatic: bool
    charge: int = 0
    hydrogens: int | None = None


def molecule(smiles: str, reader: Literal["own", "rdkit"] = "own") -> Graph:
    """A molecule as a graph: nodes are its atoms without hydrogens, weights the orders of bonds.

    Parameters
    ----------
    smiles : str
        A SMILES string (Weininger 1988, doi:10.1021/ci00057a005), of one molecule or several with
        dots between them. Isotopes and chirality are not kept.
    reader : {"own", "rdkit"}
        "own" takes aromatic atoms and bonds as they are written, in lower case. "rdkit" finds them
        in any notation and refuses impossible valences (extra `molecules`).

    Returns
    -------
    Graph
        Nodes of shape (atoms, 21): the element (B, C, N, O, F, Si, P, S, Cl, Se, Br, I, any other),
        0, 1, 2, or 3 and more hydrogens, aromatic, in a ring, positive, negative; each 0 or 1.
        Aromatic bonds weigh 1.5.

    Raises
    ------
    InputError
        If the text is not a SMILES string.
    ImportError
        If RDKit is asked for, and not installed.

    Examples
    --------
    >>> benzene = molecule("c1ccccc1")
    >>> benzene, benzene.weights[0].tolist()
    (Graph(6 nodes, 6 edges, 21 features), [0.0, 1.5, 0.0, 0.0, 0.0, 1.5])
    """
    if reader not in ("own", "rdkit"):
        raise InputError("reader must be 'own' or 'rdkit'", got=repr(reader))
    if not isinstance(smiles, str):
        raise InputError("smiles must be a string", got=repr(smiles), hint="'CCO'")
    atoms, weights = (_read if reader == "own" else _read_by_rdkit)(smiles.strip())
    nodes = np.zeros((len(atoms), len(ELEMENTS) + 9))
    in_rings: Array = np.any(_in_rings(weights), axis=1)
    for atom, ring, node in zip(atoms, in_rings, nodes, strict=True):
        known = atom.symbol in ELEMENTS
        node[ELEMENTS.index(atom.symbol) if known else len(ELEMENTS)] = 1
        node[len(ELEMENTS) + 1 + min(atom.hydrogens or 0, 3)] = 1
        node[-4:] = atom.aromatic, ring, atom.charge > 0, atom.charge < 0
    return Graph(nodes, weights)


@single_blas_thread()
def _in_rings(weights: Array) -> Array:
    """Which bonds are in a ring: those that are not the only connection of their atoms, whose
    resistance between them, as a net of unit resistors, is below 1."""
    bonds = weights > 0
    inverse = np.linalg.pinv(np.diag(bonds.sum(axis=1)) - bonds.astype(float), hermitian=True)
    own = np.diagonal(inverse)
    return np.asarray(bonds & (own[:, None] + own - 2 * inverse < 1 - 1e-6))


def _read(smiles: str) -> tuple[list[Atom], Array]:
    """The atoms and the orders of bonds between them."""

    def refuse(what: str, at: int) -> InputError:
        return InputError(
            f"{what} at character {at + 1} of a SMILES string", got=repr(smiles[:200])
        )

    atoms: list[Atom] = []
    bonds: dict[tuple[int, int], float | None] = {}  # None: single, or aromatic in a ring
    before: list[int | None] = [None]  # the atom that the next one is bound to, of each branch
    rings: dict[str, tuple[int, float | None]] = {}
    order: float | None = None
    place = 0
    while place < len(smiles):
        found = TOKEN.match(smiles, place)
        if found is None:
            raise refuse(f"{smiles[place]!r} is not understood", place)
        text, last = found[0], before[-1]
        if found["bond"]:
            order = BONDS[text]
        elif found["mark"] == "(":
            before.append(last)
        elif found["mark"] == ")":
            if len(before) == 1:
                raise refuse("')' without '('", place)
            before.pop()
        elif found["mark"]:
            before[-1] = None
        elif found["ring"] and last is not None:
            if text in rings:
                other, given = rings.pop(text)
                if other == last or (other, last) in bonds:
                    raise refuse("a ring of less than three atoms", place)
                bonds[other, last] = order if order is not None else given
            else:
                rings[text] = last, order
            order = None
        elif found["ring"]:
            raise refuse("a ring without an atom", place)
        else:
            atom = _atom(text)
            if atom is None:
                raise refuse(f"{text!r} is not an atom", place)
            atoms.append(atom)
            if last is not None:
                bonds[last, len(atoms) - 1] = order
            before[-1], order = len(atoms) - 1, None
        place = found.end()
    if rings or len(before) > 1 or order is not None or not atoms:
        raise refuse("a ring, a branch or a bond that does not end", len(smiles) - 1)
    weights = np.zeros((len(atoms), len(atoms)))
    for (i, j), given in bonds.items():
        weights[i, j] = weights[j, i] = given or 1.0
    in_rings = _in_rings(weights)
    for (i, j), given in bonds.items():
        if given is None and in_rings[i, j] and atoms[i].aromatic and atoms[j].aromatic:
            weights[i, j] = weights[j, i] = 1.5
    atoms = [_with_hydrogens(atom, row) for atom, row in zip(atoms, weights, strict=True)]
    return _without_hydrogens(atoms, weights)


def _atom(text: str) -> Atom | None:
    """An atom as it is written; None where it is not one."""
    if not text.startswith("["):
        return Atom(text.capitalize(), text.islower(), hydrogens=0 if text == "*" else None)
    found = BRACKET.fullmatch(text)
    if found is None:
        return None
    hydrogens, charge = found["hydrogens"] or "", found["charge"] or ""
    sign = -1 if charge.startswith("-") else 1
    size = int(charge[1:]) if charge[1:].isdigit() else len(charge)
    count = int(hydrogens[1:] or 1) if hydrogens else 0
    return Atom(found["symbol"].capitalize(), found["symbol"].islower(), sign * size, count)


def _with_hydrogens(atom: Atom, bonds: Array) -> Atom:
    """The hydrogens that are missing to the next valence; an aromatic atom gives one more bond."""
    if atom.hydrogens is not None:
        return atom
    total, valences = round(np.where(bonds == 1.5, 1.0, bonds).sum()), VALENCES[atom.symbol]
    if atom.aromatic:
        return replace(atom, hydrogens=max(0, valences[0] - total - 1))
    return replace(atom, hydrogens=next((v - total for v in valences if v >= total), 0))


def _without_hydrogens(atoms: list[Atom], weights: Array) -> tuple[list[Atom], Array]:
    """Hydrogens that are written as atoms, as numbers of their neighbours'."""
    light = np.array([atom.symbol == "H" for atom in atoms])
    light &= (weights[:, ~light] > 0).sum(axis=1) == 1  # not of a proton or of H2
    more = (weights[:, light] > 0).sum(axis=1)
    kept = np.flatnonzero(~light)
    heavy = [replace(atoms[k], hydrogens=(atoms[k].hydrogens or 0) + int(more[k])) for k in kept]
    return heavy, weights[np.ix_(kept, kept)]


def _read_by_rdkit(smiles: str) -> tuple[list[Atom], Array]:
    try:
        from rdkit import Chem, rdBase
    except ImportError as error:
        raise ImportError(
            "reader='rdkit' needs RDKit. Try: pip install 'ntkfill[molecules]'."
        ) from error
    with rdBase.BlockLogs():  # what is wrong is printed otherwise
        read: Any = Chem.MolFromSmiles(smiles)
    if read is None or not read.GetNumAtoms():
        raise InputError("RDKit cannot read the SMILES string", got=repr(smiles[:200]))
    atoms = [
        Atom(a.GetSymbol(), a.GetIsAromatic(), a.GetFormalCharge(), a.GetTotalNumHs())
        for a in read.GetAtoms()
    ]
    return atoms, np.asarray(Chem.GetAdjacencyMatrix(read, useBO=True), dtype=np.float64)
