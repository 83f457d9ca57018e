from pydantic import Field

from cu_pipeline.core.options import Options


class DeliverOptions(Options):
    """Parameters of the deliver pipeline.

    Attributes:
        parity_clips: clips whose served probabilities must equal the offline ones.
        tolerance: largest difference of a probability that counts as equal.
        replay_clips: further clips that are sent, so that the prediction log holds traffic to watch.
        replay_clients: requests at a time.
        start_timeout_s: seconds that the service may take to become ready.
        request_timeout_s: seconds that an answer may take.
        bentoml_home: folder of the Bento store, relative to the project's root; BentoML's own default is
            the user's home.
        prediction_log: folder of the service's prediction log, relative to the project's root.
        service_log: file that the service's output is kept in, relative to the project's root.
    """

    parity_clips: int = Field(default=3, ge=1)
    tolerance: float = Field(default=1e-4, gt=0, lt=1)
    replay_clips: int = Field(default=40, ge=0)
    replay_clients: int = Field(default=2, ge=1)
    start_timeout_s: float = Field(default=120.0, gt=0)
    request_timeout_s: float = Field(default=120.0, gt=0)
    bentoml_home: str = "data/06_models/bentoml"
    prediction_log: str = "data/07_model_output/prediction_log"
    service_log: str = "data/08_reporting/service.log"
