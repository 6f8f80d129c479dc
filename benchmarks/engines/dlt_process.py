"""The process of `dlt_merge.py`, in dlt's own virtual environment: it imports nothing of this project.

For each line of standard input, which names a JSON file with a list of rows, it merges the rows and prints a
line. Its one argument is a JSON object.
"""

import json
import sys
from pathlib import Path

import dlt


def main() -> None:
    """Merge what standard input names until it ends."""
    arguments = json.loads(sys.argv[1])
    pipeline = dlt.pipeline(
        pipeline_name="products",
        pipelines_dir=arguments["directory"],
        destination=dlt.destinations.postgres(credentials=arguments["dsn"]),
        dataset_name="dlt_catalog",
    )
    for line in sys.stdin:
        pipeline.run(
            json.loads(Path(line.rstrip()).read_bytes()),
            table_name="products",
            write_disposition={"disposition": "merge", "strategy": "upsert"},
            primary_key="product_id",
            columns=arguments["columns"],
            loader_file_format=arguments["file_format"],
        )
        sys.stdout.write("merged\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
