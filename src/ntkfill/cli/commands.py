"""From a parsed command line to the function that does it."""

from __future__ import annotations

import argparse
import warnings

from .messages import say


def run(options: argparse.Namespace) -> int:
    """Run the command that was parsed; returns the exit code. Warnings are said at the end."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        code = _run(options)
    for message in dict.fromkeys(
        str(warning.message) for warning in caught if issubclass(warning.category, UserWarning)
    ):
        say(options, f"warning: {message}")
    return code


def _run(options: argparse.Namespace) -> int:
    """Each command loads only what it needs."""
    if options.command == "impute":
        from . import table_commands

        return table_commands.impute(options)
    if options.command == "screen":
        from . import screen_commands

        return screen_commands.run(options)
    if options.command == "kernel":
        from . import kernel_command

        return kernel_command.kernels(options)
    from . import picture_commands

    commands = {
        "inpaint": picture_commands.fill_files,
        "heatmap": picture_commands.heatmap,
        "demo": picture_commands.demo,
    }
    return commands[options.command](options)
