"""The predictor behind FastAPI, as one writes it in ten minutes: `uvicorn serving.plain_fastapi:app`."""

import os
import tempfile
from pathlib import Path
from typing import Annotated

from fastapi import FastAPI, Form, UploadFile

from cu_pipeline.inference.predictor import Predictor

app = FastAPI()
predictor = Predictor.load(Path(os.environ["CU_PIPELINE_BUNDLES"]))


@app.post("/classify")
def classify(video: UploadFile | None = None, caption: Annotated[str, Form()] = ""):
    with tempfile.TemporaryDirectory() as folder:
        media = None
        if video is not None:
            media = Path(folder) / "clip.mp4"
            media.write_bytes(video.file.read())
        found = predictor.predict(media, caption)
    return {"labels": found.labels, "probabilities": found.probabilities}
