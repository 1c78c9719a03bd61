"""Train, and die by SIGKILL or Ctrl-C: ENGINE MOMENT NAME NUMBER ARGUMENT...

See `killed_training`. What is wrapped is the program's own; the signal is a real one, and so is
what it leaves.
"""

import os
import signal
import sys
from contextlib import contextmanager

from signbart_port.system import atomic_output as output
from signbart_port.training.run import Run

signal.signal(signal.SIGINT, signal.default_int_handler)  # one that is ignored stays so
engine, moment, name, number = (sys.argv.pop(1) for _ in range(4))
replacing, learning_rate, seen = output.replacing, Run.learning_rate, 0


def kill(here):
    global seen
    seen += here
    if here and seen == int(number):
        os.kill(os.getpid(), signal.SIGINT if moment == "interrupt" else signal.SIGKILL)


@contextmanager
def watched(path, **options):
    with replacing(path, **options) as temp:
        yield temp
        here = moment == "write" and path.name == name
        if here and seen + 1 == int(number):
            os.truncate(temp, temp.stat().st_size // 2)
        kill(here)


def of_step(self, epoch, step):
    kill(moment in ("step", "interrupt") and f"{epoch}.{step}" == name)
    return learning_rate(self, epoch, step)


output.replacing, Run.learning_rate = watched, of_step
if engine == "keras":
    from signbart_port.cli import main

    sys.argv.insert(1, "train")
else:
    from pt_reference.train import main
try:
    main()
finally:  # never both frameworks in one process, not even for TensorBoard
    assert ("tensorflow" in sys.modules) == (engine == "keras")
