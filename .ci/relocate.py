"""Set the paths right in virtual environments that were moved or copied with their project.

Their commands name the place where they were made, so a copy would run its original's code, and a moved one nothing.
Usage: python .ci/relocate.py FOLDER...
"""

import re
import sys
from pathlib import Path


def relocate(environment: Path) -> None:
    """Replace the former project's folder in an environment's commands and paths, `pyvenv.cfg` last."""
    made = environment / "pyvenv.cfg"
    found = re.search(r"^command = .* -m venv (?:--\S+ )*(.+)$", made.read_text(), re.MULTILINE)
    if found is None or (Path(found[1]).exists() and environment.samefile(found[1])):
        return
    sys.stdout.write(f"{environment} was made in {found[1]}: its paths are set right\n")
    before, after = str(Path(found[1]).parent), str(environment.parent)
    former = re.compile(rf"(?<![\w./-]){re.escape(before)}/|(?<=file://){re.escape(before)}(?=[/\"])".encode())
    packages = list(environment.glob("lib/python*/site-packages"))
    names = ("*.pth", "__editable__*.py", "*.dist-info/direct_url.json")
    for path in [
        *environment.glob("bin/*"),
        *(file for one in packages for name in names for file in one.glob(name)),
        made,
    ]:
        if path.is_symlink() or not path.is_file() or b"\0" in (content := path.read_bytes()):
            continue
        changed = former.sub(lambda match: after.encode() + (b"/" if match[0].endswith(b"/") else b""), content)
        if changed != content:
            path.write_bytes(changed)


if __name__ == "__main__":
    for folder in map(Path, sys.argv[1:]):
        if (folder / "pyvenv.cfg").is_file():
            relocate(folder.resolve())
