import hashlib
import json
from pathlib import Path


def dvc_md5(path: Path) -> str | None:
    """Give the hash that `dvc.lock` has for a file or folder; None when there is neither.

    Args:
        path: a file (MD5 of its bytes) or a folder (MD5 of the JSON list of its files, with the suffix `.dir`).
    """
    if path.is_file():
        return _file_md5(path)
    if not path.is_dir():
        return None
    files = sorted((file.relative_to(path), file) for file in path.rglob("*") if file.is_file())
    entries = [{"md5": _file_md5(file), "relpath": name.as_posix()} for name, file in files]
    entries.sort(key=lambda entry: entry["relpath"])
    return hashlib.md5(json.dumps(entries).encode(), usedforsecurity=False).hexdigest() + ".dir"


def _file_md5(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
