"""Write the merged config that the run really used."""

import yaml

from transfer_atlas.jobs.log import logged

with logged(snakemake.log[0]):
    from transfer_atlas.store.files import save_text

    save_text(snakemake.output[0], yaml.safe_dump(snakemake.params.config, sort_keys=False))
