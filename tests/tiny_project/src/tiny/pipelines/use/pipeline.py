from kedro.pipeline import Node, Pipeline

from tiny.pipelines.use.nodes import increase


def create_pipeline(**kwargs) -> Pipeline:
    return Pipeline([Node(increase, ["number", "params:use"], "metrics", name="increase_number")])
