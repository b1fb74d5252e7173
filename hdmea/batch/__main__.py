"""Print what is made of the models: ``python -m hdmea.batch config``, ``recordings``, ``options``.

The first two are the schemas that Snakemake checks, the third is the page of all options.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from hdmea.batch.config import config_schema
from hdmea.batch.options import options_page
from hdmea.batch.recordings import recordings_schema


def main(arguments: Sequence[str]) -> None:
    """Print a schema as YAML, or the page."""
    import yaml

    schemas = {"config": config_schema, "recordings": recordings_schema}
    if len(arguments) != 1 or arguments[0] not in (*schemas, "options"):
        raise SystemExit(f"usage: python -m hdmea.batch {{{'|'.join(schemas)}|options}}")
    if arguments[0] == "options":
        sys.stdout.write(options_page())
        return
    sys.stdout.write("# Made from the models in hdmea/ by `make schemas`; change them, not this.\n")
    yaml.safe_dump(schemas[arguments[0]](), sys.stdout, sort_keys=False, allow_unicode=True)


if __name__ == "__main__":
    main(sys.argv[1:])
