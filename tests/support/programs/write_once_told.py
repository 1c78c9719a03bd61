"""Write a file of NAME repeated, put in place when stdin ends: PATH NAME."""

import sys

from signbart_port import errors
from signbart_port.system import atomic_output as output

try:
    with output.replacing(sys.argv[1], force=False) as temp:
        temp.write_bytes(sys.argv[2].encode() * 100_000)
        print(flush=True)
        sys.stdin.read(1)
except errors.PortError as error:
    print(error)
    sys.exit(2)
