"""One process of a fit: `python -m cu_pipeline.models.fine_tuning_process FOLDER`."""

import json
import logging
import math
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import PrinterCallback, TrainingArguments, set_seed

from cu_pipeline.core.atomic import write_text
from cu_pipeline.core.errors import ConfigurationError, CuPipelineError, DivergedError
from cu_pipeline.features.checkpoint import device_of, dtype_of, locate
from cu_pipeline.models.families import FAMILIES
from cu_pipeline.models.family import History
from cu_pipeline.models.fine_tuning_launch import DIVERGED, FAILURE, OUT_OF_MEMORY, SAID, OutOfDeviceMemoryError
from cu_pipeline.models.fine_tuning_options import FineTuningOptions
from cu_pipeline.models.fine_tuning_tasks import TASKS
from cu_pipeline.models.fine_tuning_trainer import (
    ClassifierTrainer,
    Collator,
    Contents,
    Objective,
    PlainNetwork,
    ran_away,
)
from cu_pipeline.models.fit_job import (
    CHECKPOINTS,
    TRAINING,
    VALIDATION,
    FitJob,
    FitRows,
    last_checkpoint,
    write_result,
)
from cu_pipeline.models.network_weights import PREFIX, quiet_transformers

_log = logging.getLogger(__name__)


def run(folder: Path) -> None:
    """Take part in the fit of a folder, from its last checkpoint if there is one; the first process writes the result.

    Raises:
        OutOfDeviceMemoryError: the device has too little memory for the job's part of a step.
    """
    from accelerate.utils.memory import should_reduce_batch_size

    job = FitJob.read(folder)
    torch.set_num_threads(job.threads)
    try:
        with quiet_transformers():
            _fit(job, folder)
    except RuntimeError as error:
        if not should_reduce_batch_size(error):
            raise
        _release_memory()
        raise OutOfDeviceMemoryError(str(error)) from None


def _fit(job: FitJob, folder: Path) -> None:
    options = FAMILIES[job.task].options.model_validate(job.options)
    if not isinstance(options, FineTuningOptions):
        raise TypeError(f"family {job.task!r} is not fine-tuned")
    training, validation = FitRows.read(folder / TRAINING), FitRows.read(folder / VALIDATION)
    arguments = _arguments(job, options, folder, len(training), validates=len(validation) > 0)
    task = TASKS[job.task](locate(options.checkpoint).folder, options)
    set_seed(job.seed)
    trainer = ClassifierTrainer(
        PlainNetwork(_adapted(task.network(job.classes), options)),
        arguments,
        task=task,
        objective=Objective(training, job.kind, options),
        options=options,
        train_dataset=Contents(training, task, job.seed),
        eval_dataset=Contents(validation, task, None),
        data_collator=Collator(task),
    )
    trainer.remove_callback(PrinterCallback)
    resumed = last_checkpoint(folder, job.processes)
    started = time.monotonic()
    trainer.train(resume_from_checkpoint=str(resumed) if resumed else None)
    if trainer.is_world_process_zero():
        fitted = trainer.accelerator.unwrap_model(trainer.model, keep_torch_compile=False).network
        fitted = fitted.merge_and_unload() if options.lora else fitted
        beside, weights = task.kept()
        arrays = {PREFIX + name: _array(value) for name, value in fitted.state_dict().items()}
        config = {"network": fitted.config.to_diff_dict() | {"model_type": fitted.config.model_type}} | beside
        cost = _cost(job, trainer, started, options.batch_size)
        history = _history(trainer.state.log_history)
        _check(job, options, arrays, trainer.state.log_history)
        write_result(folder, _plain(config), arrays | dict(weights), history, cost)
    trainer.accelerator.wait_for_everyone()


def _arguments(
    job: FitJob, options: FineTuningOptions, folder: Path, clips: int, *, validates: bool
) -> TrainingArguments:
    device = device_of(options.device)
    dtype = dtype_of(options.precision, device)
    parts = max(round(options.batch_size / (job.part * job.processes)), 1)
    steps = options.epochs * math.ceil(math.ceil(clips / (job.part * job.processes)) / parts)
    arguments = TrainingArguments(
        output_dir=str(folder / CHECKPOINTS),
        num_train_epochs=options.epochs,
        per_device_train_batch_size=job.part,
        per_device_eval_batch_size=job.part,
        gradient_accumulation_steps=parts,
        learning_rate=options.learning_rate,
        weight_decay=options.weight_decay,
        lr_scheduler_type="cosine",
        # whole steps, rounded down: of a fit of a few steps the trainer would spend the only one at a rate of 0
        warmup_steps=int(options.warmup * steps),
        eval_strategy="epoch" if validates else "no",
        save_strategy="epoch",
        save_total_limit=2,
        load_best_model_at_end=validates,
        metric_for_best_model="eval_loss",
        greater_is_better=False,
        restore_callback_states_from_checkpoint=True,
        # each step is logged, so that a resumed fit has the records of all
        logging_strategy="steps",
        logging_steps=1,
        logging_nan_inf_filter=False,
        label_names=["labels"],
        prediction_loss_only=True,
        remove_unused_columns=False,
        use_cpu=device == "cpu",
        bf16=dtype is torch.bfloat16,
        fp16=dtype is torch.float16,
        torch_compile=options.compile,
        dataloader_num_workers=options.workers,
        dataloader_pin_memory=device != "cpu",
        ddp_find_unused_parameters=False,
        disable_tqdm=True,
        report_to=[],
        seed=job.seed,
        # on a GPU some layers of networks have no deterministic form
        full_determinism=device == "cpu",
    )
    if job.processes == 1 and arguments.n_gpu > 1:
        arguments._n_gpu = 1  # else the trainer would spread each step over all GPUs by threads
    return arguments


