"""Which pictures a command reads, and where each goes."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..errors import InputError
from ..io import images
from .output_paths import spare


def inputs(options: argparse.Namespace) -> list[Path]:
    """What is read, besides the mask."""
    files: list[Path] = []
    for given in options.inputs:
        if given.is_dir():
            found = sorted(path for path in given.iterdir() if is_input(options, path))
            if not found:
                raise InputError(
                    f"no pictures in the folder {given}", expected=" ".join(images.SUFFIXES)
                )
            files += found
        else:
            files.append(given)
    return files


def outputs(options: argparse.Namespace) -> list[tuple[Path, Path | None]]:
    """Pairs of what is read and what is written; a folder for several is made if need be."""
    files = inputs(options)
    if options.std is not None and len(files) > 1:
        raise InputError("--std is for one picture at a time", got=f"{len(files)} pictures")
    if options.dry_run:
        return [(file, None) for file in files]
    if options.output is None:
        raise InputError("nowhere to write to", hint="-o OUT, or --dry-run")
    many = len(files) > 1 or options.inputs[0].is_dir()
    if many:
        if options.output.suffix.lower() in images.SUFFIXES:
            raise InputError("several pictures need a folder to go to", got=str(options.output))
        if len({file.name for file in files}) < len(files):
            raise InputError("two inputs have the same name", hint="one folder at a time")
    inside = many or options.output.is_dir()
    targets = [options.output / file.name if inside else options.output for file in files]
    for target in targets:
        if target.suffix.lower() not in images.SUFFIXES:
            raise InputError(
                f"{target} is neither a folder that is there nor a picture that can be written",
                expected=" ".join(images.SUFFIXES),
            )
    written = [("-o OUT", target) for target in targets]
    spare([*files, options.mask], [*written, ("--std FILE", options.std)])
    if many:
        options.output.mkdir(parents=True, exist_ok=True)
    return list(zip(files, targets, strict=True))


def is_input(options: argparse.Namespace, path: Path) -> bool:
    """Whether a file in a folder is one of the pictures to fill: not hidden, and not the mask."""
    return (
        path.suffix.lower() in images.SUFFIXES
        and path.is_file()
        and not path.name.startswith(".")
        and not (options.mask is not None and options.mask.exists() and path.samefile(options.mask))
    )
