"""DeepSpeed's ZeRO: stage 1 shares out the moments, stage 2 the gradients as well, stage 3 the weights as well.

DeepSpeed hands an optimizer one flat tensor a group, cut across processes without regard to parameters. What hangs on
a whole parameter (the scale of `adamw_parameter_scaled`, states) is put together here from the pieces' places.
"""

from __future__ import annotations

import copy
import importlib
import logging
import os
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import torch
import torch.distributed as dist

from components.contracts.errors import TouchstoneError
from components.train.chunking import Blocks
from components.train.engines.engine import Engine
from components.train.engines.group import Group, leaves_by
from components.train.engines.skeleton import fill, named_weights, skeleton_of
from components.train.optimizers import AdamwParameterScaled


class Piece(NamedTuple):
    """A run of numbers of one parameter that this process holds in a flat tensor."""

    param: int
    """Index among all trained parameters, in the optimizer's order."""
    flat: Any
    """(N,) fp32."""
    start: int
    """In `flat`."""
    source: int
    """In the parameter, flattened."""
    length: int


class Zero(Engine):
    """Weights are whole only in stages 1 and 2; the optimizer's state is shared out in all."""

    lockstep = True

    def __init__(self, group: Group, stage: int, *, offload: bool = False) -> None:
        """Work for one process of `group`; `offload` keeps moments, of stage 3 weights too, in the host's memory.

        Raises:
            TouchstoneError: DeepSpeed is not installed.
        """
        super().__init__(group)
        self.stage, self.offload = stage, offload
        try:
            self._deepspeed: Any = importlib.import_module("deepspeed")
        except ImportError as error:
            raise TouchstoneError(
                f"engine zero{stage} needs DeepSpeed, which is not installed here",
                expected="the package deepspeed, as in the image train-cuda",
                remedy="DS_BUILD_OPS=0 pip install --no-build-isolation deepspeed, or set engine: fsdp",
            ) from error
        self._engine: Any = None

    def adopt(self, model: Any, optimizer: Any, max_norm: float) -> Any:
        """Give model and optimizer to DeepSpeed, in place."""
        logging.getLogger("DeepSpeed").setLevel(logging.ERROR)
        self._skeleton = skeleton_of(model)
        params = [p for group in optimizer.param_groups for p in group["params"]]
        shapes = [p.shape for p in params]
        config = {
            "train_micro_batch_size_per_gpu": 1,
            "gradient_accumulation_steps": 1,
            "gradient_clipping": max_norm,
            "zero_optimization": {"stage": self.stage, **self._places()},
            "zero_allow_untested_optimizer": True,
            "zero_force_ds_cpu_optimizer": False,
        }
        os.environ["LOCAL_RANK"] = str(self.group.local_rank)  # DeepSpeed reads it in the middle of a step
        self._engine, self._sharded, _, _ = self._deepspeed.initialize(model=model, optimizer=optimizer, config=config)
        leaves_by(self._deepspeed.comm.destroy_process_group)
        self._shared = SharedState(self.stage, self._sharded, optimizer, params, shapes)
        if isinstance(optimizer, AdamwParameterScaled):
            optimizer.scales = self._shared.scales
        return self._shared

    def _places(self) -> dict[str, Any]:
        host = {"device": "cpu"}
        return (
            {"offload_optimizer": host, **({"offload_param": host} if self.stage == 3 else {})} if self.offload else {}
        )

    def parts(self, batch: Blocks, rows: int) -> Iterator[Blocks]:
        """As `Engine.parts`; the last is where DeepSpeed is told that a step ends."""
        own = list(super().parts(batch, rows))
        for at, part in enumerate(own):
            self._engine.set_gradient_accumulation_boundary(at == len(own) - 1)
            yield part

    def backward(self, loss: Any) -> None:
        """DeepSpeed takes the mean over processes, where each has divided by the tokens of the whole batch."""
        self._engine.backward(loss * self.group.world_size)

    def change(self, model: Any, optimizer: Any, max_norm: float) -> Any:
        """Clip and step, both DeepSpeed's."""
        self._shared.new_step()
        self._engine.step()
        return self._engine.get_global_grad_norm()

    def plain(self, model: Any) -> Any:
        """Gather every weight in the chief, in the ordinary model that `adopt` was given (on the CPU)."""
        whole = self._shared.weights(model)
        if self.group.chief:
            fill(self._skeleton, whole)
        return self._skeleton


