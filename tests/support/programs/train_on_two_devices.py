"""Train on one device, and on two of them in one process: CONFIG SIGNS FOLDER FOLDER."""

import json
import sys
from dataclasses import asdict
from pathlib import Path

import tensorflow as tf

from signbart_port.training import keras_fit
from signbart_port.training.files import Files
from tests.support.small_trainings import Seen, job_of

two = [tf.config.LogicalDeviceConfiguration()] * 2
tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], two)
mirrored = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
config, signs, *folders = map(Path, sys.argv[1:])
for folder, strategy in zip(folders, (tf.distribute.get_strategy(), mirrored), strict=True):
    keras_fit.strategy_of_environment = lambda chosen=strategy: chosen
    job = job_of(config, signs, checkpoint_dir=folder)
    files = Files.of(job.settings, ".h5")
    files.open(resume=False, force=False)
    trained = keras_fit.fit(job, files, Seen(), resume=False)
    results = {
        "history": [asdict(epoch) for epoch in trained.history],
        "test": asdict(trained.test),
    }
    (folder / "results.json").write_text(json.dumps(results))
