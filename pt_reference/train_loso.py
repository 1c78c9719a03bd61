"""Train in PyTorch without one signer's clips, and test on them, for each signer in turn:
`python -m pt_reference.train_loso --config my.yaml`.
"""

from __future__ import annotations

from pt_reference.train import main

if __name__ == "__main__":
    main(all_holdouts=True)
