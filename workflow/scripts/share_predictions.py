"""Write the predictions of all models as one file."""

from transfer_atlas.jobs.log import logged

with logged(snakemake.log[0]):
    from transfer_atlas.complementarity.zoo_file import write_zoo_file
    from transfer_atlas.logits.zoo_predictions import read_images, read_zoo_predictions
    from transfer_atlas.store.tables import read_table

    predictions, classes = snakemake.input.predictions, snakemake.input.classes
    predicted = read_zoo_predictions(predictions)
    write_zoo_file(predicted, read_images(predictions), read_table(classes), snakemake.output[0])
