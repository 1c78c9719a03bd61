"""Run the command line; then print its exit code and the modules that it imported."""

import json
import sys

from signbart_port.cli import main

code: object = 0
try:
    main()
except SystemExit as end:
    code = end.code
imported = sorted({name.partition(".")[0] for name in sys.modules})
print(json.dumps({"code": code, "imported": imported}))
