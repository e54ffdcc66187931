"""Networks and priors from text: a repr, a saved file, a command line; never executed."""

from __future__ import annotations

import ast
import contextlib
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from ..errors import InputError
from ..priors import IID, Identity, MeshGrid, Prior
from . import activations
from .architectures import hourglass
from .branches import Residual
from .layers import Conv
from .mixture import Member, Mixture, Spline
from .networks import Sequential
from .resampling import Downsample, Upsample
from .structure import LAYERS

Names = Mapping[str, Callable[..., Any]]

MAKERS: tuple[Any, ...] = (
    *LAYERS,
    *(activations.ReLU, activations.LeakyReLU, activations.Abs, activations.Identity),
    *(Residual, Sequential, hourglass, Member, Mixture, Spline),
)
NETWORKS: Names = {maker.__name__: maker for maker in MAKERS}
PRIORS: Names = {maker.__name__: maker for maker in (IID, Identity, MeshGrid)}


def parse(text: str) -> Sequential | Mixture:
    """Read a network, or a mixture of networks, without executing the text.

    Parameters
    ----------
    text : str
        A network's repr, ``hourglass(...)``, or a mixture's repr.

    Returns
    -------
    Sequential or Mixture

    Raises
    ------
    InputError
        If the text does not describe a network.

    Examples
    --------
    >>> parse("Sequential(Conv(size=3), TwoSlope(0.1), Conv(3))")
    Sequential(Conv(size=3), TwoSlope(slope=0.1), Conv(size=3))
    >>> parse("hourglass(2, activation=ReLU())").receptive_radius
    4
    """
    example = "the repr of a network, such as Sequential(Conv(3), ReLU(), Conv(3)) or hourglass(5)"
    return _parsed(text, NETWORKS, (Sequential, Mixture), f"network must be {example}")


def shorten(network: Sequential | Spline | Mixture) -> str:
    """The name of a network for people: ``hourglass(...)`` where it is one, else its repr.

    Of a mixture, the names of its networks with their weights. `parse` reads the name of a network
    back.

    Examples
    --------
    >>> shorten(hourglass(3, upsample="bilinear"))
    "hourglass(3, upsample='bilinear')"
    >>> shorten(Mixture((Member(hourglass(3), weight=0.75), Member(hourglass(5), weight=0.25))))
    '0.75 * hourglass(3) + 0.25 * hourglass(5)'
    """
    if isinstance(network, Spline):
        return repr(network)
    if isinstance(network, Mixture):
        counted = [one for one in network.members if one.weight]
        if len(counted) == 1:
            return shorten(counted[0].network)
        return " + ".join(f"{one.weight:.2g} * {shorten(one.network)}" for one in counted)
    layers = network.layers
    kinds = [type(layer) for layer in layers]
    if not {Downsample, Upsample} <= {*kinds} or not isinstance(layers[0], Conv):
        return repr(network)
    first, last = kinds.index(Downsample), kinds[::-1].index(Upsample)
    options: dict[str, Any] = {
        "convs_down": kinds[:first].count(Conv),
        "convs_up": kinds[len(kinds) - last :].count(Conv),
        "size": layers[0].size,
        "upsample": min(layer.mode for layer in layers if isinstance(layer, Upsample)),
        "activation": layers[1] if layers[1] != activations.LeakyReLU() else None,
    }
    levels = kinds.count(Downsample)
    with contextlib.suppress(InputError):
        if hourglass(levels, **options) == network:
            given = inspect.signature(hourglass).parameters
            words = [f"{k}={v!r}" for k, v in options.items() if v != given[k].default]
            return f"hourglass({', '.join([str(levels), *words])})"
    return repr(network)


def parse_prior(text: str) -> Prior:
    """Read a prior's repr without executing it.

    Parameters
    ----------
    text : str

    Returns
    -------
    IID, Identity or MeshGrid

    Raises
    ------
    InputError
        If the text does not describe one of these.

    Examples
    --------
    >>> parse_prior("IID(mean=0.0, variance=1.0)")
    IID(mean=0.0, variance=1.0)
    """
    message = "prior must be the repr of a prior, such as IID(mean=0.0)"
    return _parsed(text, PRIORS, (IID, Identity, MeshGrid), message)


def _parsed(text: str, names: Names, kinds: tuple[type, ...], message: str) -> Any:
    """The object of one of these kinds that a text of calls of these names describes."""

    def read(node: ast.expr) -> Any:
        if isinstance(node, ast.Tuple):
            return tuple(map(read, node.elts))
        if not isinstance(node, ast.Call):
            with contextlib.suppress(ValueError):
                return ast.literal_eval(node)
        elif isinstance(node.func, ast.Name) and node.func.id in names:
            keywords = {str(keyword.arg): read(keyword.value) for keyword in node.keywords}
            return names[node.func.id](*map(read, node.args), **keywords)
        raise ValueError(f"names that can be used: {', '.join(names)}")

    try:
        found = read(ast.parse(text.strip(), mode="eval").body)
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError) as error:
        raise InputError(message, got=f"{text[:200]!r} ({error})") from error
    if not isinstance(found, kinds):
        raise InputError(message, got=repr(text[:200]))
    return found