class SharedState:
    """Weights and moments by parameter, of an optimizer that knows flat tensors only; stands for the optimizer."""

    def __init__(self, stage: int, sharded: Any, optimizer: Any, params: list[Any], shapes: list[Any]) -> None:
        """Find where every parameter's numbers lie.

        Args:
            stage: Of ZeRO.
            sharded: DeepSpeed's optimizer.
            optimizer: The one it calls.
            params: Trained parameters, in the optimizer's order before DeepSpeed took them.
            shapes: Of each, whole.
        """
        self.stage, self.optimizer, self._sharded = stage, optimizer, sharded
        self._params, self._shapes = params, shapes
        self._pieces = list(self._found())
        self._rms: Any = None

    @property
    def param_groups(self) -> Any:
        """The optimizer's; rates are set there."""
        return self.optimizer.param_groups

    def _found(self) -> Iterator[Piece]:
        index = {id(p): at for at, p in enumerate(self._params)}
        if self.stage < 3:
            for lps, flat in zip(
                self._sharded.bit16_groups, self._sharded.single_partition_of_fp32_groups, strict=True
            ):
                for p in lps:
                    place = getattr(p, "_hp_mapping", None)
                    if place is not None:
                        here, there = place.hp_fragment_address, place.lp_fragment_address
                        yield Piece(index[id(p)], flat, here.start, there.start, here.numel)
            return
        rank = dist.get_rank()
        for at, p in enumerate(self._params):
            group, start, length = self._sharded.grad_position[self._sharded.get_param_id(p)]
            left = min(length, self._shapes[at].numel() - rank * length)
            if left > 0:  # the last shards are padded
                yield Piece(at, self._sharded.fp32_partitioned_groups_flat[group], start, rank * length, left)

    def new_step(self) -> None:
        """Measure the parameters before they change."""
        if isinstance(self.optimizer, AdamwParameterScaled):
            squares = torch.zeros(len(self._params), device=self._pieces[0].flat.device if self._pieces else None)
            for piece in self._pieces:
                squares[piece.param] += _run(piece.flat.detach(), piece.start, piece.length).square().sum()
            dist.all_reduce(squares)
            sizes = torch.tensor([shape.numel() for shape in self._shapes], device=squares.device)
            self._rms = (squares / sizes).sqrt()

    def scales(self, flat: Any) -> Any:
        """Root mean square of the parameter that each number of a flat tensor belongs to: (N,)."""
        made = torch.ones_like(flat)
        for piece in self._pieces:
            if piece.flat is flat:
                _run(made, piece.start, piece.length).fill_(self._rms[piece.param])
        return made

    def weights(self, model: Any) -> dict[str, Any]:
        """Whole weights by name in the chief; all processes call it."""
        index = {id(p): at for at, p in enumerate(self._params)}
        whole = self._whole({piece.flat: piece.flat.detach() for piece in self._pieces})
        return {
            name: whole[index[id(value)]] if id(value) in index else value.detach().to("cpu", copy=True)
            for name, value in named_weights(model).items()
        }

    def moments(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Whole moments, and numbers beside them, by `index.field` as a state holds them; in the chief."""
        fields, numbers = self._fields()
        moments: dict[str, Any] = {}
        for field in fields:
            if field == "step":
                continue
            flats = {piece.flat: self.optimizer.state[piece.flat][field] for piece in self._pieces}
            for at, value in enumerate(self._whole(flats)):
                moments[f"{at}.{field}"] = value
        every = {f"{at}.{field}": value for at in range(len(self._params)) for field, value in numbers.items()}
        # A parameter's count of steps is its own in a state, though flat tensors share one.
        tensors = {key: value.clone() for key, value in every.items() if isinstance(value, torch.Tensor)}
        return moments | tensors, {key: value for key, value in every.items() if key not in tensors}

    def put_weight(self, index: int, whole: Any) -> None:
        """Take a parameter's whole value, the same in all processes, apart again."""
        if self.stage < 3:
            self._params[index].detach().copy_(whole.view(self._shapes[index]))
        for piece in self._pieces_of(index):
            values = _run(whole, piece.source, piece.length)
            _run(piece.flat.detach(), piece.start, piece.length).copy_(values)
            if self.stage == 3:
                _run(self._params[index].ds_tensor.detach(), 0, piece.length).copy_(values)

    def put_moment(self, index: int, field: str, whole: Any) -> None:
        """The same for a moment, or a number beside the moments."""
        for piece in self._pieces_of(index):
            state = self.optimizer.state[piece.flat]
            if isinstance(whole, torch.Tensor) and whole.dim():
                if field not in state:
                    state[field] = torch.zeros_like(piece.flat, dtype=whole.dtype)
                _run(state[field], piece.start, piece.length).copy_(_run(whole, piece.source, piece.length))
            else:
                state[field] = copy.deepcopy(whole)

    def index_of(self, model: Any) -> dict[str, int]:
        """Trained parameters by name."""
        index = {id(p): at for at, p in enumerate(self._params)}
        return {name: index[id(value)] for name, value in named_weights(model).items() if id(value) in index}

    def _pieces_of(self, index: int) -> list[Piece]:
        return [piece for piece in self._pieces if piece.param == index]

    def _fields(self) -> tuple[list[str], dict[str, Any]]:
        """Names of the moments, and the rest of a parameter's state; the same in all processes."""
        own = [self.optimizer.state[piece.flat] for piece in self._pieces if self.optimizer.state.get(piece.flat)]
        first: dict[str, Any] = own[0] if own else {}
        fields = [field for field, value in first.items() if isinstance(value, torch.Tensor) and value.dim()]
        told: list[Any] = [None] * dist.get_world_size()
        dist.all_gather_object(told, (fields, {k: v for k, v in first.items() if k not in fields}))
        return next(((names, numbers) for names, numbers in told if numbers), ([], {}))

    def _whole(self, flats: Mapping[Any, Any]) -> list[Any]:
        """Every parameter put together from the pieces of all processes, on the CPU, in the chief; None elsewhere."""
        made: list[Any] = []
        for at, shape in enumerate(self._shapes):
            device = self._pieces[0].flat.device if self._pieces else torch.device("cpu")
            full = torch.zeros(shape.numel(), device=device)
            for piece in self._pieces_of(at):
                _run(full, piece.source, piece.length).copy_(_run(flats[piece.flat], piece.start, piece.length))
            dist.all_reduce(full)
            made.append(full.view(shape).to("cpu", copy=True) if dist.get_rank() == 0 else None)
        return made


def _run(flat: Any, start: int, length: int) -> Any:
    return flat.reshape(-1).narrow(0, start, length) if flat.dim() != 1 else flat.narrow(0, start, length)
