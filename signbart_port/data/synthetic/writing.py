"""A SYNTHETIC dataset, written as the folders that users have.

A clip depends only on the seed, its signer, its class and its repetition: a larger dataset of the
same seed contains the smaller one.
"""

from __future__ import annotations

import json
import os
import pickle
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np

from signbart_port.data.labels import ID2LABEL, LABEL2ID
from signbart_port.data.synthetic.invention import signs
from signbart_port.data.synthetic.signers import invent_signer, perform
from signbart_port.errors import PortError, printable
from signbart_port.system.atomic_folder import appearing

CountCallback = Callable[[int, int], None]
"""Called with how many clips are written, and of how many."""
_PROTOCOL = 4  # a fixed one: Python's default changes from version to version

_README = r"""# SYNTHETIC signs

Nobody signed these clips: a drawn skeleton moves. No data of people went in, and the signs belong
to no sign language. They are for trying out training and evaluation. What is trained on them is of
no use on people, and its accuracy says nothing about people either.

{signers} invented signers × {classes} classes × {repetitions} repetitions:

{splits}

A sample, `<split>/<class>/userUU_GCC_RNN.pkl`, is a pickled dict of `keypoints`, float32 (frames,
75, 2), and `class`. UU is the signer, CC the class and NN the repetition, all counted from 1.
Points are numbered pose 0-32, left hand 33-53, right hand 54-74; x and y are parts of the picture's
width and height, and a missing point is (0, 0).

Made by

    signbart-port data synth DIR --signers {signers} --classes {classes} \
        --repetitions {repetitions} --seed {seed} --holdout {held}
"""


@dataclass(frozen=True)
class Written:
    """A dataset as it was written."""

    root: Path
    labels: tuple[str, ...]
    signers: dict[str, tuple[str, ...]]  # by split: user01 ...
    samples: dict[str, int]  # by split


def write(
    root: str | os.PathLike[str],
    *,
    signers: int = 6,
    classes: int = 10,
    repetitions: int = 6,
    seed: int = 0,
    holdout: int | Sequence[str] = 1,
    progress: CountCallback = lambda done, of: None,
) -> Written:
    """Write a dataset of `signers` × `classes` × `repetitions` clips to the folder `root`.

    `holdout` signers make up the split test, the others train: the last ones of this number, or
    those that are named (user01 ...). With none of them, everything is in the split all. `progress`
    is called with the number of clips written and the total. The same arguments give the same
    bytes, on the same kind of machine and with the same NumPy.

    Raises PortError if `root` exists and is not an empty folder, if a signer does not exist, and if
    all are held out; ValueError for counts below 1, or below 0 for the others.
    """
    if min(signers, classes, repetitions) < 1 or seed < 0:
        raise ValueError("signers, classes and repetitions are 1 or more, a seed is 0 or more")
    users = tuple(f"user{number:02d}" for number in range(1, signers + 1))
    parts = _parts(users, holdout)
    split_of = {user: split for split, some in parts.items() for user in some}
    numbers = [range(1, count + 1) for count in (signers, classes, repetitions)]
    of = signers * classes * repetitions
    with appearing(root) as folder:
        known = signs(classes)
        people = [invent_signer(np.random.default_rng([seed, number])) for number in numbers[0]]
        labels = tuple(sign.label for sign in known)
        for split, label in product(parts, labels):
            (folder / split / label).mkdir(parents=True)
        for done, (u, g, r) in enumerate(product(*numbers), 1):
            user, label = users[u - 1], labels[g - 1]
            clip = perform(known[g - 1], people[u - 1], np.random.default_rng([seed, u, g, r]))
            content = pickle.dumps({"keypoints": clip, "class": label}, _PROTOCOL)
            path = folder / split_of[user] / label / f"{user}_G{g:02d}_R{r:02d}.pkl"
            path.write_bytes(content)
            progress(done, of)
        _write_json(folder / LABEL2ID, {label: id for id, label in enumerate(labels)})
        _write_json(folder / ID2LABEL, {str(id): label for id, label in enumerate(labels)})
        samples = {split: len(some) * classes * repetitions for split, some in parts.items()}
        readme = _README.format(
            splits="\n".join(
                f"- `{split}`: {samples[split]:,} clips by {', '.join(some)}"
                for split, some in parts.items()
            ),
            held=",".join(parts.get("test", "0")),
            signers=signers,
            classes=classes,
            repetitions=repetitions,
            seed=seed,
        )
        (folder / "README.md").write_text(readme, "utf-8")
    return Written(Path(root), labels, parts, samples)


def _parts(users: tuple[str, ...], holdout: int | Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return the signers of each split."""
    if isinstance(holdout, int):
        if holdout < 0:
            raise ValueError(f"{holdout} signers cannot be held out")
        held = users[max(0, len(users) - holdout) :]
    else:
        for name in holdout:
            if name not in users:
                there = f"the signers are {users[0]} to {users[-1]}"
                raise PortError(None, f"--holdout {printable(name, 40)}: {there}")
        held = tuple(user for user in users if user in holdout)
    if not held:
        return {"all": users}
    if held == users:
        what = f"all {len(users)} signers are held out: nobody is left to train on"
        raise PortError(None, what, "Hold out fewer; --holdout 0 writes everything to all/")
    return {"train": tuple(user for user in users if user not in held), "test": held}


def _write_json(path: Path, content: dict[str, int] | dict[str, str]) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n", "utf-8")
