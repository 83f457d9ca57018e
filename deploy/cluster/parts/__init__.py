"""The parts in the order in which they start."""

from collections.abc import Iterator

from deploy.cluster.parts import mlflow, postgres, ray, s3
from deploy.cluster.processes import Part
from deploy.cluster.settings import Settings

MAKERS = {"postgres": postgres.parts, "s3": s3.parts, "mlflow": mlflow.parts, "ray": ray.parts}
"""What can be asked for -> what makes its parts; each needs those before it, Ray none."""

NEEDS = {"mlflow": ("postgres", "s3")}


def chosen(settings: Settings, names: list[str]) -> Iterator[Part]:
    """Make the parts that are asked for and those that they need, one by one, so that each may use the one before.

    Args:
        settings: of the cluster.
        names: of `MAKERS`; empty: all.
    """
    wanted = set(names or MAKERS)
    wanted |= {need for name in wanted for need in NEEDS.get(name, ())}
    for name, make in MAKERS.items():
        if name in wanted:
            yield from make(settings)
