"""The loop as an Airflow 3 DAG: one call of `kedro iterate` an hour.

Put this file into Airflow's folder of DAGs, and set two Airflow variables: `cu_pipeline_root`, the checkout that
iterates, and, where secrets are needed, `cu_pipeline_env`, a file that sets them. The checkout has its own virtual
environment, so that Airflow's packages and the project's do not meet.

An iteration keeps its state in the project. A call that waits for people, or that a person holds, is skipped in Airflow
(exit codes 3 and 4), and the next one looks again. One that failed is tried once more, and goes on where it stopped.
"""

from datetime import datetime, timedelta

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG

WAITS = [3, 4]

COMMAND = """
set -eu
cd "{{ var.value.cu_pipeline_root }}"
environment="{{ var.value.get('cu_pipeline_env', '') }}"
if [ -n "$environment" ]; then . "$environment"; fi
. .venv/bin/activate
kedro iterate
"""

with DAG(
    dag_id="cu_pipeline_iterate",
    description="From drift to a new champion: monitor, label, train, promote",
    schedule="@hourly",
    start_date=datetime(2026, 1, 1),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=6),
    tags=["cu-pipeline"],
):
    BashOperator(
        task_id="iterate",
        bash_command=COMMAND,
        skip_on_exit_code=WAITS,
        append_env=True,
        retries=1,
        retry_delay=timedelta(minutes=5),
    )
