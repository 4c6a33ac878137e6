"""Looks at a run from time to time: pictures of the same clips, and figures of features."""

import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from PIL import Image

from launch.metrics.run_logger import RunLogger
from launch.training.engine import Engine
from pretrain.autoencoder import MaskedAutoencoder
from pretrain.config import PretrainConfig
from pretrain.data import PretrainBatch
from pretrain.monitoring.features import FeatureProbe, encode, feature_metrics
from pretrain.reconstruction.reconstruct import Reconstruction, reconstruct
from pretrain.reconstruction.render import reconstruction_sheet

PICTURE_FILE = "reconstruction.png"
DEAR = 0.02  # share of a run's time


class TrainingMonitor:
    """Looks at the model as it is after a step, without changing it or what is drawn later.

    Every process calls it alike, for where weights are divided all must compute.
    """

    def __init__(
        self,
        config: PretrainConfig,
        folder: Path,
        logger: RunLogger,
        clips: PretrainBatch,
        probe: FeatureProbe,
        steps: range,
    ) -> None:
        self._config, self._folder, self._logger = config, folder, logger
        self._clips, self._probe, self._last = clips, probe, steps.stop
        self._began, self._looked, self._told = time.perf_counter(), 0.0, False
        self._painter = ThreadPoolExecutor(1)  # compressing a picture takes as long as ten steps
        self._painted: Future[None] | None = None

    def after_step(self, step: int, engine: Engine) -> None:
        """What is due after a step."""
        log = self._config.log
        draws = step % log.images_every_steps == 0 or step == self._last
        encodes = step == 1 or step % log.features_every_steps == 0 or step == self._last
        if not (draws or encodes):
            return
        began = time.perf_counter()
        model = engine.model
        assert isinstance(model, MaskedAutoencoder)
        model.eval()
        if encodes:
            self._encode(step, engine, model)
        if draws:
            self._draw(step, engine)
        model.train()
        self._looked += time.perf_counter() - began
        share = self._looked / (time.perf_counter() - self._began)
        self._logger.log(step, {"time/monitoring": share})
        self._tell_cost(step, share)

    def close(self) -> None:
        """Returns when the last picture is painted."""
        self._probe.close()
        self._finish_painting()

    def _finish_painting(self) -> None:
        if self._painted is not None:
            self._painted.result()

    def _draw(self, step: int, engine: Engine) -> None:
        config, clips = self._config, self._clips
        completion = reconstruct(
            engine.forward,
            clips.clip,
            clips.visible,
            config.encoder,
            config.target,
            config.decoder.predicted_frames,
        )
        if not self._logger.is_writer:
            return
        self._finish_painting()
        self._painted = self._painter.submit(self._paint, step, completion)

    def _paint(self, step: int, completion: Reconstruction) -> None:
        share = self._clips.visible.shape[1] / self._config.encoder.tokens
        sheet = reconstruction_sheet(completion, share, f"step {step}")
        self._logger.log_image(step, "reconstruction", sheet)
        try:
            Image.fromarray(sheet).save(self._folder / PICTURE_FILE)
        except OSError as error:
            self._logger.info(f"warning: {self._folder / PICTURE_FILE}: {error.strerror}")

    def _encode(self, step: int, engine: Engine, model: MaskedAutoencoder) -> None:
        watched = self._probe.share(self._logger.info)
        features = encode(model.encoder, watched, engine.device)
        if not self._logger.is_writer:
            return
        figures = feature_metrics(watched, features, self._config)
        if not figures:
            self._logger.info(f"warning: step {step}: the features are not finite")
            return
        self._logger.log(step, figures)
        line = (
            f"features at step {step}: RankMe {figures['features/rankme']:.1f} of "
            f"{min(len(features), self._config.encoder.embed_dim)}, spread "
            f"{figures['features/std']:.2f}"
        )
        if "probe/knn" in figures:
            line += (
                f", nearest neighbours {figures['probe/knn']:.2f} right (commonest "
                f"{figures['probe/majority']:.2f}, chance {figures['probe/chance']:.2f})"
            )
        self._logger.info(line)

    def _tell_cost(self, step: int, share: float) -> None:
        if share > DEAR and step > self._config.log.features_every_steps and not self._told:
            self._told = True
            self._logger.info(
                f"warning: looking took {share:.1%} of the time; raise log.features_every_steps "
                "and log.images_every_steps, or lower log.feature_clips"
            )
