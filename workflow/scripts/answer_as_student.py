"""Ask a teacher about the evaluation images as a student sees them."""

from transfer_atlas.jobs.gpus import claim_gpu
from transfer_atlas.jobs.log import logged

with logged(snakemake.log[0]):
    claim_gpu()
    import torch

    from transfer_atlas.transfer.as_student import answer_as_student
    from transfer_atlas.zoo.build import default_device

    inputs, params = snakemake.input, snakemake.params
    torch.set_num_threads(snakemake.threads)
    answer_as_student(
        weights=inputs.get("weights") or None,
        pixels=inputs.pixels,
        predictions=inputs.predictions,
        output=snakemake.output[0],
        on_error=snakemake.config["on_error"],  # no parameter: it reruns what failed, and nothing else
        device=default_device(),
        **{name: params[name] for name in ("teacher", "student", "classes", "input_size", "inference")},
    )
