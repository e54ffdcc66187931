"""Screens of single cells: pseudobulks as scanpy and pertpy make them, completed, and analysed.

pertpy needs JAX and more than a hundred other packages (pertpy 1.0.3 also statsmodels before 0.15).
Where it is not installed, its objects are made as its `PseudobulkSpace` makes them, by scanpy's
`aggregate`.
"""

import numpy as np
import pytest

from ntkfill import screens

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning:scanpy", "ignore::ImportWarning"),
]

NAMES = {"cell": "cell_line", "drug": "perturbation"}


@pytest.fixture
def cells():
    """Eight cells of every measured condition of a simulated screen, with noise."""
    anndata = pytest.importorskip("anndata")
    pandas = pytest.importorskip("pandas")
    screen = screens.simulate(cells=4, drugs=6, genes=12, random_state=0).screen.known
    rows = np.repeat(np.arange(len(screen)), 8)
    noise = 0.3 * np.random.default_rng(0).normal(size=(len(rows), 12))
    obs = pandas.DataFrame(
        {"cell_line": screen.cells[rows], "perturbation": screen.drugs[rows]},
        index=[f"cell {k}" for k in range(len(rows))],
    ).astype("category")
    obs["batch"] = "b1"
    var = pandas.DataFrame({"symbol": screen.genes}, index=screen.genes)
    return anndata.AnnData(screen.profiles[rows] + noise, obs=obs, var=var)


def check(bulk, cells, layer):
    """Completed from pseudobulks, and back."""
    scanpy = pytest.importorskip("scanpy")
    screen = screens.from_anndata(bulk, NAMES, layer=layer)
    first = (cells.obs["cell_line"] == screen.cells[0]) & (
        cells.obs["perturbation"] == screen.drugs[0]
    )
    np.testing.assert_allclose(screen.profiles[0], cells.X[first.to_numpy()].mean(axis=0))
    done = screens.complete(screen, screens.Additive())
    back = screens.to_anndata(done, bulk, NAMES)
    assert back.shape == (24, 12)
    assert back.obs_names[: len(bulk)].tolist() == bulk.obs_names.tolist()
    assert set(bulk.obs) <= set(back.obs)
    assert set(bulk.layers) <= set(back.layers)
    assert back.var["symbol"].tolist() == bulk.var["symbol"].tolist()
    predicted = back.obs["source"] == "predicted"
    assert predicted.sum() == 24 - len(bulk)
    assert np.isnan(back.layers["mean"][predicted.to_numpy()]).all()
    again = screens.from_anndata(back, NAMES)
    assert again.measured.tolist() == (~predicted).tolist()
    scanpy.pp.pca(back, n_comps=3)
    assert back.obsm["X_pca"].shape == (24, 3)
    back.obs["perturbation"] = back.obs["perturbation"].astype("category")
    scanpy.tl.dendrogram(back, "perturbation")
    assert len(back.uns["dendrogram_perturbation"]["categories_ordered"]) == 6
    means = scanpy.get.aggregate(back[~predicted], "cell_line", "mean")
    expected = screen.profiles[screen.cells == means.obs["cell_line"].iloc[0]].mean(axis=0)
    np.testing.assert_allclose(means.layers["mean"][0], expected)


def test_pseudobulks_of_scanpy(cells):
    scanpy = pytest.importorskip("scanpy")
    bulk = scanpy.get.aggregate(cells, by=["cell_line", "perturbation"], func=["mean", "sum"])
    assert bulk.X is None
    check(bulk, cells, "mean")


def test_pseudobulks_of_pertpy(cells):
    tools = pytest.importorskip("pertpy").tools
    space = tools.PseudobulkSpace()
    bulk = space.compute(cells, "perturbation", "cell_line", mode="mean")
    check(bulk, cells, None)


def test_pseudobulks_made_as_by_pertpy(cells):
    scanpy = pytest.importorskip("scanpy")
    bulk = scanpy.get.aggregate(cells, by=["perturbation", "cell_line"], func="mean")
    bulk.X = bulk.layers["mean"]
    bulk.obs["batch"] = "b1"
    check(bulk, cells, None)


def test_doses_against_controls():
    """As in sci-Plex: cell type, perturbation and a dose that is a number, beside control cells."""
    scanpy, pandas = pytest.importorskip("scanpy"), pytest.importorskip("pandas")
    anndata = pytest.importorskip("anndata")
    random = np.random.default_rng(1)
    kinds = [(c, d, dose) for c in "AB" for d in ("x", "y", "z") for dose in (10.0, 100.0, 1000.0)]
    kinds = [kind for kind in kinds if kind != ("B", "z", 1000.0)]
    kinds += [(c, "control", 0.0) for c in "AB"]
    effects = {d: random.normal(size=12) for d in "xyz"} | {"control": np.zeros(12)}
    means = {c: 5 + random.normal(size=12) for c in "AB"}
    clean = np.array([means[c] + np.log10(max(dose, 1)) * effects[d] for c, d, dose in kinds])
    obs = pandas.DataFrame(kinds, columns=["cell_type", "perturbation", "dose"])
    rows = np.repeat(np.arange(len(kinds)), 6)
    cells = anndata.AnnData(
        clean[rows] + 0.1 * random.normal(size=(len(rows), 12)),
        obs=obs.iloc[rows].set_axis([f"cell {k}" for k in range(len(rows))]),
    )
    bulk = scanpy.get.aggregate(cells, by=["cell_type", "perturbation", "dose"], func="mean")
    control = bulk.obs["perturbation"].to_numpy() == "control"
    base = {str(bulk.obs["cell_type"].iloc[k]): k for k in np.flatnonzero(control)}
    at = [base[str(cell)] for cell in bulk.obs["cell_type"]]
    bulk.layers["change"] = bulk.layers["mean"] - bulk.layers["mean"][at]
    treated = bulk[~control].copy()

    names = {"cell": "cell_type", "drug": "perturbation", "dose": "dose"}
    screen = screens.from_anndata(treated, names, layer="change")
    assert screen.fields == ("cell", "drug", "dose")
    wanted = np.array([["B", "z", dose] for dose in np.unique(screen.columns["dose"])])
    done = screens.complete(screen, conditions=wanted)
    back = screens.to_anndata(done, treated, names)
    new = back.obs["source"].to_numpy() == "predicted"
    assert new.sum() == 1
    assert float(back.obs["dose"][new].iloc[0]) == 1000
    truth = 3 * effects["z"]
    assert np.corrcoef(back.X[new][0], truth)[0, 1] > 0.9
