"""The processes of one training, by torch.distributed: gloo on CPUs, NCCL on GPUs; alone where there is one."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from .errors import SegueError, one_line

PATIENCE = timedelta(hours=24)  # others wait while the first process chooses settings and judges the model
T = TypeVar("T")


@dataclass(frozen=True)
class Group:
    """This process among those of the job. Every method but the properties is called by all of them together."""

    rank: int = 0
    size: int = 1

    @property
    def first(self) -> bool:
        return self.rank == 0

    def sum(self, tensor: Tensor) -> Tensor:
        """The sum over the processes, in place."""
        if self.size > 1:
            dist.all_reduce(tensor)
        return tensor

    def most(self, number: int, device: torch.device) -> int:
        if self.size == 1:
            return number
        found = torch.tensor(number, device=device)
        dist.all_reduce(found, dist.ReduceOp.MAX)
        return int(found)

    def from_first(self, *tensors: Tensor) -> None:
        """The first process' values for everybody, in place: machines may round differently."""
        if self.size > 1:
            for tensor in tensors:
                dist.broadcast(tensor, 0)

    def collect(self, rows: Tensor) -> Tensor:
        """Everybody's rows [n, k], of equal number: [size, n, k]."""
        if self.size == 1:
            return rows.unsqueeze(0)
        found = rows.new_empty(self.size, *rows.shape)
        dist.all_gather(list(found.unbind(0)), rows.contiguous())
        return found

    def exchange(self, rows: Tensor, to: list[int], coming: list[int] | None = None) -> tuple[Tensor, list[int]]:
        """Sends `to[q]` rows to process q, in that order. Returns those that came, by sender, and how many from each;
        `coming` says that where it is known."""
        if self.size == 1:
            return rows, to
        if coming is None:
            counts = torch.tensor(to, device=rows.device)
            found = torch.empty_like(counts)
            dist.all_to_all_single(found, counts)
            coming = found.tolist()
        result = rows.new_empty(sum(coming), *rows.shape[1:])
        dist.all_to_all_single(result, rows.contiguous(), coming, to)
        return result, coming

    def decided(self, work: Callable[[], T]) -> T:
        """What `work` returns in the first process, the others waiting. What it raises is raised in all."""
        if self.size == 1:
            return work()
        answer: list[object] = [None, None]
        problem: Exception | None = None
        if self.first:
            try:
                answer = [work(), None]
            except Exception as error:
                problem, answer = error, [None, one_line(error)]
        dist.broadcast_object_list(answer, 0)
        if problem is not None:
            raise problem
        if answer[1] is not None:
            raise SegueError(str(answer[1]))
        return answer[0]  # type: ignore[return-value]

    def leave(self) -> None:
        if self.size > 1 and dist.is_initialized():
            dist.destroy_process_group()


def join(device: torch.device) -> Group:
    """Joins the processes that torchrun started (`RANK`, `WORLD_SIZE`); alone without it. Raises SegueError when the
    instances of a job were started without torchrun: each would train a model of its own."""
    size = int(os.environ.get("WORLD_SIZE") or 1)
    if size == 1:
        hosts = os.environ.get("SM_HOSTS", "").count('"') // 2
        if hosts > 1 and "RANK" not in os.environ:
            raise SegueError(
                f"{hosts} instances, and no torchrun: set the hyperparameter sagemaker_torch_distributed_enabled to true"
            )
        return Group()
    network = os.environ.get("SM_NETWORK_INTERFACE_NAME")
    if network in {name for _, name in socket.if_nameindex()}:
        os.environ.setdefault("GLOO_SOCKET_IFNAME", network)
        os.environ.setdefault("NCCL_SOCKET_IFNAME", network)
    if device.type == "cuda":
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK") or 0))
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=PATIENCE)
    return Group(dist.get_rank(), dist.get_world_size())
