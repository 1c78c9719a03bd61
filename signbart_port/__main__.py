"""The console script, and `python -m signbart_port`."""

from __future__ import annotations

import signal


def main() -> None:
    """Run the command line; Ctrl-C ends the process without a traceback while it is imported."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from signbart_port.cli import main as command_line

    command_line()


if __name__ == "__main__":
    main()
