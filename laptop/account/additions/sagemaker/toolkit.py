"""What the container's toolkit does between SageMaker and a training script.

Source: sagemaker-training 5.1 (environment.py, mapping.py, files.py), which the PyTorch Deep Learning Container holds.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import JobFailure
from .s3 import extract

CONTAINER_ROOT = "/opt/ml"
PROGRAM, SUBMIT = "sagemaker_program", "sagemaker_submit_directory"
TORCHRUN = "sagemaker_torch_distributed_enabled"


@dataclass(frozen=True)
class Host:
    """One instance of a job: its name in the container network, and the folder that is its `/opt/ml`."""

    name: str
    root: Path

    @property
    def code(self) -> Path:
        return self.root / "code"

    @property
    def data(self) -> Path:
        return self.root / "input" / "data"

    @property
    def model(self) -> Path:
        return self.root / "model"

    @property
    def output(self) -> Path:
        return self.root / "output"

    def local(self, value: str) -> str:
        """A container's path as it is on this machine; anything else unchanged."""
        if value == CONTAINER_ROOT or value.startswith(f"{CONTAINER_ROOT}/"):
            return f"{self.root}{value[len(CONTAINER_ROOT):]}"
        return value


@dataclass(frozen=True)
class Cluster:
    """The instances of a job and what each has."""

    hosts: list[Host]
    instance_type: str
    gpus: int
    port: int


def parse_hyperparameters(raw: dict[str, str]) -> dict[str, Any]:
    """Values are JSON where they can be read as JSON, else text."""

    def parsed(value: str) -> Any:
        try:
            return json.loads(value)
        except ValueError:
            return value

    return {name: parsed(value) for name, value in raw.items()}


def user_parameters(parameters: dict[str, Any], host: Host) -> dict[str, Any]:
    """The script's own, with container paths as they are here."""
    return {
        name: host.local(value) if isinstance(value, str) else value
        for name, value in parameters.items()
        if not name.startswith("sagemaker_")
    }


def command_line(parameters: dict[str, Any]) -> list[str]:
    """`--name value` in order of name; one-letter names get one dash."""
    words: list[str] = []
    for name in sorted(parameters):
        words += [f"--{name}" if len(name) > 1 else f"-{name}", str(parameters[name])]
    return words


def write_config(host: Host, cluster: Cluster, raw: dict[str, str], channels: list[dict]) -> None:
    """The three files under `input/config` that SageMaker writes."""
    config = host.root / "input" / "config"
    config.mkdir(parents=True, exist_ok=True)
    files = {
        "hyperparameters": raw,
        "inputdataconfig": channel_config(channels),
        "resourceconfig": resource_config(host, cluster),
    }
    for name, content in files.items():
        (config / f"{name}.json").write_text(json.dumps(content))


def channel_config(channels: list[dict]) -> dict:
    return {
        channel["ChannelName"]: {
            "TrainingInputMode": "File",
            "S3DistributionType": channel["DataSource"]["S3DataSource"].get("S3DataDistributionType", "FullyReplicated"),
            "RecordWrapperType": channel.get("RecordWrapperType", "None"),
            **({"ContentType": channel["ContentType"]} if "ContentType" in channel else {}),
        }
        for channel in channels
    }


def resource_config(host: Host, cluster: Cluster) -> dict:
    names = [each.name for each in cluster.hosts]
    return {
        "current_host": host.name,
        "current_instance_type": cluster.instance_type,
        "current_group_name": "homogeneousCluster",
        "hosts": names,
        "instance_groups": [
            {"instance_group_name": "homogeneousCluster", "instance_type": cluster.instance_type, "hosts": names}
        ],
        "network_interface_name": "lo",
    }


def fetch_code(host: Host, parameters: dict[str, Any], download) -> None:
    """Puts the submitted code into `code/`: from a local folder or tar.gz, or an `s3://` one through `download`."""
    submitted = parameters.get(SUBMIT)
    if not submitted or not parameters.get(PROGRAM):
        raise JobFailure(f"ClientError: the hyperparameters {PROGRAM} and {SUBMIT} must both be given")
    if str(submitted).startswith("s3://"):
        download(str(submitted), host.code)
        return
    source = Path(host.local(str(submitted)))
    if source.is_dir():
        shutil.copytree(source, host.code, dirs_exist_ok=True)
    elif source.is_file():
        extract(source, host.code)
    else:
        raise JobFailure(f"ClientError: {SUBMIT} {submitted} does not exist in the container")


