"""What a training script finds: arguments, variables, files and code, as in the container."""

import io
import json
import tarfile

import pytest
from additions.sagemaker import toolkit
from additions.sagemaker.errors import JobFailure
from additions.sagemaker.s3 import extract, relative_name
from additions.sagemaker.toolkit import Cluster, Host

CHANNELS = [
    {"ChannelName": "interactions", "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://b/i"}}},
    {"ChannelName": "code", "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://b/c"}}},
]
RAW = {
    "sagemaker_program": "train.py",
    "sagemaker_submit_directory": "/opt/ml/input/data/code/source.tar.gz",
    "factors": "64",
    "k": "20",
    "rate": "0.5",
    "name": "iALS",
    "weighted": "true",
    "from": "/opt/ml/input/data/interactions",
}


@pytest.fixture
def host(tmp_path):
    return Host("algo-1", tmp_path / "opt" / "ml")


@pytest.fixture
def cluster(host, tmp_path):
    return Cluster([host, Host("algo-2", tmp_path / "algo-2" / "opt" / "ml")], "ml.m5.xlarge", 0, 7777)


def put_code(host, name="train.py"):
    host.code.mkdir(parents=True)
    (host.code / name).write_text("")


def test_hyperparameters_become_arguments_in_order_of_name(host, cluster):
    put_code(host)
    command = toolkit.entry_command(host, Cluster([host], "ml.m5.xlarge", 0, 1), toolkit.parse_hyperparameters(RAW))
    assert command[1:] == [
        "train.py",
        *("--factors", "64", "--from", f"{host.root}/input/data/interactions"),
        *("-k", "20", "--name", "iALS", "--rate", "0.5", "--weighted", "True"),
    ]


def test_torchrun_gets_every_host_its_rank(host, cluster):
    for each in cluster.hosts:
        put_code(each)
    parameters = toolkit.parse_hyperparameters({**RAW, "sagemaker_torch_distributed_enabled": "true"})
    second = toolkit.entry_command(cluster.hosts[1], cluster, parameters)
    assert second[1:11] == [
        *("-m", "torch.distributed.run", "--nnodes", "2", "--nproc_per_node", "1"),
        *("--master_addr", "127.0.0.1", "--master_port", "7777"),
    ]
    assert second[11:14] == ["--node_rank", "1", "train.py"]


def test_the_variables_name_folders_that_lie_where_they_say(host, cluster):
    given = toolkit.environment(host, cluster, toolkit.parse_hyperparameters(RAW), CHANNELS, "run-train")
    assert given["SM_CHANNEL_INTERACTIONS"] == f"{host.root}/input/data/interactions"
    assert given["SM_MODEL_DIR"] == f"{host.root}/model"
    assert given["SM_OUTPUT_DATA_DIR"] == f"{host.root}/output/data"
    assert json.loads(given["SM_CHANNELS"]) == ["code", "interactions"]
    assert json.loads(given["SM_HOSTS"]) == ["algo-1", "algo-2"]
    assert given["SM_CURRENT_HOST"] == "algo-1"
    assert given["SM_NUM_GPUS"] == "0"
    assert given["SM_HP_FACTORS"] == "64"
    assert given["SM_HP_NAME"] == "iALS"
    assert json.loads(given["SM_HPS"])["weighted"] is True
    assert "sagemaker_program" not in json.loads(given["SM_HPS"])
    assert given["TRAINING_JOB_NAME"] == "run-train"


def test_the_config_files_hold_what_sagemaker_was_given(host, cluster):
    toolkit.write_config(host, cluster, RAW, CHANNELS)
    config = host.root / "input" / "config"
    assert json.loads((config / "hyperparameters.json").read_text()) == RAW
    assert json.loads((config / "resourceconfig.json").read_text())["current_host"] == "algo-1"
    assert json.loads((config / "inputdataconfig.json").read_text())["code"]["S3DistributionType"] == "FullyReplicated"


def no_download(uri, folder):
    raise AssertionError("nothing is to be downloaded")


def tar(file, names):
    file.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(file, "w:gz") as archive:
        for name, content in names.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


def test_code_comes_from_a_tar_gz_of_a_channel(host):
    tar(host.data / "code" / "source.tar.gz", {"train.py": b"print()", "segue_ml/als.py": b""})
    toolkit.fetch_code(host, toolkit.parse_hyperparameters(RAW), no_download)
    assert (host.code / "train.py").read_text() == "print()"
    assert (host.code / "segue_ml" / "als.py").is_file()


def test_code_comes_from_a_folder_of_a_channel(host):
    (host.data / "code").mkdir(parents=True)
    (host.data / "code" / "train.py").write_text("print()")
    raw = {**RAW, "sagemaker_submit_directory": "/opt/ml/input/data/code"}
    toolkit.fetch_code(host, toolkit.parse_hyperparameters(raw), no_download)
    assert (host.code / "train.py").is_file()


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        ({"sagemaker_program": "train.py"}, "must both be given"),
        ({**RAW, "sagemaker_submit_directory": "/opt/ml/nowhere"}, "/opt/ml/nowhere does not exist in the container"),
    ],
)
def test_missing_code_fails_the_job_with_its_reason(host, raw, words):
    with pytest.raises(JobFailure, match=words):
        toolkit.fetch_code(host, toolkit.parse_hyperparameters(raw), no_download)


def test_a_program_that_the_code_lacks_is_named(host, cluster):
    put_code(host, "other.py")
    with pytest.raises(JobFailure, match="the code holds no train.py"):
        toolkit.entry_command(host, cluster, toolkit.parse_hyperparameters(RAW))


def test_an_archive_cannot_write_outside_its_folder(tmp_path):
    tar(tmp_path / "bad.tar.gz", {"../escaped": b"x"})
    with pytest.raises(JobFailure, match="escaped"):
        extract(tmp_path / "bad.tar.gz", tmp_path / "in")
    assert not (tmp_path / "escaped").exists()


def test_what_is_no_archive_is_told(tmp_path):
    (tmp_path / "not.tar.gz").write_text("plain")
    with pytest.raises(JobFailure, match="not.tar.gz is not a tar.gz archive"):
        extract(tmp_path / "not.tar.gz", tmp_path / "in")


@pytest.mark.parametrize(
    ("prefix", "key", "name"),
    [
        ("in/", "in/a/b", "a/b"),
        ("in", "in/a/b", "a/b"),
        ("in/part", "in/part-1", "part-1"),
        ("in/source.tar.gz", "in/source.tar.gz", "source.tar.gz"),
        ("source.tar.gz", "source.tar.gz", "source.tar.gz"),
        ("", "a/b", "a/b"),
    ],
)
def test_where_an_object_of_a_channel_lies(prefix, key, name):
    assert relative_name(prefix, key) == name


@pytest.mark.parametrize("value", ["/opt/ml", "/opt/ml/model"])
def test_container_paths_are_those_of_the_job(host, value):
    assert host.local(value) == value.replace("/opt/ml", str(host.root))


@pytest.mark.parametrize("value", ["/opt/mlx", "s3://opt/ml", "model", "x/opt/ml"])
def test_other_values_stay(host, value):
    assert host.local(value) == value
