"""Train the sample's model on one signer for one epoch, and save it: PATH."""

import sys
from pathlib import Path

import make_sample

make_sample.save(make_sample.train(signers=1, epochs=1), Path(sys.argv[1]))
