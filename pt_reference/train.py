"""Train a SignBART in PyTorch: `python -m pt_reference.train --config my.yaml`.

On several processes: `torchrun --nproc-per-node 2 -m pt_reference.train --config my.yaml`.
"""

from __future__ import annotations

import typer

from signbart_port import cli
from signbart_port.cli import train


def _pytorch() -> train.Engine:
    from signbart_port.training import torch_fit

    return torch_fit


def main(*, all_holdouts: bool = False) -> None:
    """Run the command line, with the options of `signbart-port train`."""
    program = typer.Typer(**cli.STYLE)
    program.command()(train.verb(_pytorch, all_holdouts=all_holdouts))
    cli.run(program)


if __name__ == "__main__":
    main()
