"""The interpreter of a page: runs each file that stdin names, and answers with its exit code.

What a file prints goes to the file of its name with `.out`. All share one namespace.
"""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path


def serve() -> None:
    answers = os.fdopen(os.dup(1), "w")
    scope = {"__name__": "__main__"}
    sys.path[0] = ""  # as in `python -c`: the reader's folder, and not that of this file
    for line in sys.stdin:
        step = Path(line.strip())
        output = os.open(f"{step}.out", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.close(output)
        failed = 0
        try:
            exec(compile(step.read_text("utf-8"), "<page>", "exec"), scope)
        except BaseException:
            traceback.print_exc()
            failed = 1
        sys.stdout.flush()
        print(failed, file=answers, flush=True)


if __name__ == "__main__":
    serve()
