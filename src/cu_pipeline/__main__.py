"""`python -m cu_pipeline` and the command `cu-pipeline`: Kedro's commands and this project's."""

from cu_pipeline.core.telemetry import switch_off


def main() -> None:
    """Run Kedro's command line in the project that the working folder belongs to."""
    switch_off()
    from kedro.framework.cli import main as kedro

    kedro()


if __name__ == "__main__":
    main()
