"""Kernels between objects as features of tables and screens."""

import numpy as np
import pytest

from ntkfill import NTKImputer, Observed, complete, kernels, screens
from ntkfill.nn import (
    Attention,
    Dense,
    GlobalAveragePool,
    Graph,
    GraphConvolution,
    Recurrent,
    ReLU,
    Sequential,
    kernel_features,
    molecule,
)
from ntkfill.screens.features import OneHot, SideFeatures, Stack
from ntkfill.solvers import Cholesky

SETS = [np.random.default_rng(n).normal(size=(n, 3)) for n in (2, 5, 1, 3, 6)]
NODES = Sequential(GraphConvolution(), ReLU(), GraphConvolution())


def test_features_have_the_kernel_as_inner_products():
    network = Sequential(Attention(), ReLU(), GlobalAveragePool(), Dense())
    for kind in ("ntk", "nngp"):
        features = kernel_features(network, SETS[:3], kind=kind)
        others = kernel_features(network, SETS[:3], SETS, kind=kind)
        inside, across = (
            network.between(SETS[:3], kind=kind),
            network.between(SETS, SETS[:3], kind=kind),
        )
        np.testing.assert_allclose(features @ features.T, inside, atol=1e-12)
        np.testing.assert_allclose(others @ features.T, across, atol=1e-9)
        np.testing.assert_allclose(features.var(axis=0), features.var(axis=0)[0], rtol=1e-9)


def ring(n, k=2):
    """A ring of n nodes, each connected with its k next ones."""
    weights = np.zeros((n, n))
    for step in range(1, k + 1):
        weights += np.eye(n)[np.roll(np.arange(n), step)]
    return weights + weights.T


def test_table_with_a_graph_between_its_rows():
    """The imputer's fill is kernel regression with the centred kernel of nodes."""
    graph, rng = Graph(np.eye(24), ring(24)), np.random.default_rng(0)
    angle = 2 * np.pi * np.arange(24) / 24
    table = np.column_stack([np.sin(angle), np.cos(angle)]) + 0.01 * rng.normal(size=(24, 2))
    holed = np.where(np.arange(48).reshape(24, 2) % 5 == 1, np.nan, table)
    holed[7] = np.nan  # a whole row
    features = kernel_features(NODES, graph)
    imputer = NTKImputer(row_features=features, network=Sequential(Dense()), ridge=1e-3)
    filled = imputer.fit_transform(holed)

    gram = NODES.between(graph)
    centred = gram - gram.mean(axis=0) - gram.mean(axis=1)[:, None] + gram.mean()
    kernel = kernels.DenseKernel(centred / np.mean(np.diagonal(centred)) + 1, (24,))
    for k in range(2):
        seen = Observed(holed[:, [k]], ~np.isnan(holed[:, k]))
        expected = complete(seen, kernel, Cholesky(1e-3), centre=True).values
        np.testing.assert_allclose(filled[:, k], expected[:, 0], atol=1e-9)
    error = np.abs(filled - table)[np.isnan(holed)].max()
    shuffled = Graph(np.eye(24), ring(24)[np.ix_(*[rng.permutation(24)] * 2)])
    wrong = NTKImputer(row_features=kernel_features(NODES, shuffled)).fit_transform(holed)
    assert error < 0.15 < 0.5 < np.abs(wrong - table)[np.isnan(holed)].max()


def test_table_with_a_graph_between_its_columns():
    """A column without one value is filled from its neighbours on the ring."""
    rng = np.random.default_rng(0)
    angle = 2 * np.pi * np.arange(24) / 24
    table = np.column_stack([np.sin(angle + k) for k in range(8)]).T
    holed = np.where(rng.random(table.shape) < 0.2, np.nan, table)
    holed[:, 7] = np.nan
    errors = []
    for order in (np.arange(24), rng.permutation(24)):
        graph = Graph(np.eye(24), ring(24)[np.ix_(order, order)])
        features = kernel_features(NODES, graph)
        filled = NTKImputer(column_features=features, ridge=1e-3).fit_transform(holed)
        errors.append(np.abs(filled - table)[:, 7].max())
    assert errors[0] < 0.3 < 0.5 < errors[1]


