"""Which students are taught by a stream of teachers, and how the next teacher is chosen."""

from transfer_atlas.errors import InputError, did_you_mean
from transfer_atlas.study.methods import learns_from_logits

LABELS, SOUP, EXPORTED = "labels", "soup", "flips"  # EXPORTED: the way whose student may become the improved one


def choose_streams(section, pairs, methods):
    """Every (way, student, seed) of a study, in the order of its table.

    Args:
        section: config section `improve`.
        pairs: of `improve.pairs_to_try`: each student with its candidates.
        methods: of `improve.methods_to_try`.

    Raises:
        InputError: a method or student that cannot be; no pairs.
    """
    stream = section.get("stream")
    if stream is None:
        return []
    students = list(dict.fromkeys(pair["student"] for pair in pairs))
    if not students:
        raise InputError("config key 'improve.stream' needs teachers that are known: name them in 'improve.teachers'")
    for student in stream.get("students", []):
        if student not in students:
            raise InputError(
                f"config key 'improve.stream.students': '{student}' is no student of the pairs{did_you_mean(student, students)}"
            )
    _check_method(stream, methods)
    return [
        (way, student, seed)
        for way in stream["ways"]
        for student in stream.get("students", students)
        for seed in methods[method_of(stream, way)]["seeds"]
    ]


def _check_method(stream, methods):
    name = stream["method"]
    able = [other for other, method in methods.items() if learns_from_logits(method) and not method["perturb_weights"]]
    if name not in able:
        raise InputError(
            f"config key 'improve.stream.method': '{name}' is none of the methods that are tried and need no more of a teacher "
            f"than its logits{did_you_mean(name, able)}"
        )
    if LABELS in stream["ways"] and LABELS not in methods:
        raise InputError(
            "config key 'improve.stream.ways': 'labels' needs a method of that name in 'transfer.methods': {label_weight: 1.0}"
        )


def method_of(stream, way):
    """Name of the method whose recipe the stages of a way have; `stream` is the config section `improve.stream`."""
    return LABELS if way == LABELS else stream["method"]


def trainings_of_streams(section, methods, streams, pairs):
    """(student, epochs, share of the transfer images) of all that streams and the transfers beside them train, at most.

    Args:
        section: as in `choose_streams`.
        methods: as in `choose_streams`.
        streams: of `choose_streams`.
        pairs: as in `choose_streams`.
    """
    if not streams:
        return []
    stream, trainings = section["stream"], []
    for way, student, _ in streams:
        recipe = methods[method_of(stream, way)]
        if way != SOUP:
            trainings.append((student, stream["stages"] * recipe["epochs"], recipe["image_share"]))
    recipe, students = methods[stream["method"]], {student for _, student, _ in streams}
    for pair in pairs:
        if pair["student"] in students:
            trainings += [(pair["student"], recipe["epochs"], recipe["image_share"])] * len(recipe["seeds"])
    return trainings


def models_of(streams, pairs):
    """Students of the streams and all their candidates, each once; arguments as in `trainings_of_streams`."""
    students = list(dict.fromkeys(student for _, student, _ in streams))
    candidates = (pair["teacher"] for pair in pairs if pair["student"] in students)
    return list(dict.fromkeys([*students, *candidates]))
