"""Ask one model about all images of both splits and all views."""

from transfer_atlas.jobs import logged

with logged(snakemake.log[0]):
    import numpy as np
    import torch

    from transfer_atlas.images import make_views
    from transfer_atlas.logits import compute_logits, mean_softmax_by_class, predict
    from transfer_atlas.pixels import open_pixels
    from transfer_atlas.tables import Provenance, atomic, fingerprint, read_table, write_table
    from transfer_atlas.zoo import build_model, default_device

    params, inputs, outputs, device = snakemake.params, snakemake.input, snakemake.output, default_device()
    torch.set_num_threads(snakemake.threads)
    provenance = Provenance(row=params.row, transforms=params.transforms, seed=params.seed)
    model = build_model(params.row, params.classes, params.input_size, inputs.get("weights") or None).to(device)
    for number, (split, count) in enumerate(params.views.items()):
        index, pixels = read_table(inputs.indexes[number]), open_pixels(inputs.pixels[number])
        views = make_views(pixels, index["image"], count, params.transforms, params.seed)
        logits = compute_logits(
            model, views, params.row["batch_size"], device, outputs.logits[number], params.row["model"]
        )
        record = {**provenance.record(device), "fingerprint": fingerprint(index["image"], index["label"])}
        write_table(predict(index, logits), "predictions", outputs.predictions[number], record)
        if split == "evaluation":
            with atomic(outputs.confusions) as partial, open(partial, "wb") as file:
                np.save(file, mean_softmax_by_class(logits, index["label"], params.classes))