def _adapted(network: Any, options: FineTuningOptions) -> Any:
    """Put low-rank matrices beside the weights, and compute activations twice, where that is asked for."""
    if options.gradient_checkpointing:
        network.config.use_cache = False
        network.activation_checkpointing_enable({"use_reentrant": False})
    if options.lora is None:
        return network
    from peft import LoraConfig, TaskType, get_peft_model

    lora = options.lora
    targets = lora.targets if isinstance(lora.targets, str) else list(lora.targets)
    head = [name for name, _ in network.named_children() if name in ("classifier", "score", "pooler", "fc_norm")]
    config = LoraConfig(
        r=lora.rank, lora_alpha=lora.alpha, lora_dropout=lora.dropout, target_modules=targets, modules_to_save=head,
        task_type=TaskType.SEQ_CLS if hasattr(network, "get_input_embeddings") else None,
    )  # fmt: skip
    if options.gradient_checkpointing:
        network.enable_input_require_grads()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)
        try:
            return get_peft_model(network, config)
        except ValueError as error:
            layers = sorted({name.rpartition(".")[2] for name, one in network.named_modules() if _is_linear(one)})
            raise ConfigurationError(
                f"lora.targets={lora.targets!r} fits no layer of the network; allowed: all-linear, or some of "
                f"{', '.join(layers)}"
            ) from error


def _is_linear(module: Any) -> bool:
    return isinstance(module, torch.nn.Linear)


def _array(value: Tensor) -> Any:
    value = value.detach().cpu().contiguous()
    return (value.float() if value.is_floating_point() else value).numpy()


def _plain(config: dict[str, Any]) -> dict[str, Any]:
    """The configuration as JSON has it."""
    found: dict[str, Any] = json.loads(json.dumps(config, default=str))
    return found


def _cost(job: FitJob, trainer: ClassifierTrainer, started: float, batch_size: int) -> dict[str, Any]:
    """What the fit took, for the log."""
    told: dict[str, Any] = {"steps": trainer.state.global_step, "seconds": round(time.monotonic() - started, 1)}
    if (fast := trainer.course.steps_per_s) is not None:
        told["clips a second"] = round(fast * batch_size, 1)
    told["device"] = str(trainer.args.device)
    if trainer.args.device.type == "cuda":
        told["peak GPU memory (GB)"] = round(torch.cuda.max_memory_allocated() / 1e9, 2)
    return told | {"processes": job.processes, "clips at a time": job.part}


def _check(job: FitJob, options: FineTuningOptions, arrays: dict[str, Any], log: list[dict[str, float]]) -> None:
    """Let no weights pass that are no numbers, and say where the fit ran away after the epoch that is kept.

    Raises:
        DivergedError: no epoch had weights that can be used.
    """
    lost = [record for record in log if ran_away(record, half=options.precision == "float16")]
    validated = [record["eval_loss"] for record in log if "eval_loss" in record]
    usable = all(np.isfinite(values).all() for values in arrays.values())
    usable = usable and (not validated or any(map(math.isfinite, validated)))
    if not lost and usable:
        return
    where = f"in epoch {math.ceil(round(lost[0]['epoch'], 6))}" if lost else "at its end"
    remedy = f"lower train.{job.task}.learning_rate={options.learning_rate:g}"
    if options.precision == "float16":
        remedy += ", or set precision: auto"
    if not usable:
        raise DivergedError(f"train.{job.task}: the loss ran away {where}, and no model came of it: {remedy}")
    _log.warning("%s: the loss ran away %s; the best epoch before is kept: %s", job.task, where, remedy)


def _history(log: list[dict[str, float]]) -> History:
    """A record an epoch: the mean training loss of its steps, the last learning rate, the validation loss."""
    rows: dict[int, dict[str, float]] = {}
    losses: dict[int, list[float]] = {}
    for record in log:
        epoch = math.ceil(round(record["epoch"], 6))
        row = rows.setdefault(epoch, {"epoch": epoch})
        if "loss" in record:
            losses.setdefault(epoch, []).append(record["loss"])
            row |= {"loss": sum(losses[epoch]) / len(losses[epoch]), "learning_rate": record["learning_rate"]}
        if math.isfinite(record.get("eval_loss", math.nan)):
            row["val_loss"] = record["eval_loss"]
    return [row for row in rows.values() if math.isfinite(row.get("loss", math.nan))]


def _release_memory() -> None:
    import gc

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def take_part(folder: Path) -> None:
    """Take part in a fit that others wait for, and leave in its folder why not, where it cannot go on.

    Raises:
        CuPipelineError: as `run` does.
        OutOfDeviceMemoryError: as `run` does.
    """
    try:
        run(folder)
    except CuPipelineError as error:
        write_text(folder / (DIVERGED if isinstance(error, DivergedError) else FAILURE), str(error))
        raise
    except OutOfDeviceMemoryError:
        (folder / OUT_OF_MEMORY).touch()
        raise


def take_part_away(folder: Path) -> None:
    """Take part in a fit on a machine whose log nobody reads: warnings are kept in the folder.

    Raises:
        CuPipelineError: as `run` does.
        OutOfDeviceMemoryError: as `run` does.
    """
    kept = logging.FileHandler(folder / SAID, encoding="utf-8", delay=True)
    kept.setLevel(logging.WARNING)
    logger = logging.getLogger("cu_pipeline")
    logger.addHandler(kept)
    try:
        take_part(folder)
    finally:
        logger.removeHandler(kept)
        kept.close()


def main() -> None:
    """Take part in the fit of the folder that is named."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        take_part(Path(sys.argv[1]))
    except (CuPipelineError, OutOfDeviceMemoryError):
        sys.exit(1)


if __name__ == "__main__":
    main()
