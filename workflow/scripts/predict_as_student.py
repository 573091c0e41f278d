"""Predict the evaluation images with a teacher, in the input of a student."""

from transfer_atlas.jobs.gpus import claim_gpu
from transfer_atlas.jobs.log import logged

with logged(snakemake.log[0]):
    claim_gpu()
    import torch

    from transfer_atlas.logits.model import StudyModel
    from transfer_atlas.transfer.as_student import predict_as_student
    from transfer_atlas.zoo.build import default_device

    inputs, params = snakemake.input, snakemake.params
    torch.set_num_threads(snakemake.threads)
    predict_as_student(
        teacher=StudyModel(**params.teacher, weights=inputs.get("weights") or None, device=default_device()),
        student=params.student,
        pixels=inputs.pixels,
        predictions=inputs.predictions,
        output=snakemake.output[0],
        on_error=snakemake.config["on_error"],  # no parameter: it reruns what failed, and nothing else
    )
