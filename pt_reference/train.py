"""Train a SignBART in PyTorch: `python -m pt_reference.train --config my.yaml`.

On several processes: `torchrun --nproc-per-node 2 -m pt_reference.train --config my.yaml`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from signbart_port.cli import train
from signbart_port.cli._help import Command
from signbart_port.cli.main import STYLE, run

if TYPE_CHECKING:
    from signbart_port.training.run import Engine


NAME = "pt_reference.train"


def _pytorch() -> Engine:
    from signbart_port.training import torch_fit

    return torch_fit


def main(*, all_holdouts: bool = False) -> None:
    """Run the command line, with the options of `signbart-port train`."""
    program = typer.Typer(**STYLE)
    program.command(NAME, cls=Command)(train.command(_pytorch, all_holdouts=all_holdouts))
    run(program)


if __name__ == "__main__":
    main()
