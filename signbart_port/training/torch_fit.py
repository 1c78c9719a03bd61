"""Training in PyTorch: the loop, and its checkpoints."""

from __future__ import annotations

import atexit
import io
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from tensorboard import compat
from tensorboard.compat import tensorflow_stub
from torch import Tensor, distributed, nn
from torch.nn.functional import cross_entropy
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, IterableDataset

from pt_reference.model import SignBart
from signbart_port import checkpoint
from signbart_port.checkpoint import NameRules
from signbart_port.config.training import Settings
from signbart_port.data.batches import Batch, unchanged
from signbart_port.data.examples import Examples
from signbart_port.data.prefetch import Prefetcher
from signbart_port.errors import PortError
from signbart_port.training.files import Files
from signbart_port.training.history import Epoch
from signbart_port.training.initial import Weights
from signbart_port.training.run import EVALUATED, Job, Run, Trained, TrainingScores, Watcher

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

SUFFIX = ".pth"


def fit(job: Job, files: Files, watcher: Watcher, *, resume: bool) -> Trained:
    """Train a SignBART.

    Under torchrun, the processes share every batch; the first one writes. Raises PortError if a
    checkpoint cannot be resumed, and if the training diverges.
    """
    if "OMP_NUM_THREADS" not in os.environ:
        # Models of this size gain nothing from more, which wait for each other on a busy core.
        torch.set_num_threads(1)
    with closing(_Training(job, files, watcher, _Processes())) as training:
        if resume:
            training.resume()
        while not training.run.over:
            training.epoch(len(training.run.history) + 1)
        return training.run.done(training.test())


def leads() -> bool:
    """Return whether this process writes and prints: the first of torchrun's."""
    return _rank() == 0


def _rank() -> int:
    return int(os.environ.get("RANK", 0))


class _Processes:
    """The processes of torchrun, or this one alone."""

    def __init__(self) -> None:
        self.rank = _rank()
        self.count = int(os.environ.get("WORLD_SIZE", 1))
        cuda = torch.cuda.is_available()
        self.device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0))) if cuda else "cpu"
        if self.count > 1 and not distributed.is_initialized():
            distributed.init_process_group("cpu:gloo,cuda:nccl" if cuda else "gloo")
            atexit.register(distributed.destroy_process_group)

    def sharing(self, model: nn.Module) -> nn.Module:
        """Return the model with its gradients averaged over all of them."""
        return DistributedDataParallel(model) if self.count > 1 else model

    def mean(self, values: Tensor) -> Tensor:
        if self.count > 1:
            distributed.all_reduce(values)
        return values / self.count

    def meet(self) -> None:
        """Wait for the others."""
        self.mean(torch.zeros(1))


class _Training:
    def __init__(self, job: Job, files: Files, watcher: Watcher, processes: _Processes) -> None:
        settings = job.settings
        make_deterministic()
        self.job, self.processes = job, processes
        self.feed = job.feed(processes.count)
        self.run = Run(job, files, self.feed.steps, watcher, processes.rank)
        self.model = SignBart(job.config).to(processes.device)
        load(self.model, job.weights)
        self.shared = processes.sharing(self.model)
        self.optimizer = optimizer_of(self.model, settings.weight_decay)
        self.tensorboard: SummaryWriter | None = None

    def resume(self) -> None:
        """Restore model, optimizer and log from the last checkpoint."""
        path = self.run.files.last
        checkpoint.read(path, NameRules(("model",), ()))  # refuses what is damaged
        try:
            saved = torch.load(path, weights_only=True, map_location="cpu")
            self.run.restore(saved["training"])
            self.model.load_state_dict(saved["model"])
            self.optimizer.load_state_dict(saved["optimizer"])
        except (KeyError, TypeError, ValueError, RuntimeError):
            raise PortError(
                path, "holds no training to go on with", "Give --force to begin anew"
            ) from None

    def epoch(self, number: int) -> None:
        """Train one epoch, measure, and keep the model."""
        feed, run, rank = self.feed, self.run, self.processes.rank
        settings = self.job.settings
        run.watcher.begins(number, feed.steps)
        # Dropout draws from a generator that is set anew: an epoch depends on none before it.
        torch.manual_seed(
            int(np.random.SeedSequence([feed.seed, number, rank]).generate_state(1)[0])
        )
        self.shared.train()
        sums, rate = torch.zeros(2), 0.0
        start = time.perf_counter()
        with Prefetcher(feed.batches(number, rank)) as batches:
            for step, batch in enumerate(DataLoader(_Stream(batches), batch_size=None)):
                rate = run.learning_rate(number, step)
                loss, right = train_step(self.shared, self.optimizer, batch, rate, settings)
                sums += torch.stack([loss, right]) * batch["size"]
                run.watcher.step(float(loss))
            seconds, waited = time.perf_counter() - start, batches.waited
        means = self.processes.mean(sums) / len(self.job.train)
        found = run.measured(self.logits(self.job.validation), self.job.validation)
        epoch = Epoch(
            epoch=number,
            loss=float(means[0]),
            accuracy=float(means[1]),
            val_loss=found.loss,
            val_accuracy=found.top1,
            val_top5=found.top5,
            learning_rate=rate,
            seconds=seconds,
            waiting=waited / seconds,
        )
        run.end(epoch, self.save)
        if leads():
            self.log(epoch)

    def logits(self, examples: Examples) -> NDArray[np.floating]:
        """Return the logits of all clips, (N, labels), by the current model, in float32."""
        device = self.processes.device
        self.model.eval()
        with torch.inference_mode():
            parts = [
                self.model(
                    torch.from_numpy(batch.keypoints).to(device),
                    torch.from_numpy(batch.attention_mask).to(device),
                )[1].cpu()
                for batch in unchanged(examples, EVALUATED)
            ]
        logits: NDArray[np.floating] = torch.cat(parts).numpy()
        return logits

    def test(self) -> TrainingScores | None:
        """Score the best model."""
        if self.job.test is None or not self.run.history:
            return None
        self.processes.meet()  # the first one may still be writing
        saved = torch.load(self.run.files.best, weights_only=True, map_location="cpu")
        self.model.load_state_dict(saved["model"])
        return self.run.measured(self.logits(self.job.test), self.job.test)

    def save(self, path: Path, whole: bool) -> None:
        """Write a container with the config, for `convert`; with `whole`, also everything that
        resuming needs."""
        saved = {
            "model": self.model.state_dict(),
            "config": self.job.stored_config.model_dump(mode="json"),
            "epoch": len(self.run.history),
        }
        if whole:
            saved |= {"optimizer": self.optimizer.state_dict(), "training": self.run.state()}
        buffer = io.BytesIO()
        torch.save(saved, buffer)  # to a path, it would put the temporary name into the archive
        path.write_bytes(buffer.getbuffer())

    def log(self, epoch: Epoch) -> None:
        if self.tensorboard is None:
            self.tensorboard = _writer(self.run.files.logs, epoch.epoch)
        for name, value in epoch.measures().items():
            self.tensorboard.add_scalar(name, value, epoch.epoch)
        self.tensorboard.flush()

    def close(self) -> None:
        if self.tensorboard is not None:
            self.tensorboard.close()