def test_new_rows_have_features_too():
    chains = ["C" * n + "O" for n in range(1, 12)]
    graphs, sizes = [molecule(s) for s in chains], np.arange(1.0, 12)[:, None]
    network = Sequential(GraphConvolution(), ReLU(), GlobalAveragePool(), Dense())
    features = kernel_features(network, graphs[::2])
    imputer = NTKImputer(row_features=features, ridge=1e-6).fit(sizes[::2])
    new = kernel_features(network, graphs[::2], graphs[1::2])
    filled = imputer.transform(np.full((5, 1), np.nan), row_features=new)
    assert np.abs(filled - sizes[1::2]).max() < 0.5


def steps(times, values):
    """A step's features: its value, the time since the one before, and a constant."""
    return np.column_stack([values, np.diff(times, prepend=times[0]), np.ones(len(times))])


@pytest.mark.parametrize("gaps", [True, False])
def test_signals_with_uneven_sampling(gaps):
    """The slope of a signal from values at uneven times; without times it cannot be told."""
    rng, signals = np.random.default_rng(1), []
    slopes = rng.uniform(0.5, 2, 60)
    for slope in slopes:
        times = np.cumsum(rng.uniform(0.05, 0.5, rng.integers(4, 9)))
        signals.append(steps(times, slope * (times - times[0]))[:, slice(None) if gaps else [0, 2]])
    network = Sequential(Recurrent(recurrent=0.5), ReLU(), Dense())
    features = kernel_features(network, signals, kind="nngp")
    holed = np.where(np.arange(60) % 4 == 1, np.nan, slopes)[:, None]
    filled = NTKImputer(row_features=features, network=Sequential(Dense())).fit_transform(holed)
    hidden = np.isnan(holed)[:, 0]
    error = np.sqrt(np.mean((filled[:, 0] - slopes)[hidden] ** 2)) / slopes[hidden].std()
    assert error < 0.6 if gaps else error > 0.8


CLASSES = {
    "alcohol": ["CO", "CCO", "CCCO", "CCCCO", "CC(C)O"],
    "acid": ["OC=O", "CC(=O)O", "CCC(=O)O", "CCCC(=O)O", "CC(C)C(=O)O"],
    "arene": ["c1ccccc1", "Cc1ccccc1", "Cc1ccc(C)cc1", "CCc1ccccc1", "Cc1ccccc1C"],
}


def test_screen_with_molecules_as_prior():
    """Of a new drug the graph kernel knows what alike molecules do; one-hot labels do not."""
    rng = np.random.default_rng(0)
    profiles = {name: rng.normal(size=40) for name in CLASSES}
    labels, rows, smiles = [], [], [s for group in CLASSES.values() for s in group]
    for cell in ("A", "B"):
        for name, group in CLASSES.items():
            for drug in group:
                labels.append((cell, drug))
                rows.append(profiles[name] + 0.2 * rng.normal(size=40))
    screen = screens.Screen(rows, labels, [f"g{k}" for k in range(40)])
    network = Sequential(GraphConvolution(), ReLU(), GlobalAveragePool(), Dense())
    features = kernel_features(network, [molecule(s) for s in smiles])
    centred = features - features.mean(axis=0)
    prior = Stack(OneHot("cell"), SideFeatures(dict(zip(smiles, centred, strict=True)), "drug"))
    methods = {
        "graphs": screens.NTK(prior),
        "labels": screens.NTK(Stack(OneHot("cell"), OneHot("drug"))),
    }
    result = screens.evaluate(screen, methods, screens.LeaveOneOut("drug"))
    assert result.mean("graphs")["r2"] > 0.6 > 0.3 > result.mean("labels")["r2"]
