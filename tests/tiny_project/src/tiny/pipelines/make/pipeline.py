from kedro.pipeline import Node, Pipeline

from tiny.pipelines.make.nodes import produce


def create_pipeline(**kwargs) -> Pipeline:
    return Pipeline([Node(produce, ["params:make", "params:seed"], "number", name="produce_number")])
