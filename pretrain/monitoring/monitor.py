"""Monitoring during training: reconstructions of fixed clips, and metrics of features."""

import time
from concurrent.futures import Future, ThreadPoolExecutor

from PIL import Image
from torch import Tensor

from encoder.block import uncompiled
from launch.distributed.process_group import any_rank
from launch.metrics.run_logger import RunLogger
from launch.run.session import Session
from launch.training.engine import Engine
from pretrain.autoencoder import MaskedAutoencoder
from pretrain.config import PretrainConfig
from pretrain.data import PretrainBatch
from pretrain.loss import Objective
from pretrain.monitoring.features import FeatureProbe, ProbeShare, encode, feature_metrics
from pretrain.reconstruction.reconstruct import Reconstruction, reconstruct
from pretrain.reconstruction.render import reconstruction_sheet

IMAGE_FILE = "reconstruction.png"
WARN_ABOVE = 0.02  # share of a run's time


class TrainingMonitor:
    """Evaluates the model after a step, without side effects on training or its random state.

    Every process makes the same calls, since with sharded weights all must compute.
    """

    def __init__(
        self,
        config: PretrainConfig,
        objective: Objective,
        session: Session,
        logger: RunLogger,
        clips: PretrainBatch,
        probe: FeatureProbe,
        steps: range,
    ) -> None:
        self._config, self._objective, self._session = config, objective, session
        self._logger, self._clips, self._probe = logger, clips, probe
        self._last = steps.stop
        self._started, self._spent, self._has_warned = time.perf_counter(), 0.0, False
        self._image_writer = ThreadPoolExecutor(1)  # compressing an image takes as long as steps
        self._pending_image: Future[None] | None = None

    def after_step(self, step: int, engine: Engine) -> None:
        """Runs what is due after a step; ends early if a signal stops the run."""
        log = self._config.log
        reconstructs = self._objective.target.has_images and (
            step % log.images_every_steps == 0 or step == self._last
        )
        encodes = step == 1 or step % log.features_every_steps == 0 or step == self._last
        if not (reconstructs or encodes):
            return
        started = time.perf_counter()
        model = engine.model
        assert isinstance(model, MaskedAutoencoder)
        model.eval()
        with uncompiled(model):
            is_whole = not encodes or self._log_features(step, engine, model)
            if is_whole and reconstructs:
                self._log_reconstructions(step, engine)
        model.train()
        if not is_whole:
            self._logger.info(f"step {step} is not monitored: the run stops")
        self._spent += time.perf_counter() - started
        share = self._spent / (time.perf_counter() - self._started)
        self._logger.log(step, {"time/monitoring": share})
        self._warn_of_cost(step, share)

    def _is_stopping(self) -> bool:
        """Whether a signal stops the run, the same on every process."""
        self._session.watchdog.set_status("monitoring")
        return any_rank(self._session.signals.request is not None)[0]

    def close(self) -> None:
        """Returns when the last image is written."""
        self._probe.close()
        self._wait_for_image()

    def _wait_for_image(self) -> None:
        if self._pending_image is not None:
            self._pending_image.result()

    def _log_reconstructions(self, step: int, engine: Engine) -> None:
        clips = self._clips
        result = reconstruct(engine.forward, clips.clip, clips.visible, self._objective)
        if not self._logger.is_writer:
            return
        self._wait_for_image()
        self._pending_image = self._image_writer.submit(self._write_image, step, result)

    def _write_image(self, step: int, result: Reconstruction) -> None:
        visible_share = self._clips.visible.shape[1] / self._config.encoder.tokens
        sheet = reconstruction_sheet(result, visible_share, f"step {step}")
        self._logger.log_image(step, "reconstruction", sheet)
        file = self._session.folder / IMAGE_FILE
        try:
            Image.fromarray(sheet).save(file)
        except OSError as error:
            self._logger.info(f"warning: {file}: {error.strerror}")

    def _log_features(self, step: int, engine: Engine, model: MaskedAutoencoder) -> bool:
        """Whether all features were computed, before the run stops."""
        share = self._probe.share(self._logger.info, self._is_stopping)
        if share is None:
            return False
        features = encode(model.encoder, share, engine.device, self._is_stopping)
        if features is None:
            return False
        if self._logger.is_writer:
            self._log_metrics(step, share, features)
        return True

    def _log_metrics(self, step: int, share: ProbeShare, features: dict[int, Tensor]) -> None:
        metrics = feature_metrics(share, features, self._config)
        if not metrics:
            self._logger.info(f"warning: step {step}: the features are not finite")
            return
        self._logger.log(step, metrics)
        largest_rank = min(len(features), self._config.encoder.embed_dim)
        line = (
            f"features at step {step}: RankMe {metrics['features/rankme']:.1f} of at most "
            f"{largest_rank}, std {metrics['features/std']:.2f}"
        )
        if "probe/knn" in metrics:
            line += (
                f", k-NN accuracy {metrics['probe/knn']:.2f} (majority class "
                f"{metrics['probe/majority']:.2f}, chance {metrics['probe/chance']:.2f})"
            )
        self._logger.info(line)

    def _warn_of_cost(self, step: int, share: float) -> None:
        is_first = step <= self._config.log.features_every_steps
        if share > WARN_ABOVE and not is_first and not self._has_warned:
            self._has_warned = True
            self._logger.info(
                f"warning: monitoring took {share:.1%} of the time; raise log.features_every_steps "
                "and log.images_every_steps, or lower log.feature_clips"
            )
