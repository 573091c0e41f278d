"""Write the merged config that the run really used."""

from pathlib import Path

import yaml

from transfer_atlas.jobs import logged

with logged(snakemake.log[0]):
    Path(snakemake.output[0]).write_text(yaml.safe_dump(snakemake.params.config, sort_keys=False))