class _Stream(IterableDataset[dict[str, Any]]):
    """Batches that are made elsewhere, for a DataLoader to turn into tensors."""

    def __init__(self, batches: Iterator[Batch]) -> None:
        self.batches = batches

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return (vars(batch) for batch in self.batches)


def _writer(logs: Path, first: int) -> SummaryWriter:
    """Return TensorBoard's log from epoch `first` on.

    If TensorFlow is installed, TensorBoard would load it just for its file system: TensorBoard's
    own stand-in takes its place during the import.
    """
    lazy, compat.tf = compat.tf, tensorflow_stub
    try:
        from torch.utils.tensorboard import SummaryWriter
    finally:
        compat.tf = lazy
    return SummaryWriter(str(logs), purge_step=first)


def train_step(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    batch: Mapping[str, Any],
    rate: float,
    settings: Settings,
) -> tuple[Tensor, Tensor]:
    """Run one step of the optimizer on a batch of tensors, named as in `data.batches.Batch`.

    Returns the weighted mean loss of the clips before the step, and their accuracy.
    """
    device = next(model.parameters()).device
    labels, weights = batch["labels"].to(device), batch["weights"].to(device)
    for group in optimizer.param_groups:
        group["lr"] = rate
    half = settings.mixed_precision
    with torch.autocast(device.type, torch.bfloat16) if half else nullcontext():
        _, logits = model(batch["keypoints"].to(device), batch["attention_mask"].to(device))
    loss = loss_of(logits.float(), labels, weights, settings.label_smoothing)
    optimizer.zero_grad()
    loss.backward()
    if settings.gradient_clip:
        nn.utils.clip_grad_norm_(model.parameters(), settings.gradient_clip)
    optimizer.step()
    right = (logits.argmax(dim=1) == labels).float() * weights
    return loss.detach().cpu(), right.mean().cpu()


def optimizer_of(model: nn.Module, weight_decay: float) -> torch.optim.AdamW:
    """Return PyTorch's AdamW with its defaults; the learning rate is set at every step."""
    return torch.optim.AdamW(model.parameters(), weight_decay=weight_decay)


def loss_of(logits: Tensor, labels: Tensor, weights: Tensor, smoothing: float) -> Tensor:
    """Return the weighted mean of the clips' cross-entropies."""
    each = cross_entropy(logits, labels, reduction="none", label_smoothing=smoothing)
    return (each * weights).mean()


def load(model: SignBart, weights: Weights) -> None:
    """Set every weight by its name."""
    model.load_state_dict(
        {n: torch.from_numpy(np.array(w, np.float32)) for n, w in weights.items()}
    )


def make_deterministic() -> None:
    """Make the same seed give the same model, on the same machine with the same number of
    threads."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # CUDA's condition
    torch.use_deterministic_algorithms(True)
