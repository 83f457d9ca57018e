"""People's batches and answers in the database that they share; the files in clones are copies of these lines."""

from collections.abc import Iterator
from functools import partial

from cu_pipeline.core.addresses import hide_passwords
from cu_pipeline.erasure.identities import Identities
from cu_pipeline.erasure.project import Place, Project, Wanted
from cu_pipeline.erasure.rewriting import rewritten
from cu_pipeline.labeling.people.shared_erasing import erase_lines, is_unfinished, read_rows


def find(project: Project, wanted: Wanted) -> Iterator[Place]:
    """Lines about erased clips; each becomes what it becomes in the file, so neither brings it back to the other."""
    if project.database is None:
        return
    lines = [line for _, _, line in read_rows(project.database)]
    told = [line for line in lines if _cleaned(wanted.identities, line) != line]
    if told or is_unfinished(project.database):
        what = f"{hide_passwords(project.database)}: people's batches and answers"
        yield Place(what, len(told), sum(map(len, told)), "rewritten",
                    partial(erase_lines, project.database, partial(_cleaned, wanted.identities)))  # fmt: skip


def _cleaned(wanted: Identities, line: bytes) -> bytes:
    return rewritten(line, ".jsonl", wanted, None).content or b""
