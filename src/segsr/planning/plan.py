"""What a fit needs of each device's memory, before anything is loaded or rented.

The recipe's networks are laid out as fake tensors, which have shapes and no memory, and taken
through two training steps while all that comes alive is counted. So activations are those of the
recipe's own code, with its precision, crop, batch size and gradient checkpointing.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import sys
import warnings
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, replace
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from segsr.batch import SCALE, Batch
from segsr.config import build, filled
from segsr.errors import SegSRError
from segsr.live_memory import LiveMemory
from segsr.planning.layout import lay_out
from segsr.tasks.srdm import SRDM

if TYPE_CHECKING:
    from omegaconf import DictConfig


@dataclass(frozen=True)
class Plan:
    """Bytes on one device at the worst moment of a training step.

    Attributes:
        parameters: Weights and buffers of all networks.
        average: The moving average of the trained weights.
        gradients: Of the trained weights.
        optimizer: Its state.
        buckets: Copies of the gradients through which DDP's devices exchange them.
        activations: All else alive at the peak: what the forward pass keeps for the backward pass,
            and what either is just working on.
    """

    parameters: int
    average: int
    gradients: int
    optimizer: int
    buckets: int
    activations: int

    @property
    def total(self) -> int:
        """All of it."""
        return sum(asdict(self).values())


def plan_fit(cfg: DictConfig) -> Plan:
    """The memory that `segsr fit` with a recipe needs on each device.

    The number of devices counts where the recipe states it; `devices: auto` is taken for one.

    Args:
        cfg: The recipe; the values it leaves open (weights, base model, folders) need not be given.

    Raises:
        SegSRError: As `lay_out`.
    """
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    worker = context.Process(target=_send_plan, args=(sender, cfg), daemon=True)
    worker.start()
    sender.close()
    try:
        answer: Plan | SegSRError = receiver.recv()
    except EOFError as error:
        raise SegSRError("the plan could not be made: its process died, see above") from error
    worker.join()
    if isinstance(answer, SegSRError):
        raise answer
    return answer


def _send_plan(sender: Connection, cfg: DictConfig) -> None:
    """Plans in a process of its own, which ends without clearing up.

    Python with torch 2.14 may crash when it collects the fake tensors of a backward pass.
    """
    gc.disable()
    try:
        sender.send(_plan(cfg))
    except SegSRError as error:
        sender.send(error)
    sys.stderr.flush()
    os._exit(0)


def _plan(cfg: DictConfig) -> Plan:
    live = LiveMemory()
    with FakeTensorMode(allow_non_fake_inputs=True), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # there is no trainer to log to, and no data to point to
        with patch.object(torch.nn.Module, "to", _stay):
            model = lay_out(cfg)
        callbacks: Any = cfg.trainer.get("callbacks") or {}
        if callbacks.get("networks") is not None:
            prepared = build({**callbacks.networks, "compile": False, "channels_last": False})
            prepared.prepare(model, str(cfg.trainer.get("precision", "32-true")))
        for module in model.modules():
            if isinstance(module, SRDM):  # asks for values, and leaves nothing to the backward pass
                vars(module)["roll_out"] = lambda lq_latents, noise, t: noise
        model.on_fit_start()
        configured: Any = model.configure_optimizers()
        optimizer = configured["optimizer"] if isinstance(configured, dict) else configured
        for tensor in (*model.parameters(), *model.buffers()):
            live.count(tensor)
        parameters = live.bytes
        trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
        data = build(filled(cfg, "OPEN")["data"])
        batch = _batch(data.crop_size, data.batch_size)
        with live:
            for _ in range(2):  # from the second on the optimizer has a state
                with _precision(str(cfg.trainer.get("precision", "32-true"))):
                    loss: Any = model.training_step(batch, 0)
                loss.backward()
                with live.answering(1):  # an optimizer divides by functions of its step
                    optimizer.step()
                optimizer.zero_grad()
                del loss
    state = _bytes(
        value
        for values in optimizer.state.values()
        for value in values.values()
        if isinstance(value, Tensor)
    )
    weights = _bytes(trained)
    has_average = callbacks.get("ema") is not None
    plan = Plan(
        parameters=parameters,
        average=weights if has_average else 0,
        gradients=weights,
        optimizer=state,
        buckets=0,
        activations=max(live.peak - parameters - weights - state, 0),
    )
    return _among(plan, weights, _devices(cfg.trainer), sharded=_is_sharded(cfg.trainer))


def _stay(module: torch.nn.Module, *to: Any, **how: Any) -> torch.nn.Module:
    """In place of `Module.to`: fake parameters can be nowhere else, and refuse the attempt."""
    return module


def _among(plan: Plan, trained: int, devices: int, *, sharded: bool) -> Plan:
    """`plan`, made for one device, on each of several; `trained` are the trained weights' bytes."""
    if devices == 1:
        return plan
    if not sharded:
        return replace(plan, buckets=plan.gradients)
    shares = {key: getattr(plan, key) // devices for key in ("average", "gradients", "optimizer")}
    return replace(plan, parameters=plan.parameters - trained + trained // devices, **shares)


def _devices(trainer: DictConfig) -> int:
    """How many devices a recipe's trainer states, over all nodes."""
    devices = trainer.get("devices", "auto")
    count = devices if isinstance(devices, int) else 1 if isinstance(devices, str) else len(devices)
    return max(count, 1) * int(trainer.get("num_nodes") or 1)


def _is_sharded(trainer: DictConfig) -> bool:
    strategy = trainer.get("strategy")
    return not isinstance(strategy, str | None) and "Sharded" in strategy.get("_target_", "")


def _batch(crop: int, size: int) -> Batch:
    return Batch(
        hq=torch.empty(size, 3, crop, crop),
        lq=torch.empty(size, 3, crop // SCALE, crop // SCALE),
        mask=torch.empty(size, crop, crop, dtype=torch.long),
        name=[str(i) for i in range(size)],
    )


def _precision(name: str) -> AbstractContextManager[Any]:
    """The autocast of a Lightning precision such as `bf16-mixed`."""
    types = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}
    return torch.autocast("cpu", types[name]) if name in types else nullcontext()


def _bytes(tensors: Iterable[Tensor]) -> int:
    return sum(tensor.untyped_storage().nbytes() for tensor in tensors)