def environment(host: Host, cluster: Cluster, parameters: dict[str, Any], channels: list[dict], job_name: str) -> dict:
    """Every `SM_…` variable that the toolkit sets for the script."""
    user = user_parameters(parameters, host)
    framework = {name: value for name, value in parameters.items() if name.startswith("sagemaker_")}
    program = str(parameters[PROGRAM])
    names = [channel["ChannelName"] for channel in channels]
    resources = resource_config(host, cluster)
    values: dict[str, Any] = {
        "SM_HOSTS": resources["hosts"],
        "SM_CURRENT_HOST": host.name,
        "SM_CURRENT_INSTANCE_TYPE": cluster.instance_type,
        "SM_CURRENT_INSTANCE_GROUP": resources["current_group_name"],
        "SM_CURRENT_INSTANCE_GROUP_HOSTS": resources["hosts"],
        "SM_INSTANCE_GROUPS": resources["instance_groups"],
        "SM_IS_HETERO": False,
        "SM_MASTER": cluster.hosts[0].name,
        "SM_NETWORK_INTERFACE_NAME": "lo",
        "SM_NUM_CPUS": os.cpu_count() or 1,
        "SM_NUM_GPUS": cluster.gpus,
        "SM_NUM_NEURONS": 0,
        "SM_HPS": user,
        "SM_USER_ENTRY_POINT": program,
        "SM_USER_ARGS": command_line(user),
        "SM_FRAMEWORK_PARAMS": framework,
        "SM_FRAMEWORK_MODULE": "sagemaker_pytorch_container.training:main",
        "SM_MODULE_NAME": Path(program).stem,
        "SM_MODULE_DIR": str(host.code),
        "SM_RESOURCE_CONFIG": resources,
        "SM_INPUT_DATA_CONFIG": channel_config(channels),
        "SM_CHANNELS": sorted(names),
        "SM_INPUT_DIR": str(host.root / "input"),
        "SM_INPUT_CONFIG_DIR": str(host.root / "input" / "config"),
        "SM_OUTPUT_DIR": str(host.output),
        "SM_OUTPUT_DATA_DIR": str(host.output / "data"),
        "SM_OUTPUT_INTERMEDIATE_DIR": str(host.output / "intermediate"),
        "SM_MODEL_DIR": str(host.model),
        "SM_LOG_LEVEL": 20,
        "SM_TRAINING_ENV": {
            "channel_input_dirs": {name: str(host.data / name) for name in names},
            "current_host": host.name,
            "hosts": resources["hosts"],
            "hyperparameters": user,
            "input_data_config": channel_config(channels),
            "job_name": job_name,
            "master_hostname": cluster.hosts[0].name,
            "model_dir": str(host.model),
            "module_dir": str(host.code),
            "module_name": Path(program).stem,
            "num_gpus": cluster.gpus,
            "output_data_dir": str(host.output / "data"),
            "output_dir": str(host.output),
            "resource_config": resources,
            "user_entry_point": program,
        },
        "TRAINING_JOB_NAME": job_name,
        **{f"SM_CHANNEL_{name.upper()}": str(host.data / name) for name in names},
        **{f"SM_HP_{name.upper()}": value for name, value in user.items()},
    }
    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in values.items()}


def entry_command(host: Host, cluster: Cluster, parameters: dict[str, Any]) -> list[str]:
    """How the toolkit runs the entry point: a shell script, Python, or Python under torchrun."""
    program = str(parameters[PROGRAM])
    if not (host.code / program).is_file():
        raise JobFailure(f"ClientError: the code holds no {program}, which {PROGRAM} names")
    words = command_line(user_parameters(parameters, host))
    if program.endswith(".sh"):
        return ["/bin/sh", program, *words]
    if not parameters.get(TORCHRUN):
        return [sys.executable, program, *words]
    count = len(cluster.hosts)
    options = ["--nnodes", str(count), "--nproc_per_node", str(max(cluster.gpus, 1))]
    if count > 1:
        # On one machine every host is this one.
        options += ["--master_addr", "127.0.0.1", "--master_port", str(cluster.port)]
        options += ["--node_rank", str(cluster.hosts.index(host))]
    return [sys.executable, "-m", "torch.distributed.run", *options, program, *words]
