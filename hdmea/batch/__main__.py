"""Print the schemas that Snakemake checks: ``python -m hdmea.batch config`` or ``recordings``."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from hdmea.batch.config import config_schema
from hdmea.batch.recordings import recordings_schema


def main(arguments: Sequence[str]) -> None:
    """Print a schema as YAML."""
    import yaml

    schemas = {"config": config_schema, "recordings": recordings_schema}
    if len(arguments) != 1 or arguments[0] not in schemas:
        raise SystemExit(f"usage: python -m hdmea.batch {{{'|'.join(schemas)}}}")
    sys.stdout.write("# Made from the models in hdmea/ by `make schemas`; change them, not this.\n")
    yaml.safe_dump(schemas[arguments[0]](), sys.stdout, sort_keys=False, allow_unicode=True)


if __name__ == "__main__":
    main(sys.argv[1:])
