"""Write PATH, which is larger than the files that this process may write."""

import resource
import sys

from signbart_port import errors
from signbart_port.system import atomic_output as output

resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    with output.replacing(sys.argv[1], force=True) as temp:
        temp.write_bytes(bytes(200_000))
except errors.PortError as error:
    print(error)
