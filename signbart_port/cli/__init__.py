"""The command line: a file a command, registered in `main.py`; helpers begin with an underscore."""

from signbart_port.cli.main import main, run

__all__ = ["main", "run"]
