"""Networks from text: what a repr, a saved file or a command line says, without executing it."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

from ..errors import InputError
from .activations import Abs, Identity, LeakyReLU, ReLU
from .architectures import hourglass
from .mixture import Member, Mixture
from .sequential import LAYERS, Sequential

WORDS: dict[str, Callable[..., Any]] = {
    word.__name__: word
    for word in (*LAYERS, ReLU, LeakyReLU, Abs, Identity, Sequential, hourglass, Member, Mixture)
}


def parse(text: str) -> Sequential | Mixture:
    """The network, or the mixture of networks, that a text describes; nothing in it is executed.

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
        If the text is no network.

    Examples
    --------
    >>> parse("Sequential(Conv(size=3), TwoSlope(0.1), Conv(3))")
    Sequential(Conv(size=3), TwoSlope(slope=0.1), Conv(size=3))
    >>> parse("hourglass(2, activation=ReLU())").reach
    4
    """
    try:
        network = _read(ast.parse(text.strip(), mode="eval").body)
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError) as error:
        raise InputError(
            "this is no network",
            expected="its repr, e.g. Sequential(Conv(3), ReLU(), Conv(3)), or hourglass(5)",
            got=f"{text[:200]!r} ({error})",
        ) from error
    if not isinstance(network, Sequential | Mixture):
        raise InputError("this is no network", expected="Sequential(...)", got=repr(text[:200]))
    return network


def _read(node: ast.expr) -> Any:
    if isinstance(node, ast.Tuple):
        return tuple(map(_read, node.elts))
    if not isinstance(node, ast.Call):
        try:
            return ast.literal_eval(node)
        except ValueError:
            raise ValueError(f"only these words are known: {', '.join(WORDS)}") from None
    if not (isinstance(node.func, ast.Name) and node.func.id in WORDS):
        raise ValueError(f"only these words are known: {', '.join(WORDS)}")
    keywords = {str(keyword.arg): _read(keyword.value) for keyword in node.keywords}
    return WORDS[node.func.id](*map(_read, node.args), **keywords)
