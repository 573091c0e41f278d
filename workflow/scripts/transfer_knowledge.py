"""Transfer from several teachers to fresh copies of one student, in one process."""

from transfer_atlas.jobs import logged

with logged(snakemake.log[0]):
    from dataclasses import asdict
    from functools import partial

    import pandas as pd
    import torch

    from transfer_atlas.checkpoint import Checkpoint, checkpoint_of, describe_files, stop_on_signals
    from transfer_atlas.images import make_views
    from transfer_atlas.logits import open_logits
    from transfer_atlas.pairs import NO_TEACHER
    from transfer_atlas.pixels import open_pixels
    from transfer_atlas.tables import Provenance, read_table, write_table
    from transfer_atlas.transfer import Student, TransferSpec, run_transfer
    from transfer_atlas.zoo import build_model, default_device

    params, inputs, wildcards, device = snakemake.params, snakemake.input, snakemake.wildcards, default_device()
    torch.set_num_threads(snakemake.threads)
    index, evaluation = read_table(inputs.index), read_table(inputs.predictions[0])
    student = Student(
        build=partial(build_model, params.row, params.classes, params.input_size, inputs.get("weights") or None),
        views=make_views(
            open_pixels(inputs.transfer_pixels), index["image"], params.views, params.transforms, params.seed
        ),
        labels=index["label"].to_numpy(),
        logits=open_logits(inputs.logits[0]),
        evaluation_pixels=open_pixels(inputs.evaluation_pixels),
        evaluation_labels=evaluation["label"].to_numpy(),
        correct=evaluation["correct"].to_numpy(),
        batch_size=params.row["batch_size"],
    )
    answers = {NO_TEACHER: (None, None)}
    for teacher, logits, predictions in zip(params.teachers, inputs.logits[1:], inputs.predictions[1:], strict=True):
        answers[teacher] = open_logits(logits), read_table(predictions)["correct"].to_numpy()
    stop, checkpoints = stop_on_signals(), []
    files = describe_files(inputs)
    for (method, teacher), path in zip(params.targets, snakemake.output, strict=True):
        name = None if teacher == NO_TEACHER else teacher
        recipe = params.methods[method]
        spec = TransferSpec(method, wildcards.student, name, int(wildcards.seed), **recipe)
        shared = {"row": params.row, "views": params.views, "transforms": params.transforms}
        provenance = Provenance(**shared, **recipe)
        identity = {"spec": asdict(spec), **shared, "files": files, "device": device.type, "torch": torch.__version__}
        checkpoint = Checkpoint(checkpoint_of(path), identity, snakemake.config["transfer"]["checkpoint_minutes"], stop)
        row = run_transfer(spec, student, *answers[teacher], device, checkpoint)
        seconds = {"seconds": round(checkpoint.seconds, 3)}
        write_table(pd.DataFrame([row]), "transfers", path, provenance.record(device) | seconds)
        checkpoints.append(checkpoint)
    for checkpoint in checkpoints:
        checkpoint.remove()
