"""Reading the files of a checkpoint by transformers, with errors that say which checkpoint and why."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from cu_pipeline.core.errors import ConfigurationError

_VOCABULARIES: Final = ("tokenizer.json", "vocab.txt", "vocab.json", "*.model")


@contextmanager
def loading(folder: Path) -> Iterator[None]:
    """Say which checkpoint cannot be loaded, and why; keep transformers from drawing bars and from lesser remarks.

    Raises:
        ConfigurationError: in place of what transformers raises.
    """
    from safetensors import SafetensorError
    from transformers.utils import logging

    drawn, verbosity = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        yield
    except (OSError, ValueError, LookupError, ImportError, RuntimeError, SafetensorError) as error:
        why = str(error).strip().partition("\n")[0]
        raise ConfigurationError(
            f"checkpoint {folder} cannot be loaded ({type(error).__name__}: {why}). Allowed: a model that this version "
            "of transformers knows, with all its weights; download or save it again, or name another one"
        ) from error
    finally:
        logging.set_verbosity(verbosity)
        if drawn:
            logging.enable_progress_bar()


def tokenizer_of(folder: Path) -> Any:
    """Load a checkpoint's tokenizer.

    Raises:
        ConfigurationError: it has none that knows words and can pad.
    """
    from transformers import AutoTokenizer

    with loading(folder):
        found = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        absent = not any(any(folder.glob(pattern)) for pattern in _VOCABULARIES)
        if absent and len(found) <= len(found.all_special_tokens) + 1:  # transformers makes an empty one up
            raise ValueError(f"it has none of {', '.join(_VOCABULARIES)}")
        if found.pad_token_id is None:
            raise ValueError("the tokenizer has no token to pad with")
        return found
