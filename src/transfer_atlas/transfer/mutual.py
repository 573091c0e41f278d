"""Two models that teach each other (Bi-KD, arXiv 2510.22208): both are trained, on what is on the disk of neither."""

from torch import nn

from transfer_atlas.transfer.loop import train_epochs
from transfer_atlas.transfer.objectives import mutual_objective
from transfer_atlas.zoo.build import Input


def learn_mutually(spec, models, views, labels, device, checkpoint=None, evaluate=None, best=None):
    """Train two models in place on the same images, each in its own geometry.

    Args:
        spec: the transfer; its method has target mutual.
        models: student and teacher, pretrained.
        views: Views of the transfer images, in the geometry of each.
        labels: int [transfer images].
        device: where to train.
        checkpoint: as in `train_epochs`.
        evaluate: as in `train_epochs`, of the student.
        best: as in `train_epochs`.

    Returns:
        As `train_epochs`; the accuracy is the student's, the teacher's share that of the images on which it taught.

    Raises:
        Stopped: the checkpoint was asked to stop.
        InputError: the objective is no longer finite.
    """
    both = nn.ModuleList(models)
    to_input = [Input(model).to(device) for model in models]

    def teach_each_other(view, batch, here):
        student, teacher = (
            model(prepare(shown.batch(view, batch, device)))
            for model, prepare, shown in zip(models, to_input, views, strict=True)
        )
        objectives, from_teacher = mutual_objective(student, teacher, here, spec.label_weight, spec.temperature)
        return objectives, student, from_teacher

    told = None if evaluate is None else lambda both, epoch: evaluate(both[0], epoch)
    return train_epochs(spec, both, labels, len(views[0]), teach_each_other, device, checkpoint, told, best)
